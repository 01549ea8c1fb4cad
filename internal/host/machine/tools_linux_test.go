package machine

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/privileges"
)

func TestVirtualises(t *testing.T) {
	for text, want := range map[string]bool{
		"flags\t\t: fpu vmx sse": true, "flags\t\t: fpu svm": true, "flags\t\t: fpu sse": false, "": false, "bugs\t: vmx": false, "flags\t: vmxx": false,
	} {
		if virtualises(text) != want {
			t.Errorf("%q", text)
		}
	}
}

// Root's own rights and root's group don't count: machines of a host that is root are nobody's.
func TestGroupFor(t *testing.T) {
	for _, c := range []struct {
		mode, gid uint32
		groups    []uint32
		ok        bool
	}{
		{0o666, 0, nil, true}, {0o660, 104, []uint32{104}, true}, {0o660, 0, nil, false}, {0o600, 104, nil, false}, {0o640, 104, nil, false},
	} {
		if groups, ok := groupFor(c.mode, c.gid); ok != c.ok || !slices.Equal(groups, c.groups) {
			t.Errorf("%o of %d: %v, %v", c.mode, c.gid, groups, ok)
		}
	}
}

// A host that is root gives its machines to nobody.
func TestMachinesAreUnprivileged(t *testing.T) {
	e, err := Start(t.Context(), Options{Image: image(t), Tools: tools(t), MemoryBytes: 1 << 30, Processors: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Conn().Close()
	for _, pid := range []int{e.qemu.Pid(), e.tpm.Pid()} {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			t.Fatal(err)
		}
		who := strconv.Itoa(os.Geteuid())
		if who == "0" {
			who = strconv.Itoa(privileges.Nobody)
		}
		if !strings.Contains(string(status), "Uid:\t"+who+"\t"+who+"\t") {
			t.Errorf("process %d is not %s's:\n%s", pid, who, status)
		}
	}
	e.Kill()
	e.Wait()
}
