package lockdown

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests of package perimeter run Prepare where everything holds, and with hosts that lie. Here is the opposite:
// an ordinary process, where each check must fail by itself.

func TestChecksFailOutside(t *testing.T) {
	strong, err := parseClaim(claimProcess)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		check func(claim, *Observed) error
		name  string
		holds func() bool // true where the machine happens to satisfy the check
	}{
		{noNewPrivs, "no new privileges", func() bool { return statusHas("NoNewPrivs:\t1") }},
		{noCapabilities, "no capabilities", func() bool { return statusHas("CapBnd:\t0000000000000000") }},
		{memoryLimit, "memory limit", nil},
		{noEnvironment, "empty environment", nil},
		{descriptors, "standard descriptors", nil},
		{rootDenied, "file system denied", nil},
		{userNamespace, "own user namespace", singleIDs},
		{pidNamespace, "own pid namespace", nil},
		{emptyRoot, "empty root", nil},
		{network, "own network namespace", noNetwork},
	}
	t.Setenv("CORDON_TEST", "1")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.holds != nil && tt.holds() {
				t.Skip("holds on this machine")
			}
			var o Observed
			err := tt.check(strong, &o)
			var c *CheckError
			if !errors.As(err, &c) || !errors.Is(err, ErrPerimeter) || c.Check != tt.name {
				t.Errorf("got %v, want check %q to fail", err, tt.name)
			}
			if o != (Observed{}) {
				t.Errorf("failed, but observed %+v", o)
			}
		})
	}
}

func statusHas(line string) bool {
	text, err := os.ReadFile("/proc/self/status")
	return err == nil && strings.Contains(string(text), line)
}

func singleIDs() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(text))
	return err == nil && len(f) == 3 && f[2] == "1"
}

func noNetwork() bool {
	all, err := net.Interfaces()
	if err != nil {
		return false
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			return false
		}
	}
	return true
}

// TestPrepareRefuses: and so all of them together refuse, and say nothing of what they saw.
func TestPrepareRefuses(t *testing.T) {
	for _, c := range []string{claimProcess, claimSharedPID, claimNoUserNS, claimNoUserNS + swapSuffix, claimVM, claimSNP, claimTDX, claimNitro, "", "none"} {
		o, err := Prepare(c)
		if !errors.Is(err, ErrPerimeter) || o != (Observed{}) {
			t.Errorf("%q: got %+v, %v", c, o, err)
		}
	}
}

// TestMakesItself: two properties that Prepare does not find but makes.
func TestMakesItself(t *testing.T) {
	var o Observed
	if err := notDumpable(claim{}, &o); err != nil || !o.NotDumpable {
		t.Errorf("%v", err)
	}
	if got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || got != 0 {
		t.Errorf("dumpable %d (%v)", got, err)
	}
	if err := noCore(claim{}, &o); err != nil || !o.NoCore {
		t.Errorf("%v", err)
	}
}

func TestSwapClaim(t *testing.T) {
	t.Parallel()
	tests := []struct {
		claim string
		bytes uint64
		want  bool
	}{
		{"process", 0, true}, {"process", 1, false}, {"process+swap", 0, true}, {"process+swap", 1 << 30, true},
	}
	for _, tt := range tests {
		c, err := parseClaim(tt.claim)
		if err != nil || c.accepts(tt.bytes) != tt.want {
			t.Errorf("%s with %d bytes: want %v (%v)", tt.claim, tt.bytes, tt.want, err)
		}
	}
}

func FuzzParseClaim(f *testing.F) {
	f.Add("process-shared-pid+swap")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseClaim(text)
		switch {
		case err != nil && c != (claim{}):
			t.Error("refused, but something returned")
		case err == nil && c.text != text:
			t.Errorf("%q became %q", text, c.text)
		case err == nil && c.ownPID && !c.namespaces && !c.machine:
			t.Error("a pid namespace without the others")
		}
	})
}

// TestMachineClaims: what a machine has, nobody can claim who isn't one; and a machine has no swap to accept.
func TestMachineClaims(t *testing.T) {
	for text, devices := range map[string]int{claimVM: 1, claimNitro: 1, claimSNP: TSMEntries * TSMFiles, claimTDX: TSMEntries * TSMFiles} {
		c, err := parseClaim(text)
		if err != nil || !c.machine || c.namespaces || !c.ownPID || c.attester != devices || !IsMachine(text) {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
		if c.isChannel() {
			t.Errorf("%s: a test's descriptor 3 passes for its channel", text)
		}
		for what, check := range map[string]func(claim, *Observed) error{
			"descriptors": descriptors, "empty root": emptyRoot, "own pid namespace": pidNamespace, "memory limit": memoryLimit,
		} {
			if err := check(c, new(Observed)); !errors.Is(err, ErrPerimeter) {
				t.Errorf("%s: %s holds in a test", text, what)
			}
		}
		if _, err := parseClaim(text + swapSuffix); !errors.Is(err, ErrPerimeter) {
			t.Errorf("%s with swap: %v", text, err)
		}
	}
	for _, text := range []string{claimProcess, claimProcess + swapSuffix, "", "gramine"} {
		if IsMachine(text) {
			t.Errorf("%q is a machine", text)
		}
	}
}
