package exchange_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// TestOneClosing: an order is closed once; a closing that can't come true any more says so.
func TestOneClosing(t *testing.T) {
	s := newShop(t)
	closing := func(order statement.Digest, total, at int64) error {
		return second(s.a.PostStatement(s.Context(), sign(s.env, statement.Closing{Owner: s.a.fp, Order: order, Total: total, Reason: "over", AtMS: at}, s.a)))
	}
	order := s.place(10)
	s.ok(closing(order, 0, 1))
	s.ok(closing(order, 0, 1))
	for at := range int64(3) {
		s.code(closing(order, 0, at+2), wire.CodeOrderEnded)
	}
	order = s.place(10)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 3, 3), s.a))
	s.code(closing(order, 2, 1), wire.CodeOutOfOrder)
	s.skew.Store(2 * 60 * 60 * 1000)
	s.ok(s.srv.EndOrders(t.Context()))
	s.skew.Store(0)
	s.code(closing(order, 4, 1), wire.CodeOrderEnded) // of a charge that came too late
	s.ok(closing(order, 3, 1))
	s.code(closing(order, 3, 2), wire.CodeOrderEnded)
}

// TestRefundsOfAnOrder are as many as may be, and the first that is too many is told so.
func TestRefundsOfAnOrder(t *testing.T) {
	s := newShop(t)
	s.deposit(s.asker, 1000, "b")
	order := s.place(1000)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 1000, 1000), s.a))
	refund := func(n int64) error {
		return second(s.a.PostStatement(s.Context(), sign(s.env, statement.Refund{Owner: s.a.fp, Order: order, Amount: 1, Total: n, Reason: "late", AtMS: 1}, s.a)))
	}
	for n := range int64(wire.MaxRefunds) {
		s.ok(refund(n + 1))
	}
	s.code(refund(wire.MaxRefunds+1), wire.CodeTooMany)
	s.ok(refund(wire.MaxRefunds)) // that is here
}

// TestChargesAreForJobs: there are no more charges than jobs of the order's contract.
func TestChargesAreForJobs(t *testing.T) {
	s := newShop(t)
	order := s.place(50)
	made := s.chargeOf(order, "r1", 1, 1)
	made.Job = statement.Sum([]byte("a job of nobody"))
	s.code(second(s.a.PostStatement(s.Context(), sign(s.env, made, s.a))), wire.CodeUnknownReference)
	other := s.chargeOf(order, "r1", 1, 1)
	other.Job = s.underAnotherContract()
	s.code(second(s.a.PostStatement(s.Context(), sign(s.env, other, s.a))), wire.CodeUnknownReference)
	j := s.world.jobOf()
	j.Owners = []statement.Fingerprint{s.b.fp}
	j.Bodies = slices.DeleteFunc(j.Bodies, func(b statement.SealedBody) bool { return b.To == s.a.fp })
	d, err := s.asker.SubmitJob(t.Context(), sign(s.env, j, s.asker))
	s.ok(err)
	other.Job = d // of another owner's data alone
	s.code(second(s.a.PostStatement(s.Context(), sign(s.env, other, s.a))), wire.CodeUnknownReference)
	s.has(50, 50, 0)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 1, 1), s.a))
}

func (s *shop) underAnotherContract() statement.Digest {
	s.Helper()
	contract := s.contract
	s.contract = s.post(s.asker, sign(s.env, s.contractOf(), s.asker))
	job := s.submit()
	s.contract = contract
	return job
}

// TestOrdersThatNobodyFills are refused: what no provider settles, and what is not sold.
func TestOrdersThatNobodyFills(t *testing.T) {
	s := newShop(t)
	for provider, want := range map[string]string{"elsewhere": wire.CodeNoProvider, "Stripe": wire.CodeNoProvider, statement.ProviderStripe: ""} {
		o := s.orderOf(5)
		o.Provider = provider
		if err := second(s.asker.PostStatement(s.Context(), sign(s.env, o, s.asker))); want == "" && err != nil || want != "" && !client.HasCode(err, want) {
			t.Errorf("%s: %v", provider, err)
		}
	}
	path, size := s.a.object("given.parquet", "x")
	given := s.a.offerOf(path, size)
	given.Dataset, given.Terms, given.Price = "given", &statement.Terms{Access: statement.AccessApproval, PerQuery: 1}, 1
	free := s.post(s.a, sign(s.env, given, s.a))
	c := s.contractOf()
	c.Tables = []statement.Table{{Name: "alpha.given", Members: []statement.Member{{Owner: s.a.fp, Offer: free}}}}
	o := s.orderOf(5)
	o.Contract, o.Offers = s.post(s.asker, sign(s.env, c, s.asker)), []statement.Digest{free}
	s.code(second(s.asker.PostStatement(s.Context(), sign(s.env, o, s.asker))), wire.CodeNotSold)
	s.has(100, 0, 0)
}

// TestOpenOrders of a buyer are as many as may be; one that ends makes room.
func TestOpenOrders(t *testing.T) {
	s := newShop(t)
	s.stop()
	old := s.opts
	s.opts = func(o *exchange.Options) { old(o); o.Limits.OpenOrders = 2 }
	s.start(strings.TrimPrefix(s.url, "http://"))
	first := s.place(1)
	s.place(1)
	third := sign(s.env, s.orderOf(1), s.asker)
	s.code(second(s.asker.PostStatement(s.Context(), third)), wire.CodeTooMany)
	s.has(98, 2, 0)
	s.post(s.a, sign(s.env, statement.Closing{Owner: s.a.fp, Order: first, Reason: "over", AtMS: 1}, s.a))
	s.post(s.asker, third)
	s.post(s.asker, third)
}

// TestRevokedOnce: one author revokes one thing once, and is told so; who it concerns hears of it once. One under a key that was revoked
// since does not count: it could be a thief's, and its author says it again.
func TestRevokedOnce(t *testing.T) {
	w := newWorld(t)
	revoke := func(p *party, what statement.Digest, at int64, by ...*party) error {
		return second(p.PostStatement(t.Context(), sign(w.env, statement.Revocation{Author: p.fp, Revokes: what, AtMS: at, Reason: "over"}, by...)))
	}
	w.ok(revoke(w.asker, w.contract, 1, w.asker))
	w.a.empty()
	w.ok(revoke(w.asker, w.contract, 1, w.asker))
	for at := range int64(3) {
		w.code(revoke(w.asker, w.contract, at+2, w.asker), wire.CodeAlreadyRevoked)
	}
	if got := w.a.kinds(); got != "" {
		t.Errorf("told again: %s", got)
	}
	w.ok(revoke(w.a, w.pool, 1, w.a)) // each author for itself
	w.ok(revoke(w.b, w.pool, 2, w.b))
	w.code(revoke(w.b, w.pool, 3, w.b), wire.CodeAlreadyRevoked)

	stolen, thief := w.a.certify(nil)
	e, err := statement.Sign(statement.Revocation{Author: w.a.fp, Revokes: w.members[0].Offer, AtMS: 1, Reason: "a thief's"}, thief)
	w.ok(err)
	w.ok(second(w.a.through(thief).PostStatement(t.Context(), e)))
	w.code(revoke(w.a, w.members[0].Offer, 2, w.a), wire.CodeAlreadyRevoked)
	w.ok(second(w.a.PostStatement(t.Context(), w.a.revokeKey(stolen.Public()))))
	w.ok(revoke(w.a, w.members[0].Offer, 2, w.a))
	w.code(revoke(w.a, w.members[0].Offer, 3, w.a), wire.CodeAlreadyRevoked)
	again := *w.a.revokeKey(stolen.Public())
	v, err := statement.VerifyAuthor[statement.Revocation](&again)
	w.ok(err)
	other := *v.Body()
	other.AtMS++
	w.code(second(w.a.PostStatement(t.Context(), sign(w.env, other, w.a))), wire.CodeAlreadyRevoked)
}

// TestOrdersOfBefore: what an earlier version took of an order counts for its bounds.
func TestOrdersOfBefore(t *testing.T) {
	s := newShop(t)
	order, open := s.place(10), s.place(5)
	s.post(s.a, sign(s.env, s.chargeOf(order, "r1", 3, 3), s.a))
	for n := range int64(2) {
		s.post(s.a, sign(s.env, statement.Refund{Owner: s.a.fp, Order: order, Amount: 1, Total: n + 1, Reason: "late", AtMS: 1}, s.a))
	}
	closing := s.post(s.a, sign(s.env, statement.Closing{Owner: s.a.fp, Order: order, Total: 3, Reason: "over", AtMS: 1}, s.a))
	s.stop()
	alter(t, s.home, `DROP INDEX orders_open; DROP TABLE reservations; ALTER TABLE orders DROP COLUMN closing; ALTER TABLE orders DROP COLUMN refunds;
		DELETE FROM goose_db_version WHERE version_id >= 5`)
	s.start(strings.TrimPrefix(s.url, "http://"))
	o, err := s.money.Order(t.Context(), order)
	s.ok(err)
	if o.Closing != closing || o.Refunds != 2 {
		t.Errorf("got %+v", o)
	}
	if o, err = s.money.Order(t.Context(), open); err != nil || o.Closing != "" || o.Refunds != 0 {
		t.Errorf("got %+v, %v", o, err)
	}
}
