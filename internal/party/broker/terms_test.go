package broker

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
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

// TestNeverChargedPastTheReady: of two first queries at once, one pays for the contract; a day that began since the ready is asked of the
// next query.
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
		for _, want := range []int64{35, 5} {
			if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != want {
				t.Fatalf("then charged %d, want %d", got, want)
			}
		}
	})
	t.Run("a day began before the first query was charged", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{PerQuery: 5, PerDay: 30, Flat: 30})
		w.now = time.Date(2026, 6, 1, 22, 0, 0, 0, time.UTC)
		w.enclave(w.newJob(nil)).run()
		w.now = time.Date(2026, 6, 2, 23, 59, 59, 0, time.UTC)
		e := w.enclave(w.newJob(nil))
		hello := e.hello(nil)
		w.now = w.now.Add(2 * time.Second)
		_, reply := e.honest(hello)
		if rel := must(statement.VerifyAuthor[statement.Release](reply.Release)).Body(); rel.Charged != 35 {
			t.Fatalf("charged %d", rel.Charged)
		}
		if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != 5 {
			t.Fatalf("a day that was paid for is charged again: %d", got)
		}
	})
	t.Run("more came due than the ready said", func(t *testing.T) { // whole parts of a price only: what a job paid for counts
		w := termsWorld(t, statement.Terms{PerQuery: 5, PerDay: 30, Flat: 100})
		failing := w.keysFail()
		w.now = time.Date(2026, 6, 1, 22, 0, 0, 0, time.UTC)
		failed := w.newJob(func(j *statement.Job, _ *statement.Body) {
			j.ExpiresMS = w.now.Add(2*time.Hour + time.Second).UnixMilli()
		})
		w.enclave(failed).quoteFails(CodeKeys)
		*failing = false
		w.now = time.Date(2026, 6, 1, 23, 59, 59, 0, time.UTC)
		e := w.enclave(w.newJob(nil))
		hello := e.hello(nil) // the day and the contract are paid, as far as can be told
		if r := must(statement.VerifyAuthor[statement.Ready](hello.Ready)).Body(); r.Price != 5 {
			t.Fatalf("ready for %d", r.Price)
		}
		w.now = w.now.Add(2 * time.Second)
		_, reply := e.honest(hello)
		if rel := must(statement.VerifyAuthor[statement.Release](reply.Release)).Body(); rel.Charged != 5 {
			t.Fatalf("charged %d", rel.Charged)
		}
		for _, want := range []int64{135, 5} {
			if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != want {
				t.Fatalf("then charged %d, want %d", got, want)
			}
		}
	})
}

// TestChargedWithoutKeys: a job that was charged and never got its keys paid for no contract and no day, once it can't get them any
// more; it counts as a query all the same.
func TestChargedWithoutKeys(t *testing.T) {
	for name, x := range map[string]struct {
		fail func(*world, *job) // what happens instead of the release
		over time.Duration      // until the job can't get keys any more
		ends time.Duration      // of the job
	}{
		"the key store fails":      {func(w *world, j *job) { w.keysFail(); w.enclave(j).quoteFails(CodeKeys) }, time.Hour, time.Hour},
		"the job goes on for long": {func(w *world, j *job) { w.keysFail(); w.enclave(j).quoteFails(CodeKeys) }, chargeTime, 3 * chargeTime},
		"the agent is killed":      {(*world).killedBeforeRelease, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			w := termsWorld(t, statement.Terms{PerQuery: 5, PerDay: 30, Flat: 100, OfContract: 4})
			w.now = time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)
			j := w.newJob(func(j *statement.Job, _ *statement.Body) { j.ExpiresMS = w.now.Add(x.ends).UnixMilli() })
			x.fail(w, j)
			w.openBroker() // with its own key store again
			if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != 5 {
				t.Fatalf("while the first may get its keys, another is charged %d", got)
			}
			w.now = w.now.Add(x.over)
			e := w.enclave(j)
			w.refusedWith(j, e, e.hello(nil), CodeJobExpired, 0)
			for _, want := range []int64{135, 5} {
				if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != want {
					t.Fatalf("then charged %d, want %d", got, want)
				}
			}
			w.refusesAnother(CodeTermsQuota)
		})
	}
	t.Run("the same job again", func(t *testing.T) {
		w := termsWorld(t, statement.Terms{PerQuery: 5, PerDay: 30, Flat: 100})
		failing := w.keysFail()
		j := w.newJob(nil)
		w.enclave(j).quoteFails(CodeKeys)
		*failing = false
		for i, want := range []int64{135, 0} {
			if got := w.enclave(j).run().release.Body().Charged; got != want {
				t.Fatalf("release %d charged %d, want %d", i+1, got, want)
			}
		}
		if got := w.enclave(w.newJob(nil)).run().release.Body().Charged; got != 5 {
			t.Fatalf("then charged %d", got)
		}
	})
}

// absent is a key store that is away while the flag stands.
type absent struct {
	keystore.KeyStore
	away *bool
}

func (f absent) Unwrap(ctx context.Context, name seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	if *f.away {
		return nil, errors.New("away")
	}
	return f.KeyStore.Unwrap(ctx, name, wrapped)
}

// keysFail has the key store away until the flag is taken down.
func (w *world) keysFail() *bool {
	away := true
	w.broker.Store = must(dataset.Open(w.home, w.self(), absent{w.owners[0].ring, &away}))
	return &away
}

func (e *enclave) quoteFails(code string) {
	e.w.t.Helper()
	reply := e.quote(e.readies(e.hello(nil).Ready, nil), func(*message.Quote) {})
	e.w.refusedWith(e.j, e, reply, code, 0)
}

// killedBeforeRelease has the agent end between the charge of a job and the release of its keys, and starts it again: nothing stands
// behind the charge.
func (w *world) killedBeforeRelease(j *job) {
	w.t.Helper()
	w.broker.Store = must(dataset.Open(w.home, w.self(), killing{w.owners[0].ring}))
	e := w.enclave(j)
	q := e.newQuote(e.readies(e.hello(nil).Ready, nil))
	sealed := e.sealed(message.QuoteContext(j.digest, w.self()), q)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.broker.Handle(context.Background(), wire.Item{Seq: 1000, Job: j.digest, Attempt: 1, Kind: wire.KindQuote, Body: sealed})
		w.t.Error("the agent was not killed")
	}()
	<-ended
	w.ledger.Close()
	w.openLedger()
	if list := w.ledger.Entries(); list[len(list)-1].Kind != ledger.KindCharge || list[len(list)-1].Job != j.digest {
		w.t.Fatal("the charge is not the last entry")
	}
}

// killing ends whoever asks it for a key, and nothing that would follow is done.
type killing struct{ keystore.KeyStore }

func (killing) Unwrap(context.Context, seal.KeyName, []byte) (*seal.DataKey, error) {
	runtime.Goexit()
	return nil, nil
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
