package e2e

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
)

// TestMissingKEK: a keyring restored from a backup that is too old. The owner is told by its own agent, a job is refused by name,
// and with the right keyring all is as before.
func TestMissingKEK(t *testing.T) {
	t.Parallel()
	p, _ := newPair(t, nowhere)
	alpha, institute := p.home("alpha"), p.home("institute")
	_, err := p.ask(institute)
	p.must(err)

	p.owner.stop()
	file := filepath.Join(alpha, "keyring.age")
	whole, err := os.ReadFile(file)
	p.must(err)
	p.must(os.WriteFile(file, p.otherKEK(whole), 0o600))
	p.owner = p.serve("alpha", alpha, p.exchange)
	status, err := p.cordonRun("party", "status", "--home", alpha)
	p.must(err)
	if !strings.Contains(string(status), "keys missing") || !strings.Contains(string(status), "strikes version 1") {
		t.Errorf("the owner is not told: %s", status)
	}
	if log := p.read("logs", "agent-alpha.log"); !strings.Contains(log, "keys do not open: restore") {
		t.Errorf("the log does not say it: %s", log)
	}
	_, err = p.cordonRun(p.runArgs(institute)...)
	p.wantExit(err, 6, "keys-unavailable", "ask the owners named")
	if n := p.counts(alpha, "release", ""); n != 1 {
		t.Errorf("%d releases, want that of the job before", n)
	}

	p.owner.stop()
	p.must(os.WriteFile(file, whole, 0o600))
	p.owner = p.serve("alpha", alpha, p.exchange)
	job, err := p.ask(institute)
	p.must(err)
	if n := p.counts(alpha, "charge", job); n != 1 {
		t.Errorf("charged %d times", n)
	}
}

// otherKEK gives the keyring another key encryption key, and leaves all else.
func (p *pair) otherKEK(file []byte) []byte {
	p.Helper()
	pass := strings.TrimSpace(p.read("premises", "alpha.passphrase"))
	id, err := age.NewScryptIdentity(pass)
	p.must(err)
	r, err := age.Decrypt(bytes.NewReader(file), id)
	p.must(err)
	plain, err := io.ReadAll(r)
	p.must(err)
	kek := regexp.MustCompile(`"keks":\[\{"id":"[0-9a-f]{16}"`)
	if !kek.Match(plain) {
		p.Fatal("the keyring has another form")
	}
	plain = kek.ReplaceAll(plain, []byte(`"keks":[{"id":"0123456789abcdef"`))
	to, err := age.NewScryptRecipient(pass)
	p.must(err)
	to.SetWorkFactor(10)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	p.must(err)
	_, err = w.Write(plain)
	p.must(err)
	p.must(w.Close())
	return out.Bytes()
}
