package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/softhsm"
)

// TestTokenAndDestruction: an owner whose version keys are wrapped inside a token. Jobs run; while the token is away they are refused
// by name and the agent stays up; once a version's keys are destroyed they are refused for good.
func TestTokenAndDestruction(t *testing.T) {
	token := softhsm.New(t)
	t.Setenv("PATH", filepath.Dir(token.Helper)+string(os.PathListSeparator)+os.Getenv("PATH"))
	p, _ := newPair(t, nowhere)
	alpha, institute := p.home("alpha"), p.home("institute")
	_, err := p.ask(institute)
	p.must(err)

	p.owner.stop()
	out, err := p.cordonRun("key", "move", "--home", alpha, "--passphrase-file", p.passphrase("alpha"), "--to", token.URI("alpha"), "--destroy-old")
	p.must(err)
	if !strings.Contains(string(out), "1 version keys wrapped anew") {
		t.Errorf("moved: %s", out)
	}
	p.owner = p.serve("alpha", alpha, p.exchange)
	_, err = p.ask(institute)
	p.must(err)

	p.owner.stop()
	token.Unplug(t)
	p.owner = p.serve("alpha", alpha, p.exchange)
	_, err = p.cordonRun(p.runArgs(institute)...)
	p.wantExit(err, 6, "keys-unavailable", "ask the owners named")
	if log := p.read("logs", "agent-alpha.log"); !strings.Contains(log, "check that the token is plugged in") {
		t.Errorf("the log does not say it: %s", log)
	}
	token.Plug(t)
	_, err = p.ask(institute)
	p.must(err)

	_, err = p.cordonRun("key", "destroy", "strikes", "1", "--home", alpha, "--yes")
	p.must(err)
	before := p.counts(alpha, "release", "")
	_, err = p.cordonRun(p.runArgs(institute)...)
	p.wantExit(err, 6, "", "")
	if n := p.counts(alpha, "release", ""); n != before {
		t.Errorf("%d releases after the keys were destroyed, %d before", n, before)
	}
}
