package broker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/machinetest"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	kept "github.com/cordon-exchange/cordon/internal/party/released"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/statement"
)

// attack is one try to get keys that were not agreed to. It returns the job and session that it used, the broker's answer, and how many
// releases the job had before.
type attack func(w *world) (j *job, e *enclave, r *message.Reply, releases int)

// atHello introduces an enclave that change made another than was agreed to.
func atHello(change func(e *enclave)) attack {
	return func(w *world) (*job, *enclave, *message.Reply, int) {
		j := w.newJob(nil)
		e := w.enclave(j)
		change(e)
		return j, e, e.hello(nil), 0
	}
}

// atQuote introduces a good one, and changes it before it asks for keys.
func atQuote(change func(e *enclave)) attack {
	return func(w *world) (*job, *enclave, *message.Reply, int) {
		j := w.newJob(nil)
		e := w.enclave(j)
		h := e.hello(nil)
		if h.Ready == nil {
			w.t.Fatalf("no ready: %s", e.why(h))
		}
		change(e)
		return j, e, e.quote(e.readies(h.Ready, nil), nil), 0
	}
}

// TestAttacks: no key leaves, the refusal is recorded with its reason, and the honest job beside it gets its keys.
func TestAttacks(t *testing.T) {
	for _, x := range []struct {
		name string
		run  attack
		code string
	}{
		{"replayed nonce: evidence and readies of an earlier release", func(w *world) (*job, *enclave, *message.Reply, int) {
			j := w.newJob(nil)
			e := w.enclave(j)
			got := e.run()
			w.forgetReleased() // or the same answer would come again, to the same session
			return j, e, e.send(wire.KindQuote, message.QuoteContext(j.digest, w.self()), got.quote), 1
		}, CodeReplayed},
		{"replayed nonce: a ready that was used", func(w *world) (*job, *enclave, *message.Reply, int) {
			j := w.newJob(nil)
			e := w.enclave(j)
			got := e.run()
			w.now = w.now.Add(time.Second)
			return j, e, e.quote(got.quote.Readies, nil), 1
		}, CodeReplayed},
		{"replayed nonce: evidence of another job", func(w *world) (*job, *enclave, *message.Reply, int) {
			first := w.enclave(w.newJob(nil)).run()
			j := w.newJob(nil)
			e := w.enclave(j)
			e.attest.raw = &first.quote.Evidence
			return j, e, e.hello(nil), 0
		}, "evidence-binding"},
		{"other session key", func(w *world) (*job, *enclave, *message.Reply, int) {
			j := w.newJob(nil)
			honest, thief := w.enclave(j), w.enclave(j)
			h := honest.hello(nil)
			q := honest.newQuote(honest.readies(h.Ready, nil))
			q.Session = thief.session // the keys would be sealed to it
			return j, thief, thief.send(wire.KindQuote, message.QuoteContext(j.digest, w.self()), q), 0
		}, "evidence-binding"},
		{"other plan", func(w *world) (*job, *enclave, *message.Reply, int) {
			j := w.newJob(nil)
			e := w.enclave(j)
			h := e.hello(nil)
			j.salted = statement.Sum([]byte("a plan that reads more"))
			return j, e, e.quote(e.readies(h.Ready, nil), nil), 0
		}, CodePlanMismatch},
		{"other data set: what the grant does not name", func(w *world) (*job, *enclave, *message.Reply, int) {
			j := w.newJob(nil)
			e := w.enclave(j)
			h := e.hello(nil)
			r := e.quote(e.readies(h.Ready, func(i int, r *statement.Ready) { r.Offers = []statement.Digest{statement.Sum([]byte("another offer"))} }), nil)
			return j, e, r, 0
		}, CodeReadies},
		{"other data set: a contract over it, without a grant", func(w *world) (*job, *enclave, *message.Reply, int) {
			other := w.contractLike(func(c *statement.Contract) { c.Purpose = "resale" })
			j := w.newJob(func(s *statement.Job, _ *statement.Body) { s.Contract = other })
			e := w.enclave(j)
			return j, e, e.hello(nil), 0
		}, CodeNoGrant},
		{"stolen grant: shown for another contract", func(w *world) (*job, *enclave, *message.Reply, int) {
			other := w.contractLike(func(c *statement.Contract) { c.Recipients = append(c.Recipients, friend) })
			j := w.newJob(func(s *statement.Job, _ *statement.Body) { s.Contract = other })
			e := w.enclave(j)
			h := e.quote(e.readies(must(statement.Sign(statement.Ready{
				Owner: w.self(), Job: j.digest, Session: e.session.Digest(), Plan: statement.Sum(nil), Offers: []statement.Digest{w.owners[0].offer.Digest()},
				Grant: w.grant.Digest(), Price: 7, Nonce: nonce(), ExpiresMS: w.now.Add(time.Minute).UnixMilli(),
			}, w.asker.Signer())), nil), func(q *message.Quote) { // the thief signs a ready in the owner's name
				q.Plan = statement.Sum(nil)
				var digests []statement.Digest
				for i := range q.Readies {
					digests = append(digests, q.Readies[i].Digest())
				}
				q.Evidence = e.evidence(evidence.QuoteBinding(j.digest, e.session.Digest(), q.Plan, digests))
			})
			return j, e, h, 0
		}, CodeNoGrant},
		{"debug enclave", atHello(func(e *enclave) { e.attest.machine.Debug = true }), "evidence-debug"},
		{"debug enclave, after an honest hello", atQuote(func(e *enclave) { e.attest.machine.Debug = true }), "evidence-debug"},
		{"outdated enclave", atHello(func(e *enclave) { e.attest.machine.Outdated = true }), "evidence-tcb-status"},
		{"outdated enclave, after an honest hello", atQuote(func(e *enclave) { e.attest.machine.Outdated = true }), "evidence-tcb-status"},
		{"another program", atHello(func(e *enclave) { e.attest.machine.Program = "evil" }), "evidence-build"},
		{"collateral too old", atHello(func(e *enclave) { e.attest.machine.Ended = true }), "evidence-collateral"},
		{"collateral of too early an evaluation", atHello(func(e *enclave) { e.attest.machine.Evaluation = 19 }), "evidence-tcb-evaluation"},
		{"collateral left out", atQuote(func(e *enclave) { e.attest.machine.Bare = true }), "evidence-collateral"},
		{"revoked machine", atHello(func(e *enclave) { e.attest.machine.Revoked = true }), "evidence-revoked"},
		{"machine of another root", atHello(func(e *enclave) {
			w := e.w
			q := machinetest.New(w.t, start).Quote(w.t, w.kind, e.attest.machine, evidence.HelloBinding(e.j.digest, e.session.Digest()))
			e.attest.raw = must(hosted.Attest(w.operator, w.kind, w.build, evidence.HelloBinding(e.j.digest, e.session.Digest()),
				statement.Perimeter{Form: form, Details: []statement.Property{}}, q, w.now))
		}), "evidence-quote"},
		{"simulated evidence instead", atHello(func(e *enclave) {
			machines := e.w.machines
			e.w.machines = nil
			ev := e.evidence(evidence.HelloBinding(e.j.digest, e.session.Digest()))
			e.w.machines, e.attest.raw = machines, &ev
		}), "evidence-kind"},
		{"machine of another operator", atHello(func(e *enclave) { e.attest.operator = e.sign }), "operator"},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := onMachines(t, evidence.TDX, nil)
			beside := w.enclave(w.newJob(nil)) // begun before, gets its keys after
			ready := beside.hello(nil)
			j, e, r, releases := x.run(w)
			w.refusedWith(j, e, r, x.code, releases)
			w.noKeysFor(j, releases)
			beside.take(beside.honest(ready))
			w.enclave(w.newJob(nil)).run()
		})
	}
}

// honest asks for keys after a hello.
func (e *enclave) honest(h *message.Reply) (message.Quote, *message.Reply) {
	e.w.t.Helper()
	if h == nil || h.Ready == nil {
		e.w.t.Fatalf("no ready: %s", e.why(h))
	}
	q := e.newQuote(e.readies(h.Ready, nil))
	return q, e.send(wire.KindQuote, message.QuoteContext(e.j.digest, e.w.self()), q)
}

// noKeysFor counts what the exchange could have been handed: as many kept answers as there were releases.
func (w *world) noKeysFor(j *job, releases int) {
	w.t.Helper()
	n := 0
	for _, id := range must(kept.Read(w.home)).IDs() {
		if id.Job == j.digest {
			n++
		}
	}
	if n > releases {
		w.t.Errorf("%d releases stored, want %d", n, releases)
	}
}

// contractLike posts a contract of the same requester that differs in something.
func (w *world) contractLike(change func(*statement.Contract)) statement.Digest {
	w.t.Helper()
	c := *w.contract.Body()
	c.Nonce = nonce()
	change(&c)
	e := must(statement.Sign(c, w.asker.Signer()))
	w.post(e)
	return e.Digest()
}

// What a broker does with evidence of each kind that its policy does not accept.
func TestAttacksOnEveryKind(t *testing.T) {
	for _, x := range []struct {
		kind string
		e    machinetest.Enclave
		code string
	}{
		{evidence.SGX, machinetest.Enclave{Debug: true}, "evidence-debug"},
		{evidence.SGX, machinetest.Enclave{Outdated: true}, "evidence-tcb-status"},
		{evidence.SGX, machinetest.Enclave{Ended: true}, "evidence-collateral"},
		{evidence.SNP, machinetest.Enclave{Debug: true}, "evidence-debug"},
		{evidence.SNP, machinetest.Enclave{Outdated: true}, "evidence-tcb-version"},
		{evidence.SNP, machinetest.Enclave{Ended: true}, "evidence-collateral"},
		{evidence.SNP, machinetest.Enclave{Bare: true}, "evidence-collateral"},
		{evidence.SNP, machinetest.Enclave{Revoked: true}, "evidence-revoked"},
		{evidence.SNP, machinetest.Enclave{Moves: true}, "evidence-quote"},
		{evidence.Nitro, machinetest.Enclave{Program: "evil"}, "evidence-build"},
		{evidence.TPMSoftware, machinetest.Enclave{Program: "evil"}, "evidence-build"},
	} {
		t.Run(fmt.Sprintf("%s %+v", x.kind, x.e), func(t *testing.T) {
			if x.e.Program == "" {
				x.e.Program = program
			}
			w := onMachines(t, x.kind, nil)
			j := w.newJob(nil)
			e := w.enclave(j)
			e.attest.machine = x.e
			w.refusedWith(j, e, e.hello(nil), x.code, 0)
			w.enclave(w.newJob(nil)).run()
		})
	}
}

// What this party holds itself counts against a machine whose host brings what suits it.
func TestAttackWithOlderCollateral(t *testing.T) {
	w := onMachines(t, evidence.TDX, func(w *world) {
		w.held = func(kind string, _ []byte) ([][]byte, error) {
			return w.machines.Endorsements(w.t, kind, machinetest.Enclave{Evaluation: 21, Revoked: true}), nil
		}
	})
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), "evidence-revoked", 0)
}

// A ledger that was rolled back has lost what was spent: nothing is released on it.
func TestAttackRolledBackLedger(t *testing.T) {
	w := onMachines(t, evidence.TDX, nil)
	old := must(os.ReadFile(w.ledgerFile()))
	w.whole()
	newest := must(os.ReadFile(w.ledgerFile()))
	w.restart(old)
	w.wantHelloRefused(CodeBehind)
	w.restart(newest)
	w.enclave(w.newJob(nil)).run()
}

// Two jobs race for the last unit of a budget: one gets keys, the other a reason, whichever is first.
func TestAttackRaceForTheLastUnit(t *testing.T) {
	for name, x := range map[string]struct {
		world func(t *testing.T) *world
		job   func(w *world, i int) *job
		code  string
	}{
		"queries of one analyst": {func(t *testing.T) *world { return newWorldWith(t, nil, 1) }, func(w *world, _ int) *job { return w.newJob(nil) }, CodeOverQuota},
		"privacy": {
			func(t *testing.T) *world {
				return noisyWorld(t, "{epsilon_max_query: 0.5, epsilon: 0.5, delta: 0.000001, max_groups_per_unit: 2}")
			},
			func(w *world, i int) *job { return w.asks(i) }, CodeBudget,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := x.world(t)
			var racers []*enclave
			var items []wire.Item
			for i := range 2 {
				e := w.enclave(x.job(w, i))
				h := e.hello(nil)
				if h == nil || h.Ready == nil {
					t.Fatalf("no ready: %s", e.why(h))
				}
				sealed := must(message.SealTo(w.owners[0].ring.Box().Public(), message.QuoteContext(e.j.digest, w.self()), e.newQuote(e.readies(h.Ready, nil))))
				racers = append(racers, e)
				items = append(items, wire.Item{Seq: int64(100 + i), Job: e.j.digest, Attempt: 1, Kind: wire.KindQuote, Body: sealed})
			}
			var wait sync.WaitGroup
			for _, item := range items {
				wait.Go(func() {
					if err := w.broker.Handle(context.Background(), item); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			won := 0
			for i, e := range racers {
				a := w.answerTo(items[i].Seq)
				var r message.Reply
				if err := message.OpenWith(e.box, message.ReplyContext(e.j.digest, w.self()), a.Body, &r); err != nil {
					t.Fatal(err)
				}
				if r.Release != nil {
					won++
					continue
				}
				w.refusedWith(e.j, e, &r, x.code, 0)
				if w.count(ledger.KindCharge, e.j.digest) != 0 {
					t.Error("charged without keys")
				}
			}
			if won != 1 {
				t.Errorf("%d jobs got the last unit", won)
			}
		})
	}
}

func (w *world) answerTo(seq int64) partytest.Answer {
	w.t.Helper()
	for _, a := range w.ex.Answers {
		if a.Ref == seq {
			return a
		}
	}
	w.t.Fatal("no answer")
	return partytest.Answer{}
}

// Ten thousand hostile requests, of jobs that nobody signed and of jobs with bad evidence, beside one honest job: no key leaves, the
// reasons are on record, and the record stays small.
func TestAttackTenThousandRequests(t *testing.T) {
	const requests = 10_000
	w := onMachines(t, evidence.TDX, nil)
	before := must(os.Stat(w.ledgerFile())).Size()
	honest := w.enclave(w.newJob(nil))
	ready := honest.hello(nil)
	bad := w.newJob(nil)
	forged := []byte("not sealed to anybody")
	for i := range requests {
		item := wire.Item{Seq: int64(1000 + i), Job: statement.Sum(fmt.Append(nil, "job ", i)), Attempt: 1, Kind: []string{wire.KindJob, wire.KindHello, wire.KindQuote, wire.KindReceipt}[i%4], Body: forged}
		if i%100 == 0 { // of a genuine job
			item.Job, item.Kind = bad.digest, []string{wire.KindHello, wire.KindQuote}[i/100%2]
		}
		if i%1000 == 0 {
			w.now = w.now.Add(time.Minute)
		}
		if err := w.broker.Handle(context.Background(), item); err != nil {
			t.Fatal(err)
		}
	}
	if honest.attest.at = w.now; w.count(ledger.KindRelease, bad.digest) != 0 {
		t.Error("keys left")
	}
	e := w.enclave(bad)
	e.attest.machine.Debug = true
	w.refusedWith(bad, e, e.hello(nil), "evidence-debug", 0)
	codes, entries := map[string]int{}, 0
	for _, x := range w.ledger.Entries() {
		if x.Kind == ledger.KindRefusal {
			codes[x.Code]++
			entries++
			if x.Reason == "" {
				t.Error("refusal without a reason")
			}
		}
		if x.Kind == ledger.KindRelease {
			t.Error("a release among hostile requests")
		}
	}
	if codes[CodeMany] == 0 || codes[CodeMessage] == 0 || entries > maxUnknown+maxRefusals+20 {
		t.Errorf("%d refusals on record: %v", entries, codes)
	}
	if grown := must(os.Stat(w.ledgerFile())).Size() - before; grown > 1<<20 {
		t.Errorf("the ledger grew by %d bytes", grown)
	}
	if last := w.lastWith(CodeMany); !strings.Contains(last.Reason, CodeMessage+" ") && !strings.Contains(last.Reason, CodeJobSignature+" ") {
		t.Errorf("the sum says %q", last.Reason)
	}
	honest.attest.at = time.Time{}
	fresh := honest.hello(nil) // the first ready has expired by now
	if ready == nil || ready.Ready == nil {
		t.Fatal("no ready before")
	}
	honest.take(honest.honest(fresh))
	w.now = w.now.Add(24 * time.Hour) // a new day has a new bound
	j := &job{digest: statement.Sum([]byte("tomorrow"))}
	if err := w.broker.Handle(context.Background(), wire.Item{Seq: 1, Job: j.digest, Attempt: 1, Kind: wire.KindHello, Body: forged}); err != nil {
		t.Fatal(err)
	}
	if w.count(ledger.KindRefusal, j.digest) != 1 {
		t.Error("a refusal of the next day is not on record")
	}
}

func (w *world) lastWith(code string) (out ledger.Entry) {
	for _, e := range w.ledger.Entries() {
		if e.Code == code {
			out = e
		}
	}
	return out
}

// Noise that anybody can make does not keep refusals of genuine jobs off the record.
func TestNoiseHidesNothing(t *testing.T) {
	w := newWorld(t, nil)
	for i := range maxUnknown + 10 {
		if err := w.broker.Handle(context.Background(), wire.Item{Seq: 1, Job: statement.Sum(fmt.Append(nil, i)), Attempt: 1, Kind: wire.KindHello}); err != nil {
			t.Fatal(err)
		}
	}
	j := w.newJob(nil)
	e := w.enclave(j)
	e.attest.build = statement.Sum([]byte("evil"))
	w.refusedWith(j, e, e.hello(nil), "evidence-build", 0)
}
