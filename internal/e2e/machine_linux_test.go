package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

// TestJobInAMachine: the enclave is the only process of a virtual machine, its TPM's quote is what keys are released for, and the
// receipt says what that is worth. When the host is killed, nothing of the machine stays; another host does the next job.
func TestJobInAMachine(t *testing.T) {
	for _, program := range []string{"qemu-system-x86_64", "swtpm"} {
		_, err := exec.LookPath(program)
		need.That(t, err == nil, program+" is not there: scripts/deps-vm installs it")
	}
	p, _ := newPair(t, func(*world) places { return places{machine: true} })
	institute := p.home("institute")
	job, err := p.ask(institute)
	p.must(err)
	bundle := p.path("receipts", "machine.json")
	_, err = p.cordonRun("receipt", "export", job, "--home", institute, "-o", bundle)
	p.must(err)
	p.wantSoftwareRooted(bundle)

	// A second job's machine, and its host is killed.
	var second struct{ Digest string }
	p.must(p.json(&second, append(p.runArgs(institute), "--detach")...))
	p.until("a machine runs", func() bool { return len(descendants(t, p.host.pid())) >= 2 })
	machine := descendants(t, p.host.pid())
	p.must(p.host.cmd.Process.Kill())
	<-p.host.done
	p.until("machine and TPM are gone as well", func() bool {
		for _, pid := range machine {
			if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "exe")); err == nil {
				return false
			}
		}
		return true
	})
	p.startHost()
	if left, err := filepath.Glob(p.path("tmp", "cordon-vm-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func (p *pair) wantSoftwareRooted(bundle string) {
	p.Helper()
	pins := []string{"--pin", p.operator}
	for _, name := range []string{"alpha", "institute"} {
		var s struct{ Fingerprint string }
		p.must(p.json(&s, "party", "status", "--home", p.home(name)))
		pins = append(pins, "--pin", s.Fingerprint)
	}
	var r struct {
		Receipt struct {
			Perimeter struct {
				Kind, Form string
				Simulated  bool
			}
		}
	}
	p.must(p.json(&r, append([]string{"receipt", "verify", bundle}, pins...)...))
	if got := r.Receipt.Perimeter; got.Kind != "tpm-software" || got.Form != "vm" || !got.Simulated {
		p.Errorf("the receipt's perimeter is %+v", got)
	}
	text, err := p.cordonRun(append([]string{"receipt", "verify", bundle}, pins...)...)
	p.must(err)
	if !strings.Contains(string(text), "SOFTWARE-ROOTED") {
		p.Errorf("the receipt does not say what the evidence is worth:\n%s", text)
	}
}

// makeImage builds the machine's image twice: the same bytes each time, and its build is what the file about it says.
func (p *pair) makeImage() string {
	p.Helper()
	cache, err := os.UserCacheDir()
	p.must(err)
	var first []byte
	for _, name := range []string{"image", "image again"} {
		cmd := exec.Command("go", "run", "./tools/vmimage", "-enclave", p.enclave, "-out", p.path(name), "-cache", filepath.Join(cache, "cordon"))
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			need.That(p.T, !strings.Contains(string(out), "can't be had"), "the kernel's package can't be downloaded")
			p.Fatalf("%v: %s", err, out)
		}
		about, err := os.ReadFile(p.path(name, "image.json"))
		p.must(err)
		if first != nil && string(first) != string(about) {
			p.Errorf("another image: %s, %s", first, about)
		}
		if first = about; !json.Valid(about) {
			p.Errorf("image.json: %s", about)
		}
	}
	return p.path("image")
}
