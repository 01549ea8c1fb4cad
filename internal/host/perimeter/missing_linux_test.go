package perimeter

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/internal/privileges"
)

// willing are facts about a machine that offers everything before the first stage starts.
func willing() *facts {
	f := realFacts()
	f.swapOn = func() (bool, error) { return false, nil }
	f.landlockABI = func() (int, error) { return 1, nil }
	f.seccomp = func() error { return nil }
	f.start = func(*exec.Cmd) error { return errors.New("started") }
	return f
}

// TestMissing: each missing thing is named, with a cure, before an enclave could run.
func TestMissing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		request Request
		spoil   func(*facts)
		what    string
		cure    string
	}{
		{"swap is on", Request{Name: Process},
			func(f *facts) { f.swapOn = func() (bool, error) { return true, nil } }, "without swap", "swapoff -a"},
		{"swap is not known", Request{Name: Process},
			func(f *facts) { f.swapOn = func() (bool, error) { return false, errors.New("x") } }, "table of swap", "+swap"},
		{"no filters", Request{Name: NoUserNS},
			func(f *facts) { f.seccomp = func() error { return unix.ENOSYS } }, "system call filters", "CONFIG_SECCOMP_FILTER"},
		{"no landlock in the kernel", Request{Name: NoUserNS},
			func(f *facts) { f.landlockABI = func() (int, error) { return 0, unix.ENOSYS } }, "Landlock", "5.13"},
		{"landlock of no version", Request{Name: NoUserNS},
			func(f *facts) { f.landlockABI = func() (int, error) { return 0, nil } }, "Landlock", "lsm="},
		{"user namespaces forbidden", Request{Name: Process},
			func(f *facts) { f.start = func(*exec.Cmd) error { return unix.EPERM } }, "user namespaces", "max_user_namespaces"},
		{"user namespaces used up", Request{Name: SharedPID},
			func(f *facts) { f.start = func(*exec.Cmd) error { return unix.ENOSPC } }, "user namespaces", string(NoUserNS)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := willing()
			tt.spoil(f)
			_, err := Check(t.Context(), Options{Request: tt.request, Limits: testLimits(), facts: f})
			var m *MissingError
			if !errors.As(err, &m) {
				t.Fatalf("got %v, want a MissingError", err)
			}
			if !strings.Contains(m.What, tt.what) || !strings.Contains(m.Hint(), tt.cure) {
				t.Errorf("missing %q, cure %q; want %q, %q", m.What, m.Hint(), tt.what, tt.cure)
			}
			if _, err := Start(t.Context(), Options{Image: &Image{}, Request: tt.request, Limits: testLimits(), facts: f}); !errors.As(err, &m) {
				t.Errorf("Start: %v, want a MissingError", err)
			}
		})
	}
}

// TestNothingMissing: the same facts, unspoilt, get as far as starting the stage.
func TestNothingMissing(t *testing.T) {
	t.Parallel()
	for _, n := range Names() {
		_, err := Check(t.Context(), Options{Request: Request{Name: n}, Limits: testLimits(), facts: willing()})
		if !errors.Is(err, ErrStage) || !strings.Contains(err.Error(), "started") {
			t.Errorf("%s: %v", n, err)
		}
	}
}

// TestSwapAcceptedByName: only a request that says so runs with swap, and its form says so too.
func TestSwapAcceptedByName(t *testing.T) {
	t.Parallel()
	f := realFacts()
	f.swapOn = func() (bool, error) { return true, nil }
	o := Options{Request: Request{Name: NoUserNS}, Limits: testLimits(), facts: f}
	var m *MissingError
	if _, err := Check(t.Context(), o); !errors.As(err, &m) {
		t.Errorf("got %v, want a MissingError", err)
	}
	o.Request.AllowSwap = true
	form, err := Check(t.Context(), o)
	if errors.As(err, &m) {
		need.That(t, false, m.What)
	}
	if err != nil || form.Swap != SwapAllowed {
		t.Errorf("form %+v, %v", form, err)
	}
	strong, err := strongest(t.Context(), o)
	if err != nil || strong.Swap != SwapAllowed {
		t.Errorf("strongest %+v, %v", strong, err)
	}
}

// TestStageFailures: what a stage reports becomes an error that names the thing, and a report that makes no sense is
// an error as well.
func TestStageFailures(t *testing.T) {
	t.Parallel()
	failure := func(step string, errno unix.Errno) string {
		text, _ := json.Marshal(stageReport{Failed: &stageFailure{step, int(errno)}})
		return string(text)
	}
	const done = `{"done":{"namespaces":[],"root":"host","proc":"x","landlock":["fs"],"user":"caller"}}`
	tests := []struct {
		name, report, missing string
	}{
		{"masked proc", failure(stepProc, unix.EPERM), "/proc"},
		{"no rights in the namespace", failure(stepPrivate, unix.EACCES), "user namespaces"},
		{"no rights to mount", failure(stepRoot, unix.EPERM), "user namespaces"},
		{"landlock refused", failure(stepLandlock, unix.EPERM), "Landlock"},
		{"no executable memory files", done + failure(stepExec, unix.EACCES), "executable memory files"},
		{"limits", failure(stepLimits, unix.EPERM), ""},
		{"execution after success", done + failure(stepExec, unix.ENOEXEC), ""},
		{"silence", "", ""},
		{"no JSON", "panic: x", ""},
		{"neither", "{}", ""},
		{"two successes", done + done, ""},
		{"an unknown field", `{"done":{"namespaces":[],"extra":1}}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readReport(strings.NewReader(tt.report))
			if err == nil || len(got.Landlock) != 0 {
				t.Fatalf("got %+v, %v", got, err)
			}
			var m *MissingError
			switch {
			case tt.missing == "" && !errors.Is(err, ErrStage):
				t.Errorf("got %v, want %v", err, ErrStage)
			case tt.missing != "" && (!errors.As(err, &m) || !strings.Contains(m.What, tt.missing)):
				t.Errorf("got %v, want missing %q", err, tt.missing)
			}
		})
	}
	if got, err := readReport(strings.NewReader(done)); err != nil || got.Root != RootHost {
		t.Errorf("success: %+v, %v", got, err)
	}
}

// FuzzReadReport: a stage that has been taken over can't crash the host, and a failure never counts as success.
func FuzzReadReport(f *testing.F) {
	f.Add(`{"done":{"namespaces":["pid"],"root":"host","proc":"x","landlock":["fs"],"user":"caller"}}`)
	f.Add(`{"failed":{"step":"mount proc","errno":1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readReport(strings.NewReader(text))
		if err != nil {
			if got.Root != "" || got.Namespaces != nil || got.Landlock != nil {
				t.Error("refused, but something returned")
			}
			return
		}
		again, err := json.Marshal(stageReport{Done: &got})
		if err != nil {
			t.Fatal(err)
		}
		if same, err := readReport(strings.NewReader(string(again))); err != nil || same.Root != got.Root {
			t.Errorf("%v after one more round", err)
		}
	})
}

func TestSwapOn(t *testing.T) {
	t.Parallel()
	const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	tests := []struct {
		name, text string
		on, fails  bool
	}{
		{"none", heading, false, false},
		{"a file", heading + "/swap.img file 1 0 -2\n", true, false},
		{"compressed memory", heading + "/dev/zram0 partition 1 0 100\n", true, false},
		{"empty table", "", false, true},
		{"something else", "hello\n", false, true},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "swaps")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		on, err := swapOn(path)
		if on != tt.on || (err != nil) != tt.fails {
			t.Errorf("%s: %v, %v", tt.name, on, err)
		}
	}
	if _, err := swapOn("/nonexistent"); err == nil {
		t.Error("no table, but an answer")
	}
}

func TestMapsID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       bool
	}{
		{"all", "         0          0 4294967295\n", true},
		{"root alone", "0 1000 1\n", false},
		{"just short", "0 100000 65534\n", false},
		{"just enough", "0 100000 65535\n", true},
		{"second line", "0 0 1\n65534 65534 1\n", true},
		{"nothing", "", false},
		{"nonsense", "x\n", false},
	}
	for _, tt := range tests {
		if got := mapsID(tt.text, privileges.Nobody); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// narrow runs the test program as a host in a narrower machine: a user namespace in which script is run first.
func narrow(t *testing.T, script string) helperReport {
	t.Helper()
	sh, err := exec.LookPath("sh")
	need.That(t, err == nil, "no shell to prepare a narrower machine")
	offered(t, Process)
	cmd := exec.Command(sh, "-ec", script+"\nexec \"$@\"", "sh", "/proc/self/exe", helperCommand, "strongest")
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args[4] = self
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			need.That(t, false, "no narrower machine: "+string(exit.Stderr))
		}
		t.Fatal(err)
	}
	var r helperReport
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMaskedProc: parts of /proc are covered, as in containers.
func TestMaskedProc(t *testing.T) {
	t.Parallel()
	r := narrow(t, "mount --bind /dev/null /proc/meminfo; mount -t tmpfs tmpfs /proc/tty")
	if r.Form.Name != SharedPID {
		t.Errorf("strongest is %q (%s), want %q", r.Form.Name, r.Error, SharedPID)
	}
	if len(r.Refused) != 1 || !strings.Contains(r.Refused[string(Process)], "/proc") {
		t.Errorf("refused: %v", r.Refused)
	}
}

// TestNoUserNamespaces: the machine allows no more of them.
func TestNoUserNamespaces(t *testing.T) {
	t.Parallel()
	r := narrow(t, "echo 0 > /proc/sys/user/max_user_namespaces")
	if r.Form.Name != NoUserNS {
		t.Errorf("strongest is %q (%s), want %q", r.Form.Name, r.Error, NoUserNS)
	}
	for _, n := range []Name{Process, SharedPID} {
		if r.Refused[string(n)] != "user namespaces" {
			t.Errorf("%s refused for %q", n, r.Refused[string(n)])
		}
	}
}

// TestStrongestOffersWhatCheckDoes: it never names what can't be started.
func TestStrongestOffersWhatCheckDoes(t *testing.T) {
	t.Parallel()
	f, err := Strongest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Check(context.Background(), Options{Request: f.Request(), Limits: testLimits()}); err != nil {
		t.Error(err)
	}
	if need.All() && f.Name != Process {
		t.Errorf("strongest is %q, and CORDON_REQUIRE_ALL=1", f.Name)
	}
}
