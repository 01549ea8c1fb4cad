package approval

import (
	"errors"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

func codeOf(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	return ""
}

// TestRejectionIsForGood: by hand and by rule, also where the exchange did not take it, which the same call makes up for.
func TestRejectionIsForGood(t *testing.T) {
	w := newWorld(t, 1)
	o, c := w.owners[0], w.contract(nil)
	w.ex.Down = errAway
	if err := o.Reject(t.Context(), c.Digest(), "no"); err == nil {
		t.Fatal("rejected what it could not read")
	}
	w.ex.Down = nil
	if err := o.Reject(t.Context(), c.Digest(), "no"); err != nil {
		t.Fatal(err)
	}
	if err := o.Consider(t.Context(), c.Envelope()); err != nil || o.count(ledger.KindGrant) != 0 {
		t.Fatalf("a rule granted what was rejected: %v", err)
	}
	for _, by := range []string{statement.ByHand, statement.ByRule} {
		if _, err := o.Grant(t.Context(), c.Digest(), by); codeOf(err) != "contract-rejected" {
			t.Fatalf("%s: got %v", by, err)
		}
	}
	if err := o.Reject(t.Context(), c.Digest(), "said otherwise"); err != nil || o.count(ledger.KindReject) != 1 {
		t.Fatalf("rejected twice: %v", err)
	}
	s := must(o.Contract(t.Context(), c.Digest()))
	if len(s.Rejected) != 1 || s.Rejected[0].Reason != "no" {
		t.Fatalf("got %v", s.Rejected)
	}
}

// TestAnswersByOthers: nobody rejects or counters for an owner, whatever the exchange shows.
func TestAnswersByOthers(t *testing.T) {
	w := newWorld(t, 1)
	o, c := w.owners[0], w.contract(nil)
	must(w.ex.PostStatement(t.Context(), must(statement.Sign(statement.Rejection{Owner: w.other.Fingerprint(), Contract: c.Digest(), Reason: "no", AtMS: 1}, w.other.Signer()))))
	forged := must(statement.Sign(statement.Rejection{Owner: w.other.Fingerprint(), Contract: c.Digest(), Reason: "forged", AtMS: 2}, w.other.Signer()))
	forged.Payload = must(statement.Payload(statement.Rejection{Owner: o.self(), Contract: c.Digest(), Reason: "forged", AtMS: 2}))
	must(w.ex.PostStatement(t.Context(), forged))
	n := must(statement.Sign(statement.Counter{Owner: w.other.Fingerprint(), Contract: c.Digest(), Purpose: "safety", CreatedMS: 1}, w.other.Signer()))
	must(w.ex.PostStatement(t.Context(), n))
	if s := must(o.Contract(t.Context(), c.Digest())); len(s.Rejected)+len(s.Counters) != 0 {
		t.Fatal("took an answer of who owns nothing in the contract")
	}
	own := w.contract(func(c *statement.Contract) { c.Requester = o.self() })
	n = must(statement.Sign(statement.Counter{Owner: w.other.Fingerprint(), Contract: own.Digest(), Purpose: "safety", CreatedMS: 1}, w.other.Signer()))
	must(w.ex.PostStatement(t.Context(), n))
	if _, err := o.Accept(t.Context(), n.Digest()); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Fatalf("accepted it: %v", err)
	}
}

// TestCounterAndAccept: the new contract is the old one but for what the counter says, names it, and is granted as any other.
func TestCounterAndAccept(t *testing.T) {
	w := newWorld(t, 2)
	o, asker := w.owners[0], w.owners[1]
	c := w.contract(func(c *statement.Contract) {
		c.Requester, c.Recipients = w.other.Fingerprint(), []statement.Fingerprint{w.other.Fingerprint()}
	})
	if _, err := asker.Counter(t.Context(), c.Digest(), Answer{Purpose: "safety"}); codeOf(err) != "not-concerned" {
		t.Fatalf("got %v", err)
	}
	newer := w.publish(o, "2", "varchar")
	until := start.AddDate(0, 0, 3).UnixMilli()
	n := must(o.Counter(t.Context(), c.Digest(), Answer{Purpose: "safety", UntilMS: until, Offers: []statement.Digest{newer.Digest()}, Reason: "newer"}))
	if _, err := asker.Accept(t.Context(), n.Digest()); codeOf(err) != "not-concerned" {
		t.Fatalf("accepted a counter to another's contract: %v", err)
	}
	ask := &Desk{
		Exchange: w.ex, Catalog: asker.Catalog, Store: asker.Store, Ledger: asker.Ledger, Signer: w.other.Signer(), Home: asker.Home, Now: asker.Now, Officers: asker.Officers,
	}
	got := must(ask.Accept(t.Context(), n.Digest())).Body()
	if got.Counter != n.Digest() || got.Purpose != "safety" || got.UntilMS != until || got.Tables[0].Members[0].Offer != newer.Digest() || got.Requester != w.other.Fingerprint() ||
		got.Builds[0] != c.Body().Builds[0] || string(got.Nonce) == string(c.Body().Nonce) || c.Body().Tables[0].Members[0].Offer != o.offer.Digest() {
		t.Fatalf("got %+v", got)
	}
	if o.count(ledger.KindGrant) != 0 {
		t.Fatal("a counter granted something")
	}
}

// TestAnswerBy: from then on nobody grants it, and it is shown as expired.
func TestAnswerBy(t *testing.T) {
	w := newWorld(t, 1)
	o := w.owners[0]
	c := w.contract(func(c *statement.Contract) { c.AnswerByMS = start.Add(time.Hour).UnixMilli() })
	if must(o.Contract(t.Context(), c.Digest())).Expired {
		t.Fatal("expired before its time")
	}
	w.now = start.Add(time.Hour)
	if _, err := o.Grant(t.Context(), c.Digest(), statement.ByHand); codeOf(err) != "contract-expired" {
		t.Fatalf("got %v", err)
	}
	if !must(o.Contract(t.Context(), c.Digest())).Expired {
		t.Fatal("not shown as expired")
	}
}

// TestRuleBoundsTheMonth: a rule's bound stands in its grants; who grants by hand sets none.
func TestRuleBoundsTheMonth(t *testing.T) {
	for by, want := range map[string]int64{statement.ByRule: 7, statement.ByHand: 0} {
		w := newWorldRuled(t, ", max_queries_month: 7")
		if g := must(w.owners[0].Grant(t.Context(), w.contract(nil).Digest(), by)).Body(); g.OfMonth != want {
			t.Errorf("%s: %d queries a month", by, g.OfMonth)
		}
	}
}

func newWorldRuled(t *testing.T, rule string) *world {
	w := newWorld(t, 1)
	w.rule = rule
	o := w.owners[0]
	o.offer = w.publish(o, "2", "varchar")
	return w
}
