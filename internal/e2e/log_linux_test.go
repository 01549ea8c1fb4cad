package e2e

import (
	"bytes"
	"os"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/logged"
)

// TestLoggedReceipt: with every process gone, one file shows that the account of a job is in the log as both sides' witnesses saw it.
func TestLoggedReceipt(t *testing.T) {
	p, _ := newPair(t, func(*world) places { return places{} })
	home := p.home("institute")
	plain, err := p.ask(home)
	p.must(err)
	_, err = p.cordonRun("receipt", "bundle", plain, "--home", home, "-o", p.path("none.json"))
	p.wantExit(err, 6, "names no log", "--log")
	var contract struct{ Digest string }
	p.must(p.json(&contract, append(p.proposeArgs(home), "--log")...))
	_, err = p.cordonRun("contract", "grant", contract.Digest, "--home", p.home("alpha"))
	p.must(err)
	p.contract = contract.Digest
	job, err := p.ask(home)
	p.must(err)
	file := p.path("logged.json")
	_, err = p.cordonRun("receipt", "bundle", job, "--home", home, "-o", file)
	p.must(err)
	var l struct {
		Size    int64
		Waiting int
	}
	for _, party := range []string{"institute", "alpha"} {
		p.must(p.json(&l, "log", "verify", "--home", p.home(party)))
		if l.Size < 10 {
			t.Errorf("%s has seen only %d entries", party, l.Size)
		}
		seen := l.Size
		if p.must(p.json(&l, "log", "show", "--home", p.home(party))); l.Size < seen {
			t.Errorf("%s shows %d entries of %d", party, l.Size, seen)
		}
	}
	pins := []string{"--pin", p.operator}
	for _, party := range []string{"institute", "alpha"} {
		var s struct{ Fingerprint string }
		p.must(p.json(&s, "party", "show", "--home", p.home(party)))
		pins = append(pins, "--pin", s.Fingerprint)
	}
	p.stopAll()
	verify := func(src []byte) error {
		p.must(os.WriteFile(file, src, 0o600))
		_, err := p.cordonRun(append([]string{"receipt", "verify", "--offline", file}, pins...)...)
		return err
	}
	good, err := os.ReadFile(file)
	p.must(err)
	p.must(verify(good))
	change := func(f func(*logged.File)) []byte {
		x, err := logged.Decode(good)
		p.must(err)
		f(x)
		out, err := x.Encode()
		p.must(err)
		return out
	}
	for name, src := range map[string][]byte{
		"another salt":       change(func(f *logged.File) { f.Entries[0].Salt[0] ^= 1 }),
		"an entry left out":  change(func(f *logged.File) { f.Entries = f.Entries[1:] }),
		"no cosignature":     change(func(f *logged.File) { f.Cosignatures = f.Cosignatures[:0] }),
		"one cosignature":    change(func(f *logged.File) { f.Cosignatures = f.Cosignatures[:1] }),
		"another checkpoint": change(func(f *logged.File) { f.Checkpoint = bytes.Replace(f.Checkpoint, []byte("\n\n"), []byte("\nx\n\n"), 1) }),
		"dated another time": change(func(f *logged.File) { f.Entries[0].TimeMS++ }),
		"of another kind":    change(func(f *logged.File) { f.Entries[0].Kind = "anchor" }),
		"the account is wrong": change(func(f *logged.File) {
			f.Bundle = bytes.Replace(f.Bundle, []byte(`"payload":"`), []byte(`"payload":"AAAA`), 1)
		}),
	} {
		if verify(src) == nil {
			t.Errorf("%s: verified", name)
		}
	}
	p.wantExit(verify([]byte(`{}`)), 3, "not an account with proofs", "receipt bundle")
}
