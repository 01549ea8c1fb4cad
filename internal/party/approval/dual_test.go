package approval

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/statement"
)

// twoOfTwo officers must approve some of what an owner signs.
func twoOfTwo(t *testing.T, o *owner, actions ...string) []*keyring.KeyFile {
	t.Helper()
	var keys []*keyring.KeyFile
	var list []officers.Officer
	for _, name := range []string{"olga", "omar"} {
		k := must(keyring.NewKeyFile(keyring.UseOfficer, name))
		keys, list = append(keys, k), append(list, officers.Officer{Name: name, Fingerprint: k.Fingerprint()})
	}
	for range 3 {
		_, err := o.Officers.Change(t.Context(), list, 2, actions)
		if err == nil {
			return keys
		}
		approveAll(t, o, keys...)
	}
	t.Fatal("no list of officers")
	return nil
}

func approveAll(t *testing.T, o *owner, keys ...*keyring.KeyFile) {
	t.Helper()
	for _, s := range must(o.Officers.Requests()) {
		for _, ask := range s.Asking {
			for _, k := range keys {
				e := must(statement.Sign(statement.Approval{
					Officer: k.Fingerprint(), Party: o.self(), Action: s.Request.Action, About: s.Request.Digest(), Officers: ask.Digest, AtMS: 1,
				}, k.Signer()))
				must(o.Officers.Add(e.Bytes()))
			}
		}
	}
}

func waits(err error) bool { return errors.As(err, new(*officers.Waiting)) }

// TestDualGrant: by hand with two, by rule with none: the rule's policy had its own.
func TestDualGrant(t *testing.T) {
	w := newWorld(t, 1)
	o, c := w.owners[0], w.contract(nil)
	keys := twoOfTwo(t, o, statement.ActionGrant)
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); !waits(err) || o.count(ledger.KindGrant) != 0 {
		t.Fatalf("granted by one: %v", err)
	}
	approveAll(t, o, keys[0])
	w.now = w.now.Add(1e9) // the grant is the one that was asked for, with its time
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); !waits(err) || o.count(ledger.KindGrant) != 0 {
		t.Fatalf("granted by one officer: %v", err)
	}
	approveAll(t, o, keys[1])
	g, err := o.Grant(t.Context(), c.Digest(), statement.ByHand)
	if err != nil || o.count(ledger.KindApprove) < 2 {
		t.Fatalf("not granted by both: %v", err)
	}
	entries := o.Ledger.Entries()
	if last := entries[len(entries)-2]; last.Kind != ledger.KindApprove || last.About != g.Digest() {
		t.Error("the approvals don't stand before the grant that they name")
	}
	by := w.contract(func(c *statement.Contract) { c.Nonce = append([]byte{9}, c.Nonce[1:]...) })
	if _, err := o.Grant(t.Context(), by.Digest(), statement.ByRule); err != nil {
		t.Fatalf("a standing rule: %v", err)
	}
}

// TestDualGrantReplay: a request and approvals that were kept from before a revocation bring nothing back.
func TestDualGrantReplay(t *testing.T) {
	w := newWorld(t, 1)
	o, c := w.owners[0], w.contract(nil)
	keys := twoOfTwo(t, o, statement.ActionGrant)
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); !waits(err) {
		t.Fatal(err)
	}
	requests := filepath.Join(o.Home.Officers(), "requests")
	kept := must(filepath.Glob(filepath.Join(requests, "*.json")))
	src := must(os.ReadFile(kept[0]))
	approveAll(t, o, keys...)
	g := must(o.Grant(t.Context(), c.Digest(), statement.ByHand))
	must(o.Revoke(t.Context(), g.Digest(), "no more"))
	if err := os.WriteFile(kept[0], src, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := must(o.Officers.Requests()); len(s) != 1 || len(s[0].Approved) != 0 {
		t.Fatalf("approvals count again: %+v", s)
	}
	w.now = w.now.Add(1e9)
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); !waits(err) || !o.ended(c.Digest()) {
		t.Fatalf("granted again: %v", err)
	}
	// Officers can approve anew; what they approve then is another grant.
	for _, f := range must(filepath.Glob(filepath.Join(requests, "*.json"))) {
		if f == kept[0] {
			must(0, os.Remove(f))
		}
	}
	approveAll(t, o, keys...)
	if again := must(o.Grant(t.Context(), c.Digest(), statement.ByHand)); again.Digest() == g.Digest() {
		t.Fatal("the same grant")
	}
}

// TestDualPool: neither proposed, nor signed, nor joined without asking.
func TestDualPool(t *testing.T) {
	w := newWorld(t, 4)
	a, b := w.owners[0], w.owners[1]
	keys := twoOfTwo(t, a, statement.ActionPool)
	if _, err := a.ProposePool(t.Context(), "strikes", w.names(), nil); !waits(err) || a.count(ledger.KindPool) != 0 {
		t.Fatalf("proposed by one: %v", err)
	}
	approveAll(t, a, keys...)
	w.now = w.now.Add(1e9)
	e := must(a.ProposePool(t.Context(), "strikes", w.names(), nil))
	keys = twoOfTwo(t, b, statement.ActionPool)
	for range 2 { // it comes again, and waits
		if err := b.Consider(t.Context(), e); err != nil || b.count(ledger.KindPool) != 0 || b.count(ledger.KindRefusal) != 0 {
			t.Fatalf("joined, or refused, by one: %v", err)
		}
	}
	if err := b.SignPool(t.Context(), e); !waits(err) {
		t.Fatalf("signed by one: %v", err)
	}
	approveAll(t, b, keys...)
	if err := b.SignPool(t.Context(), e); err != nil || b.count(ledger.KindPool) != 1 {
		t.Fatalf("not signed by both: %v", err)
	}
}
