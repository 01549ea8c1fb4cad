package vectors_test

import (
	"context"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

// accountFile lists, for every statement of the bundle, what happens without it or with a bit changed.
func accountFile(t *testing.T, a *receipttest.Account) vectors.Account {
	f := vectors.Account{Comment: comment, Pins: names(a.Pins()), Receipt: string(a.Bundle.Receipt.Digest())}
	for _, p := range a.Everyone() {
		f.Missing = append(f.Missing, vectors.MissingPin{Name: p.Name, Pin: string(p.Fingerprint())})
	}
	add := func(name string, edit func(b *receipt.Bundle)) {
		b, err := receipt.Decode(a.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		edit(b)
		to, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		f.Failure = append(f.Failure, vectors.AccountChange{Name: name, Change: change(t, a.Bytes, to)})
	}
	flip := func(e *statement.Envelope) { e.Signatures[0].Sig[0] ^= 1 }
	add("receipt changed", func(b *receipt.Bundle) { flip(&b.Receipt) })
	add("job changed", func(b *receipt.Bundle) { flip(&b.Job) })
	add("contract changed", func(b *receipt.Bundle) { flip(&b.Contract) })
	for _, l := range []struct {
		name string
		list func(b *receipt.Bundle) *[]statement.Envelope
		drop bool
	}{
		{"pool", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Pools }, true},
		{"offer", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Offers }, true},
		{"grant", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Grants }, true},
		{"ready", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Readies }, true},
		{"release", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Releases }, true},
		{"ack", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Acks }, true},
		{"party", func(b *receipt.Bundle) *[]statement.Envelope { return &b.Parties }, false},
	} {
		add(l.name+" changed", func(b *receipt.Bundle) { flip(&(*l.list(b))[0]) })
		add(l.name+" twice", func(b *receipt.Bundle) { *l.list(b) = append(*l.list(b), (*l.list(b))[0]) })
		if l.drop {
			add(l.name+" missing", func(b *receipt.Bundle) { *l.list(b) = slices.Delete(*l.list(b), 0, 1) })
		}
	}
	add("ack for a release", func(b *receipt.Bundle) { b.Releases[0] = b.Acks[0] })
	return f
}

func TestAccount(t *testing.T) {
	f, src := vectors.AllAccounts(), vectors.Bundle()
	opt := receipt.Options{Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}}
	for _, p := range f.Pins {
		opt.Pins = append(opt.Pins, statement.Fingerprint(p))
	}
	r, err := receipt.Verify(context.Background(), src, opt)
	if err != nil || string(r.Digest) != f.Receipt {
		t.Fatalf("the account does not verify: %v", err)
	}
	if len(f.Failure) < 20 || len(f.Missing) != len(f.Pins) {
		t.Fatal("vectors are missing")
	}
	for _, c := range f.Failure {
		if r, err := receipt.Verify(context.Background(), c.Change.Apply(src), opt); r != nil || err == nil {
			t.Errorf("%s: verifies", c.Name)
		}
	}
	for _, m := range f.Missing {
		less := opt
		less.Pins = slices.DeleteFunc(slices.Clone(opt.Pins), func(p statement.Fingerprint) bool { return string(p) == m.Pin })
		if r, err := receipt.Verify(context.Background(), src, less); r != nil || err == nil {
			t.Errorf("without the pin of %s: verifies", m.Name)
		}
	}
}
