package broker

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

func termsWorld(t *testing.T, terms statement.Terms) *world {
	t.Helper()
	if terms.Access == "" {
		terms.Access = statement.AccessApproval
	}
	return (&world{maxQuery: 200, terms: &terms}).furnish(t, func(_ *world, c *statement.Contract) {
		c.UntilMS = start.Add(60 * 24 * time.Hour).UnixMilli()
	})
}

// TestPriceByTerms: the first query of a contract costs all of it, the first of a day the day's, another just its own; and what
// the ready said is what is charged.
func TestPriceByTerms(t *testing.T) {
	w := termsWorld(t, statement.Terms{PerQuery: 5, PerDay: 30, Flat: 100})
	for _, c := range []struct {
		name  string
		later time.Duration
		want  int64
	}{{"first of the contract", 0, 135}, {"another that day", 0, 5}, {"first of the next day", 24 * time.Hour, 35}, {"another then", time.Minute, 5}} {
		w.now = w.now.Add(c.later)
		x := w.enclave(w.newJob(nil)).run()
		ready := must(statement.Verify[statement.Ready](&x.quote.Readies[0], w.self())).Body()
		if got := x.release.Body().Charged; got != c.want || ready.Price != c.want {
			t.Fatalf("%s: ready for %d, charged %d, want %d", c.name, ready.Price, got, c.want)
		}
	}
}

// TestNeverChargedPastTheReady: of two first queries at once, one pays for the contract; a day that began since the ready is free.
func TestNeverChargedPastTheReady(t *testing.T) {
	t.Run("paid by another job meanwhile", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{PerQuery: 5, Flat: 100})
		e := w.enclave(w.newJob(nil))
		hello := e.hello(nil)
		w.enclave(w.newJob(nil)).run()
		_, reply := e.honest(hello)
		rel := must(statement.VerifyAuthor[statement.Release](reply.Release)).Body()
		if rel.Charged != 5 {
			t.Fatalf("charged %d", rel.Charged)
		}
	})
	t.Run("a day began", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{PerQuery: 5, PerDay: 30})
		w.now = time.Date(2026, 6, 1, 23, 0, 0, 0, time.UTC)
		w.enclave(w.newJob(nil)).run()
		w.now = time.Date(2026, 6, 1, 23, 59, 59, 0, time.UTC)
		e := w.enclave(w.newJob(nil))
		hello := e.hello(nil)
		w.now = w.now.Add(2 * time.Second)
		_, reply := e.honest(hello)
		rel := must(statement.VerifyAuthor[statement.Release](reply.Release)).Body()
		if rel.Charged != 5 {
			t.Fatalf("charged %d", rel.Charged)
		}
	})
}

// TestTermsQuotas: past a quota nothing is answered but a refusal; a month ends with the calendar's, in UTC; a re-release counts once.
func TestTermsQuotas(t *testing.T) {
	t.Run("of the contract", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{OfContract: 2})
		w.enclave(w.newJob(nil)).run()
		j := w.newJob(nil)
		w.enclave(j).run()
		w.enclave(j).run() // its host was killed: the same job again
		w.now = w.now.Add(40 * 24 * time.Hour)
		w.refusesAnother(CodeTermsQuota)
	})
	t.Run("of the month", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{OfMonth: 1})
		w.enclave(w.newJob(nil)).run()
		w.now = time.Date(2026, 6, 30, 23, 59, 0, 0, time.UTC)
		w.refusesAnother(CodeTermsQuota)
		w.now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
		w.enclave(w.newJob(nil)).run()
	})
	t.Run("between ready and release", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{OfContract: 1})
		j := w.newJob(nil)
		e := w.enclave(j)
		hello := e.hello(nil)
		w.enclave(w.newJob(nil)).run()
		_, reply := e.honest(hello)
		w.refusedWith(j, e, reply, CodeTermsQuota, 0)
	})
	t.Run("before a repair of the ledger", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{OfContract: 5})
		w.append(ledger.Entry{Kind: ledger.KindRepair, About: statement.Sum([]byte("repair"))})
		w.now = w.now.Add(time.Hour)
		w.append(ledger.Entry{Kind: ledger.KindGrant, Contract: w.contract.Digest(), Grant: w.grant.Digest(), Authority: statement.ByHand})
		w.refusesAnother(CodeTermsQuota)
	})
}

// TestTermsPurpose: what the policy allows and the terms do not is refused.
func TestTermsPurpose(t *testing.T) {
	w := termsWorld(t, statement.Terms{Purposes: []string{"another"}})
	w.refusesAnother(CodeTerms)
}

// TestGrantedQueriesOfTheMonth: what a standing rule bounded is bounded by the grant, until the calendar's month ends.
func TestGrantedQueriesOfTheMonth(t *testing.T) {
	w := (&world{maxQuery: 200, ofMonth: 1}).furnish(t, func(_ *world, c *statement.Contract) { c.UntilMS = start.Add(60 * 24 * time.Hour).UnixMilli() })
	w.enclave(w.newJob(nil)).run()
	w.now = time.Date(2026, 6, 30, 23, 59, 0, 0, time.UTC)
	w.refusesAnother(CodeOverQuota)
	w.now = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	w.enclave(w.newJob(nil)).run()
}

// refusesAnother asks for one more job, which the broker refuses at the hello.
func (w *world) refusesAnother(code string) {
	w.t.Helper()
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), code, 0)
}
