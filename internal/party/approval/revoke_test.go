package approval

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

var errAway = fmt.Errorf("%w: away", client.ErrUnavailable)

// visit makes another exchange the desk's, as after a restart.
func (o *owner) visit(x *partytest.Exchange) { o.Catalog, o.Exchange = catalog.New(x), x }

// ended reports whether the ledger says that the contract's grant was revoked.
func (o *owner) ended(contract statement.Digest) (ended bool) {
	o.Ledger.View(func(a *ledger.Accounts) {
		in, revoked := a.Grant(contract)
		ended = in == "" && revoked
	})
	return ended
}

// TestRevokeHidden: an exchange that shows nothing, or is away, keeps no owner from revoking; it is told later.
func TestRevokeHidden(t *testing.T) {
	for _, c := range []struct {
		name    string
		down    error
		byGrant bool
	}{{"hidden, by contract", nil, false}, {"hidden, by grant", nil, true}, {"away, by contract", errAway, false}, {"away, by grant", errAway, true}} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			o, contract := w.owners[0], w.contract(nil).Digest()
			g := must(o.Grant(t.Context(), contract, statement.ByHand))
			x := partytest.New()
			x.Down = c.down
			o.visit(x)
			digest := contract
			if c.byGrant {
				digest = g.Digest()
			}
			r, err := o.Revoke(t.Context(), digest, "enough")
			if err != nil || !o.ended(contract) || r.Body().Revokes != g.Digest() {
				t.Fatalf("not revoked: %v", err)
			}
			if away := c.down != nil; (r.Unposted != nil) != away || o.Unposted() != away {
				t.Fatalf("unposted: %v", r.Unposted)
			}
			if err := o.Heal(t.Context()); (err != nil) != (c.down != nil) {
				t.Fatalf("heal: %v", err)
			}
			o.visit(w.ex)
			for range 2 {
				if err := o.Heal(t.Context()); err != nil || o.Unposted() {
					t.Fatalf("heal: %v", err)
				}
			}
			list := must(w.ex.AllStatements(t.Context(), client.Query{Kind: client.Revocations, About: []statement.Digest{g.Digest()}}))
			if len(list) != 1 || list[0].Digest != r.Digest() {
				t.Fatalf("the exchange has %d revocations", len(list))
			}
			if s := must(o.Contract(t.Context(), contract)); len(s.Missing) != 1 {
				t.Error("shown as granted")
			}
		})
	}
}

// refusing is an exchange that takes no statement.
type refusing struct{ *partytest.Exchange }

func (refusing) PostStatement(context.Context, *statement.Envelope) (statement.Digest, error) {
	return "", errors.New("unknown reference")
}

// TestRevocationRefused: it holds, is tried again, and keeps nothing else back.
func TestRevocationRefused(t *testing.T) {
	w := newWorld(t, 1)
	o, contract := w.owners[0], w.contract(nil).Digest()
	must(o.Grant(t.Context(), contract, statement.ByHand))
	o.Exchange = refusing{w.ex}
	if r := must(o.Revoke(t.Context(), contract, "")); r.Unposted == nil || !o.ended(contract) {
		t.Fatal("not revoked, or posted")
	}
	if err := o.HealRevocations(t.Context()); err != nil || !o.Unposted() {
		t.Fatalf("given up: %v", err)
	}
	o.Exchange = w.ex
	if err := o.HealRevocations(t.Context()); err != nil || o.Unposted() {
		t.Fatalf("not posted: %v", err)
	}
}

// TestRevokeKept: a ledger that lost its entries, or was given up, keeps nobody from revoking the grants in the home.
func TestRevokeKept(t *testing.T) {
	w := newWorld(t, 1)
	o, contract := w.owners[0], w.contract(nil).Digest()
	g := must(o.Grant(t.Context(), contract, statement.ByHand))
	o.Ledger = must(ledger.Open(t.TempDir(), o.ring.Fingerprint(), o.Now))
	t.Cleanup(func() { o.Ledger.Close() })
	o.visit(partytest.New())
	for _, d := range []statement.Digest{contract, g.Digest()} {
		if r, err := o.Revoke(t.Context(), d, ""); err != nil || r.Body().Revokes != g.Digest() {
			t.Fatalf("%v", err)
		}
	}
}

// TestRevokeByLedgerAlone: where the home's copies of grants are gone too.
func TestRevokeByLedgerAlone(t *testing.T) {
	w := newWorld(t, 1)
	o, contract := w.owners[0], w.contract(nil).Digest()
	g := must(o.Grant(t.Context(), contract, statement.ByHand))
	if err := os.RemoveAll(o.Home.Grants()); err != nil {
		t.Fatal(err)
	}
	o.visit(partytest.New())
	if r, err := o.Revoke(t.Context(), contract, ""); err != nil || r.Body().Revokes != g.Digest() || !o.ended(contract) {
		t.Fatalf("%v", err)
	}
}

// TestRevokeOwnContract: with it ends the grant that its proposer gave.
func TestRevokeOwnContract(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	c := w.contract(func(c *statement.Contract) { c.Requester = o.self() })
	must(o.Grant(t.Context(), c.Digest(), statement.ByHand))
	if r := must(o.Revoke(t.Context(), c.Digest(), "")); r.Body().Revokes != c.Digest() || !o.ended(c.Digest()) {
		t.Fatalf("revoked %s, ended %v", r.Body().Revokes, o.ended(c.Digest()))
	}
	mine := w.contract(func(c *statement.Contract) { c.Requester = o.self(); c.Purpose = "safety" })
	if r := must(o.Revoke(t.Context(), mine.Digest(), "")); r.Body().Revokes != mine.Digest() {
		t.Fatal("a contract that was only proposed")
	}
	others := w.contract(func(c *statement.Contract) { c.Purpose = "safety" })
	if _, err := o.Revoke(t.Context(), others.Digest(), ""); fault.ExitCode(err) != int(fault.Input) {
		t.Errorf("another's contract, not granted: %v", err)
	}
	w.ex.Down = errAway
	if _, err := o.Revoke(t.Context(), statement.Sum(nil), ""); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("what it is can't be told: %v", err)
	}
}
