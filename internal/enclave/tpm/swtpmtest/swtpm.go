package swtpmtest

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// patience for a TPM to come up.
const patience = 20 * time.Second

// Start starts a fresh TPM that ends with the test, and connects to it: a command is one write, its answer follows.
func Start(t testing.TB) net.Conn {
	t.Helper()
	path, err := exec.LookPath("swtpm")
	need.That(t, err == nil, "swtpm is not there: scripts/deps-vm installs it")
	dir := t.TempDir()
	socket := filepath.Join(dir, "tpm")
	cmd := exec.Command(path, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server", "type=unixio,path="+socket,
		"--ctrl", "type=unixio,path="+filepath.Join(dir, "control"), "--flags", "not-need-init,startup-clear", "--log", "level=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			return c
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
