package approval

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

// sale is a world whose first owner sells, and whose exchange settles with a key of its own.
type sale struct {
	*world
	*owner
	settler  *keyring.Keyring
	contract *statement.Verified[statement.Contract]
}

func newSale(t *testing.T) *sale {
	w := newWorld(t, 1)
	s := &sale{world: w, owner: w.owners[0], settler: must(keyring.New("settler"))}
	w.sold = true
	s.owner.offer = w.publish(s.owner, "2", "varchar")
	s.contract = w.contract(nil)
	return s
}

func (s *sale) order(change func(*statement.Order)) *statement.Verified[statement.Order] {
	s.t.Helper()
	o := statement.Order{
		Nonce: []byte(strings.Repeat("n", statement.NonceSize)), Buyer: s.asker.Fingerprint(), Contract: s.contract.Digest(), Owner: s.self(),
		Offers: []statement.Digest{s.offer.Digest()}, Most: 10, Provider: statement.ProviderCredits, CreatedMS: s.now.UnixMilli(), ExpiresMS: s.now.Add(time.Hour).UnixMilli(),
	}
	by := s.asker
	if change != nil {
		change(&o)
	}
	if o.Buyer == s.other.Fingerprint() {
		by = s.other
	}
	e := must(statement.Sign(o, by.Signer()))
	must(s.ex.PostStatement(s.t.Context(), e))
	return must(statement.VerifyAuthor[statement.Order](e))
}

// settlement as the exchange's key signs it, or as whoever signs.
func (s *sale) settlement(o *statement.Verified[statement.Order], by *keyring.Keyring, change func(*statement.Settlement)) *statement.Envelope {
	v := statement.Settlement{Settler: by.Fingerprint(), Order: o.Digest(), Amount: o.Body().Most, Provider: o.Body().Provider, Reference: "hold", SettledMS: s.now.UnixMilli()}
	if change != nil {
		change(&v)
	}
	return must(statement.Sign(v, by.Signer()))
}

func (s *sale) trust(most int64) {
	s.t.Helper()
	if err := s.SetPurchaseRule(s.t.Context(), PurchaseRule{Settlers: []Settler{{s.settler.Fingerprint(), most}}}); err != nil {
		s.t.Fatal(err)
	}
}

// comes is what the arrival of a settlement leads to: a grant, or nothing.
func (s *sale) comes(e *statement.Envelope) (granted bool) {
	s.t.Helper()
	before := s.count(ledger.KindGrant)
	if err := s.Consider(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
	return s.count(ledger.KindGrant) > before
}

// TestFabricatedSettlements: what the exchange makes up, or a thief of its key, grants nothing; each case is right but for one thing.
func TestFabricatedSettlements(t *testing.T) {
	for name, x := range map[string]struct {
		most   int64 // that the settler may owe
		order  func(*sale) func(*statement.Order)
		settle func(*sale, *statement.Verified[statement.Order]) *statement.Envelope
		before func(*sale, *statement.Verified[statement.Order])
		want   string // code of the refusal; "" for one that leaves nothing
		grants bool
	}{
		"good":    {most: 10, grants: true},
		"no rule": {want: "settler"},
		"another key": {most: 10, want: "settler", settle: func(s *sale, o *statement.Verified[statement.Order]) *statement.Envelope {
			return s.settlement(o, s.other, nil)
		}},
		"the buyer's own word": {most: 10, want: "settler", settle: func(s *sale, o *statement.Verified[statement.Order]) *statement.Envelope {
			return s.settlement(o, s.asker, nil)
		}},
		"in the settler's name": {most: 10, settle: func(s *sale, o *statement.Verified[statement.Order]) *statement.Envelope {
			e := s.settlement(o, s.other, nil)
			e.Payload = s.settlement(o, s.settler, nil).Payload
			return e
		}},
		"past the limit": {most: 9, want: "max-unsettled"},
		"of another amount": {most: 10, want: "settlement-other", settle: func(s *sale, o *statement.Verified[statement.Order]) *statement.Envelope {
			return s.settlement(o, s.settler, func(v *statement.Settlement) { v.Amount = 1 })
		}},
		"of another provider": {most: 10, want: "settlement-other", settle: func(s *sale, o *statement.Verified[statement.Order]) *statement.Envelope {
			return s.settlement(o, s.settler, func(v *statement.Settlement) { v.Provider = statement.ProviderStripe })
		}},
		"of the owner's own account, by the exchange": {most: 10, want: "settler", order: func(*sale) func(*statement.Order) {
			return func(o *statement.Order) { o.Provider = statement.ProviderStripe }
		}},
		"for an order that nobody signed": {most: 10, settle: func(s *sale, o *statement.Verified[statement.Order]) *statement.Envelope {
			return s.settlement(o, s.settler, func(v *statement.Settlement) { v.Order = statement.Sum([]byte("made up")) })
		}},
		"for an order under another's contract": {most: 10, order: func(s *sale) func(*statement.Order) {
			return func(o *statement.Order) { o.Buyer = s.other.Fingerprint() }
		}},
		"for an order from another owner": {most: 10, order: func(s *sale) func(*statement.Order) {
			return func(o *statement.Order) { o.Owner = s.other.Fingerprint() }
		}},
		"for an order of other offers": {most: 10, order: func(*sale) func(*statement.Order) {
			return func(o *statement.Order) { o.Offers = []statement.Digest{statement.Sum([]byte("offer"))} }
		}},
		"for an order that has expired": {most: 10, want: "order-expired", before: func(s *sale, _ *statement.Verified[statement.Order]) { s.now = s.now.Add(time.Hour) }},
		"for an order that was cancelled": {most: 10, want: "order-cancelled", before: func(s *sale, o *statement.Verified[statement.Order]) {
			must(s.ex.PostStatement(s.t.Context(), must(statement.Sign(statement.Revocation{Author: s.asker.Fingerprint(), Revokes: o.Digest(), AtMS: 1}, s.asker.Signer()))))
		}},
		"for an order that has ended": {most: 10, want: "order-ended", before: func(s *sale, o *statement.Verified[statement.Order]) {
			if err := s.EndOrder(s.t.Context(), o.Digest(), "over"); err != nil {
				s.t.Fatal(err)
			}
		}},
		"for a contract that was rejected": {most: 10, want: "contract-rejected", before: func(s *sale, _ *statement.Verified[statement.Order]) {
			if err := s.Reject(s.t.Context(), s.contract.Digest(), "no"); err != nil {
				s.t.Fatal(err)
			}
		}},
		"for a contract whose grant was taken back": {most: 10, want: "contract-revoked", before: func(s *sale, _ *statement.Verified[statement.Order]) {
			must(s.Grant(s.t.Context(), s.contract.Digest(), statement.ByHand))
			must(s.Revoke(s.t.Context(), s.contract.Digest(), ""))
		}},
		"after entries of the ledger were lost": {most: 10, want: "max-unsettled", before: func(s *sale, _ *statement.Verified[statement.Order]) {
			must(s.Ledger.Append(s.t.Context(), ledger.Entry{Kind: ledger.KindRepair, About: statement.Sum(nil)}, nil))
		}},
		"under a rule that another put there": {most: 10, before: func(s *sale, _ *statement.Verified[statement.Order]) {
			var about statement.Digest
			s.Ledger.View(func(a *ledger.Accounts) { about = a.PurchaseRule() })
			src := must(os.ReadFile(s.ruleFile(about)))
			if err := os.WriteFile(s.ruleFile(about), []byte(strings.Replace(string(src), ":10}", ":99}", 1)), 0o600); err != nil {
				s.t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSale(t)
			if x.most > 0 {
				s.trust(x.most)
			}
			var change func(*statement.Order)
			if x.order != nil {
				change = x.order(s)
			}
			o := s.order(change)
			if x.before != nil {
				x.before(s, o)
			}
			e := s.settlement(o, s.settler, nil)
			if x.settle != nil {
				e = x.settle(s, o)
			}
			if got := s.comes(e); got != x.grants {
				t.Fatalf("granted: %v", got)
			}
			if s.count(ledger.KindSettle) > 0 != x.grants {
				t.Fatal("the ledger counts it as paid")
			}
			var code string
			for _, l := range s.Ledger.Entries() {
				if l.Kind == ledger.KindRefusal && l.Stage == "settlement" {
					code = l.Code
				}
			}
			if code != x.want {
				t.Fatalf("refused with %q, want %q", code, x.want)
			}
			refusals := s.count(ledger.KindRefusal)
			if s.comes(e) || s.count(ledger.KindRefusal) != refusals {
				t.Fatal("decided twice")
			}
		})
	}
}

// TestSettlementsTogether: a settler's word is good up to the limit for all orders together; what ends or is paid out makes room again.
func TestSettlementsTogether(t *testing.T) {
	s := newSale(t)
	s.trust(25)
	next := byte('a')
	place := func() *statement.Verified[statement.Order] {
		next++
		return s.order(func(o *statement.Order) { o.Nonce[0] = next })
	}
	first, second, third := place(), place(), place()
	if !s.comes(s.settlement(first, s.settler, nil)) {
		t.Fatal("the first was not granted")
	}
	for _, o := range []*statement.Verified[statement.Order]{second, third} {
		if err := s.Consider(t.Context(), s.settlement(o, s.settler, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.count(ledger.KindSettle); n != 2 {
		t.Fatalf("%d orders of 10 count as paid, by a settler that may owe 25", n)
	}
	// The same settlement for another order is another statement, and a second one for an order that is settled changes nothing.
	again := s.settlement(first, s.settler, func(v *statement.Settlement) { v.Reference = "again" })
	if err := s.Believe(t.Context(), must(statement.VerifyAuthor[statement.Settlement](again))); codeOf(err) != "settled-before" {
		t.Fatalf("got %v", err)
	}
	late := must(statement.VerifyAuthor[statement.Settlement](s.settlement(third, s.settler, nil)))
	if err := s.Believe(t.Context(), late); codeOf(err) != "max-unsettled" {
		t.Fatalf("got %v", err)
	}
	if err := s.Received(t.Context(), s.settler.Fingerprint(), 21, "too much"); err == nil {
		t.Fatal("received more than is owed")
	}
	if err := s.Received(t.Context(), s.settler.Fingerprint(), 5, "bank"); err != nil {
		t.Fatal(err)
	}
	if err := s.Believe(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	if n := s.count(ledger.KindSettle); n != 3 || s.count(ledger.KindGrant) != 1 {
		t.Fatalf("%d count as paid", n)
	}
	g := must(s.Catalog.Grant(t.Context(), func() (d statement.Digest) {
		s.Ledger.View(func(a *ledger.Accounts) { d, _ = a.Grant(s.contract.Digest()) })
		return d
	}()))
	if b := g.Body(); b.Authority != statement.ByPurchase || b.Settlement != s.settlement(first, s.settler, nil).Digest() {
		t.Fatalf("got %+v", b)
	}
}

// TestPolicyComesFirst: what the policy does not allow, or what is not sold, no payment grants; the order ends, so that its buyer gets
// its credits back.
func TestPolicyComesFirst(t *testing.T) {
	for name, x := range map[string]struct {
		contract func(*sale) func(*statement.Contract)
		unsold   bool
		want     string
	}{
		"not sold": {unsold: true, want: "terms-purchase"},
		"a recipient whom the policy does not name": {want: "policy:analysts", contract: func(s *sale) func(*statement.Contract) {
			return func(c *statement.Contract) { c.Recipients = append(c.Recipients, s.other.Fingerprint()) }
		}},
		"another build as well": {want: "evidence-build", contract: func(*sale) func(*statement.Contract) {
			return func(c *statement.Contract) { c.Builds = append(c.Builds, statement.Sum([]byte("other"))) }
		}},
		"another purpose": {want: "policy:purposes", contract: func(*sale) func(*statement.Contract) {
			return func(c *statement.Contract) { c.Purpose = "marketing" }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSale(t)
			s.trust(10)
			if x.unsold {
				s.sold = false
				s.offer = s.publish(s.owner, "3", "varchar")
			}
			var change func(*statement.Contract)
			if x.contract != nil {
				change = x.contract(s)
			}
			s.contract = s.world.contract(change)
			o := s.order(nil)
			if err := s.Sellable(t.Context(), s.contract.Digest()); codeOf(err) != x.want {
				t.Fatalf("somebody is asked to pay: %v", err)
			}
			if s.comes(s.settlement(o, s.settler, nil)) {
				t.Fatal("granted")
			}
			var p ledger.Purchase
			s.Ledger.View(func(a *ledger.Accounts) { p, _ = a.Purchase(o.Digest()) })
			if !p.Ended || p.Reason != "not granted: "+x.want {
				t.Fatalf("got %+v", p)
			}
		})
	}
}

// TestSettleOwn: what was paid to the owner's own account it says itself, without a rule, once; not of what an exchange settles.
func TestSettleOwn(t *testing.T) {
	s := newSale(t)
	credits := s.order(nil)
	if err := s.SettleOwn(t.Context(), credits.Digest(), "bank"); err == nil {
		t.Fatal("settled what the exchange settles")
	}
	own := s.order(func(o *statement.Order) { o.Provider = statement.ProviderStripe })
	for range 2 {
		if err := s.SettleOwn(t.Context(), own.Digest(), "bank"); err != nil {
			t.Fatal(err)
		}
	}
	if s.count(ledger.KindSettle) != 1 || s.count(ledger.KindGrant) != 1 {
		t.Fatalf("%d settled, %d granted", s.count(ledger.KindSettle), s.count(ledger.KindGrant))
	}
}

// posted is an exchange that takes one settlement of each order, as the real one does, and shows others beside it; the answer to the first
// post is lost, as by an agent that is killed there.
type posted struct {
	*partytest.Exchange
	lies []*statement.Envelope
	last *statement.Envelope
}

func (x *posted) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	if _, err := statement.DecodeUnverified[statement.Settlement](e.Payload); err != nil {
		return x.Exchange.PostStatement(ctx, e)
	}
	if x.last != nil {
		return "", &client.Error{Status: http.StatusConflict, Code: wire.CodeCharged}
	}
	x.last = e
	must(x.Exchange.PostStatement(ctx, e))
	return "", client.ErrUnavailable
}

func (x *posted) AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error) {
	list, err := x.Exchange.AllStatements(ctx, q)
	for _, e := range x.lies {
		if q.Kind == client.Settlements {
			list = append([]wire.StatementItem{{Digest: e.Digest(), Envelope: *e}}, list...)
		}
	}
	return list, err
}

// TestKilledBetweenSettlingAndBelieving: the settlement that was posted is the one that is believed, later and with another reference
// too; what others signed, or what is of another order, is not taken for it.
func TestKilledBetweenSettlingAndBelieving(t *testing.T) {
	s := newSale(t)
	stripe := func(o *statement.Order) { o.Provider = statement.ProviderStripe }
	own := s.order(stripe)
	other := s.order(func(o *statement.Order) { stripe(o); o.Most = 11 })
	x := &posted{Exchange: s.ex, lies: []*statement.Envelope{s.settlement(own, s.asker, nil), s.settlement(other, s.ring, nil)}}
	s.Exchange = x
	if err := s.SettleOwn(t.Context(), own.Digest(), "bank"); !errors.Is(err, client.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if x.last == nil || s.count(ledger.KindSettle) != 0 {
		t.Fatal("nothing was posted, or it was believed before")
	}
	s.now = s.now.Add(time.Minute)
	if err := s.SettleOwn(t.Context(), own.Digest(), "bank, again"); err != nil {
		t.Fatal(err)
	}
	s.Ledger.View(func(a *ledger.Accounts) {
		if p, _ := a.Purchase(own.Digest()); p.Settlement != x.last.Digest() || len(a.Purchases()) != 1 {
			t.Fatalf("believed %+v", a.Purchases())
		}
	})
	if s.count(ledger.KindGrant) != 1 || s.count(ledger.KindRefusal) != 0 {
		t.Fatal("not granted, or refused")
	}
}
