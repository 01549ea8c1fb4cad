package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

// TestHardwareCommands runs the commands of docs/hardware.md that need no hardware, in their order, and what they build is what
// they measure.
func TestHardwareCommands(t *testing.T) {
	for _, b := range []string{"cordon", "cordon-enclave"} {
		_, err := os.Stat(filepath.Join("..", "bin", b))
		need.That(t, err == nil, "bin/"+b+" is not built: run make build")
	}
	_, err := exec.LookPath("dpkg-deb")
	need.That(t, err == nil, "no dpkg-deb (Debian package dpkg)")
	blocks := regexp.MustCompile("(?s)```bash\n(.*?)```").FindAllStringSubmatch(read(t, "docs/hardware.md"), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of commands; this test knows 2", len(blocks))
	}
	for _, b := range blocks {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", b[1])
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		need.That(t, !strings.Contains(string(out), "a package can't be had"), "the pinned packages of Debian can't be had")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if !strings.Contains(string(out), "never run on hardware") {
			t.Errorf("nothing is marked: %s", out)
		}
	}
}

// TestHardwareIsMarked: every other block of commands says that nobody has run it, and names no verb that there is not.
func TestHardwareIsMarked(t *testing.T) {
	text := read(t, "docs/hardware.md")
	fences := regexp.MustCompile("(?m)^```(\\w*)\n(.*)\n").FindAllStringSubmatch(text, -1)
	marked := 0
	for _, f := range fences {
		switch {
		case f[1] == "":
		case f[1] == "bash":
		case f[1] == "console" && strings.HasPrefix(f[2], "# HARDWARE: never run"):
			marked++
		default:
			t.Errorf("a block of commands that is neither run nor marked: %s", f[2])
		}
	}
	if marked < 5 {
		t.Errorf("%d blocks are marked", marked)
	}
}
