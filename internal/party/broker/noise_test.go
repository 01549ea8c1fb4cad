package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const plenty = "{epsilon_max_query: 1, epsilon: 3, delta: 0.000001, max_groups_per_unit: 2}"

// noisyWorld is one whose policies want noise, with a plan that takes epsilon 1/4 for the question named.
func noisyWorld(t *testing.T, rule string) *world {
	t.Helper()
	w := newBareWorld(t)
	w.noisy, w.budget = true, rule
	w.populate(nil).costs("question", "1/4", "1/32")
	return w
}

func (w *world) costs(question, epsilon, rho string) {
	w.charges = []policy.Charge{{
		Offer: string(w.owners[0].offer.Digest()), Release: string(statement.Sum([]byte(question))), Epsilon: epsilon, Rho: rho, Delta: "0",
	}}
}

func (w *world) budgets() int { return len(w.spent()) }

func (w *world) spent() (out []ledger.Entry) {
	for _, e := range w.ledger.Entries() {
		if e.Kind == ledger.KindBudget {
			out = append(out, e)
		}
	}
	return out
}

// TestNoiseKeyIsChargedAndReleased: the key goes along as a column's does, after its charge is on the disk, and the receipt
// accounts for it.
func TestNoiseKeyIsChargedAndReleased(t *testing.T) {
	w := noisyWorld(t, plenty)
	j := w.newJob(nil)
	e := w.enclave(j)
	x := e.run()
	want := []string{"cost", "size", statement.NoiseKey}
	if c := x.release.Body().Columns; len(c) != 1 || !slices.Equal(c[0].Columns, want) {
		t.Fatalf("release says %+v", c)
	}
	o := w.owners[0].offer.Body()
	commit, _ := o.Commitment(statement.NoiseKey)
	found := false
	for _, k := range x.keys.Offers[0].Column {
		if k.Column == statement.NoiseKey {
			found = seal.Committed(seal.KeyName{Owner: o.Owner, Dataset: o.Dataset, Version: o.Version, Key: k.Column}, must(seal.DataKeyFromBytes(k.Key)), commit)
		}
	}
	if !found {
		t.Fatal("not the noise key that the offer commits to")
	}
	var kinds []string
	for _, e := range w.ledger.Entries() {
		if e.Job == j.digest {
			kinds = append(kinds, e.Kind)
		}
	}
	if !slices.Equal(kinds, []string{ledger.KindCharge, ledger.KindBudget, ledger.KindRelease}) {
		t.Fatalf("ledger has %v", kinds)
	}
	c := w.spent()[0]
	if c.Name != "strikes" || c.Requester != w.asker.Fingerprint() || c.Rho != "1/32" || c.Epsilon != "1/4" || c.Delta != "0" || string(c.Release) != w.charges[0].Release {
		t.Fatalf("charged %+v", c)
	}
	if r := e.close(x, nil); r == nil || r.Ack == nil {
		t.Fatalf("no ack: %s", e.why(r))
	}
}

// TestNoiseKeyStaysWithoutNeed: a plan without noise gets no noise key, nor any other where the policy wants noise.
func TestNoiseKeyStaysWithoutNeed(t *testing.T) {
	for name, alter := range map[string]func(*world){
		"no noise":                func(w *world) { w.charges = nil },
		"noise without a charge":  func(w *world) { w.broker.charges = func(*policy.Plan) []policy.Charge { return nil } },
		"a charge without noise":  func(w *world) { w.broker.noiseOffers = func(*policy.Plan) []string { return nil } },
		"a charge of epsilon 0":   func(w *world) { w.costs("question", "0", "1/2") },
		"a charge of rho 0":       func(w *world) { w.costs("question", "1", "0") },
		"a charge that is no sum": func(w *world) { w.costs("question", "1", "0.5") },
	} {
		t.Run(name, func(t *testing.T) {
			w := noisyWorld(t, plenty)
			alter(w)
			j := w.newJob(nil)
			e := w.enclave(j)
			w.refusedWith(j, e, e.hello(nil), CodeBudget, 0)
		})
	}
}

// TestNoiseOfALattice: a plan that wants noise of data whose policy has none gets nothing.
func TestNoiseOfALattice(t *testing.T) {
	w := newWorld(t, nil)
	w.costs("question", "1", "1/2")
	w.broker.charges = func(*policy.Plan) []policy.Charge { return w.charges }
	w.broker.noiseOffers = func(*policy.Plan) []string { return offersOf(w.charges) }
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeKeys, 0)
}

// TestSameQuestionIsChargedOnce: in the same job and in another; another question is charged.
func TestSameQuestionIsChargedOnce(t *testing.T) {
	w := noisyWorld(t, plenty)
	j := w.newJob(nil)
	w.enclave(j).run()
	w.enclave(j).run()
	w.enclave(w.newJob(nil)).run()
	if w.budgets() != 1 {
		t.Fatalf("charged %d times", w.budgets())
	}
	w.costs("another question", "1/4", "1/32")
	w.enclave(w.newJob(nil)).run()
	if w.budgets() != 2 {
		t.Fatalf("charged %d times for two questions", w.budgets())
	}
}

// TestBudgetEnds: and what was asked before is still answered.
func TestBudgetEnds(t *testing.T) {
	for _, c := range []struct{ name, rule, epsilon, rho, says string }{
		{"the whole", "{epsilon_max_query: 1, epsilon: 3, delta: 0.000001, max_groups_per_unit: 2}", "1/2", "1/8", "left of the whole budget is rho 0."},
		{"of one organisation", "{epsilon_max_query: 1, epsilon: 9, delta: 0.000001, max_groups_per_unit: 2, per_org: 3}", "1/2", "1/8", "the epsilon 3 of one organisation"},
		{"in a period", "{epsilon_max_query: 1, epsilon: 9, delta: 0.000001, max_groups_per_unit: 2, per_org: 3, period: 30d}", "1/2", "1/8", "in 30 days"},
		{"one query", "{epsilon_max_query: 0.4, epsilon: 9, delta: 0.000001, max_groups_per_unit: 2}", "1/2", "1/8", "one query may cost 0.4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := noisyWorld(t, c.rule)
			asked := 0
			for ; asked < 100; asked++ {
				w.costs(fmt.Sprint("question ", asked), c.epsilon, c.rho)
				j := w.newJob(nil)
				e := w.enclave(j)
				if h := e.hello(nil); h.Refusal != nil {
					w.refusedWith(j, e, h, CodeBudget, 0)
					if why := e.why(h); !strings.Contains(why, "data set strikes: ") || !strings.Contains(why, c.says) {
						t.Fatalf("says %q", why)
					}
					break
				}
				w.enclave(j).run()
			}
			if asked == 100 || (asked == 0) != (c.name == "one query") || w.budgets() != asked {
				t.Fatalf("%d asked, %d charged", asked, w.budgets())
			}
			if asked > 0 {
				w.costs("question 0", c.epsilon, c.rho)
				w.enclave(w.newJob(nil)).run()
			}
		})
	}
}

// TestBudgetIsJudgedWhenKeysAreAskedFor: another job may have taken the rest since the hello.
func TestBudgetIsJudgedWhenKeysAreAskedFor(t *testing.T) {
	w := noisyWorld(t, "{epsilon_max_query: 3, epsilon: 3, delta: 0.000001, max_groups_per_unit: 2}")
	w.costs("first", "1/2", "1/8")
	j := w.newJob(nil)
	e := w.enclave(j)
	h := e.hello(nil)
	w.append(ledger.Entry{
		Kind: ledger.KindBudget, Name: "strikes", Job: statement.Sum([]byte("j")), Contract: w.contract.Digest(), Requester: w.owners[2].fp(),
		Release: statement.Sum([]byte("other")), Rho: "1/8", Delta: "0",
	})
	w.refusedWith(j, e, e.quote(e.readies(h.Ready, nil), nil), CodeBudget, 0)
	if w.count(ledger.KindCharge, j.digest) != 0 {
		t.Fatal("credits were charged for a job that the budget does not cover")
	}
}

// TestTighterVersion: a newer version's budget holds for contracts over older ones.
func TestTighterVersion(t *testing.T) {
	w := noisyWorld(t, plenty)
	me := w.owners[0]
	w.budget = "{epsilon_max_query: 0.1, epsilon: 0.1, delta: 0.000001, max_groups_per_unit: 2}"
	o := *me.offer.Body()
	keys := must(dataset.NewKeys(dataset.ID{Owner: me.fp(), Dataset: "strikes", Version: "2"}, []string{"report_id", "size", "cost"}, true))
	o.Version, o.Policy, o.Commitments, o.CreatedMS = "2", w.policyText(), keys.Commitments(), o.CreatedMS+1
	if err := errors.Join(w.store.Begin(t.Context(), keys, dataset.Contents{}), w.store.Finish(must(statement.Sign(o, me.ring.Signer())))); err != nil {
		t.Fatal(err)
	}
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeBudget, 0)
}

type failing struct{ keystore.KeyStore }

func (f failing) Unwrap(context.Context, seal.KeyName, []byte) (*seal.DataKey, error) {
	return nil, errors.New("no answer")
}

// TestChargeStaysIfKeysDoNotOpen: and the next try pays nothing.
func TestChargeStaysIfKeysDoNotOpen(t *testing.T) {
	w := noisyWorld(t, plenty)
	w.broker.Store = must(dataset.Open(w.home, w.self(), failing{w.owners[0].ring}))
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.quote(e.readies(e.hello(nil).Ready, nil), func(*message.Quote) {}), CodeKeys, 0)
	if w.budgets() != 1 {
		t.Fatal("the charge is gone")
	}
	w.broker.Store = w.store
	w.enclave(j).run()
	if w.budgets() != 1 {
		t.Fatal("charged twice")
	}
}

// TestNoReleaseWithoutACharge: where another job's charge for the same question was not written in the end, or is another's.
func TestNoReleaseWithoutACharge(t *testing.T) {
	w := noisyWorld(t, plenty)
	j := w.newJob(nil)
	m := &matter{dues: []budget.Due{{Dataset: "strikes", Charges: w.charges}}}
	m.item.Job, m.contract = j.digest, w.contract
	m.job = must(statement.VerifyAuthor[statement.Job](w.ex.Jobs[j.digest]))
	paid := func() (err error) {
		w.ledger.View(func(a *ledger.Accounts) { err = w.broker.paid(m, a) })
		return err
	}
	charge := func(by statement.Fingerprint, rho string) {
		w.append(ledger.Entry{
			Kind: ledger.KindBudget, Name: "strikes", Job: j.digest, Contract: w.contract.Digest(), Requester: by,
			Release: statement.Digest(w.charges[0].Release), Rho: "1/2", Delta: "0",
		})
		w.charges[0].Rho = rho
	}
	if paid() == nil {
		t.Fatal("released without a charge")
	}
	charge(w.owners[1].fp(), "1/2")
	if paid() == nil {
		t.Fatal("released on another's charge")
	}
	charge(w.asker.Fingerprint(), "1/3")
	if paid() == nil {
		t.Fatal("released at another price")
	}
	w.charges[0].Rho = "1/2"
	if err := paid(); err != nil {
		t.Fatal(err)
	}
}

// losing is a key store during whose work the charge that this job relied on, another's for the same question, is gone: its
// batch could not be written. The test reads its own ledger for that of the world.
type losing struct {
	keystore.KeyStore
	lose func()
}

func (l losing) Unwrap(ctx context.Context, name seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	l.lose()
	return l.KeyStore.Unwrap(ctx, name, wrapped)
}

// TestChargeOfAnotherJobIsLost: keys were unwrapped on the strength of a charge that is not in the ledger when the release is
// recorded, and stay.
func TestChargeOfAnotherJobIsLost(t *testing.T) {
	w := noisyWorld(t, plenty)
	j := w.newJob(nil)
	e := w.enclave(j)
	h := e.hello(nil)
	w.broker.Store = must(dataset.Open(w.home, w.self(), losing{w.owners[0].ring, func() { w.reopenWithout(ledger.KindBudget) }}))
	w.refusedWith(j, e, e.quote(e.readies(h.Ready, nil), func(*message.Quote) {}), CodeLedger, 0)
}

// reopenWithout makes a ledger of the same entries but for one kind.
func (w *world) reopenWithout(kind string) {
	entries := w.ledger.Entries()
	dir := must(home.Create(w.t.TempDir() + "/home"))
	l := must(ledger.Open(dir.Ledger(), w.self(), w.clock))
	w.t.Cleanup(func() { l.Close() })
	w.ledger, w.broker.Ledger = l, l
	for _, e := range entries {
		if e.Kind != kind {
			w.append(e)
		}
	}
}
