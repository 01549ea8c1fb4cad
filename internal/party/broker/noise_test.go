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
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const plenty = "{epsilon_max_query: 1, epsilon: 20, delta: 0.000001, max_groups_per_unit: 2}"

// noisyWorld is one whose policies want noise.
func noisyWorld(t *testing.T, rule string) *world {
	t.Helper()
	return (&world{maxQuery: 200, budget: rule}).furnish(t, nil)
}

// asks is a job with another question than newJob's: another for each of 21 numbers.
func (w *world) asks(question int) *job {
	w.t.Helper()
	var sizes []string
	for i, size := range []string{"'Small'", "'Medium'", "'Large'"} {
		if (question%7+1)>>i&1 == 1 {
			sizes = append(sizes, size)
		}
	}
	what := []string{"count(*)", "sum(cost)", "avg(cost)"}[question/7]
	return w.newJob(func(s *statement.Job, b *statement.Body) {
		b.SQL = fmt.Sprintf("SELECT size, %s AS x FROM pool.strikes WHERE size IN (%s) GROUP BY size", what, strings.Join(sizes, ", "))
		s.Commitment = must(b.Commit())
	})
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
	want := []string{"cost", "report_id", "size", statement.NoiseKey}
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
	if c.Name != "strikes" || c.Requester != w.asker.Fingerprint() || c.Rho != "1/2" || c.Epsilon != "1" || c.Delta != "0" || string(c.Release) != j.plan.Charges()[0].Release {
		t.Fatalf("charged %+v", c)
	}
	if r := e.close(x, nil); r == nil || r.Ack == nil {
		t.Fatalf("no ack: %s", e.why(r))
	}
}

// TestNoiseKeyStaysWithoutNeed: a plan without noise of data whose policy wants it, and one with noise of data that has no noise
// key. No compiler makes either; the broker looks all the same.
func TestNoiseKeyStaysWithoutNeed(t *testing.T) {
	lattice, noisy := newWorld(t, nil), noisyWorld(t, plenty)
	matterOf := func(w, planned *world) *matter {
		j := planned.newJob(nil)
		m := &matter{plan: j.plan, job: must(statement.VerifyAuthor[statement.Job](planned.ex.Jobs[j.digest]))}
		p, ok := w.store.Get(w.owners[0].offer.Digest())
		if !ok {
			t.Fatal("no such version")
		}
		m.own = append(m.own, p)
		return m
	}
	var r *refusal
	if err := noisy.broker.noisy(matterOf(noisy, lattice)); !errors.As(err, &r) || r.code != CodeBudget {
		t.Errorf("no noise: %v", err)
	}
	m := matterOf(lattice, noisy)
	for i := range m.plan.Sources {
		if s := &m.plan.Sources[i]; s.Offer == string(noisy.owners[0].offer.Digest()) {
			s.Offer = string(lattice.owners[0].offer.Digest())
		}
	}
	if err := lattice.broker.noisy(m); !errors.As(err, &r) || r.code != CodeKeys {
		t.Errorf("no noise key: %v", err)
	}
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
	w.enclave(w.asks(0)).run()
	if w.budgets() != 2 {
		t.Fatalf("charged %d times for two questions", w.budgets())
	}
}

// TestBudgetEnds: and what was asked before is still answered.
func TestBudgetEnds(t *testing.T) {
	for _, c := range []struct{ name, rule, says string }{
		{"the whole", "{epsilon_max_query: 0.5, epsilon: 3, delta: 0.000001, max_groups_per_unit: 2}", "left of the whole budget is epsilon 0 of 3 or rho 0 of 0."},
		{"of one organisation", "{epsilon_max_query: 0.5, epsilon: 9, delta: 0.000001, max_groups_per_unit: 2, per_org: 3}", "the epsilon 3 of one organisation: epsilon 0;"},
		{"in a period", "{epsilon_max_query: 0.5, epsilon: 9, delta: 0.000001, max_groups_per_unit: 2, per_org: 3, period: 30d}", "in 30 days: epsilon 0;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := noisyWorld(t, c.rule)
			asked := 0
			for ; asked < 21; asked++ {
				j := w.asks(asked)
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
			if asked == 21 || asked == 0 || w.budgets() != asked {
				t.Fatalf("%d asked, %d charged", asked, w.budgets())
			}
			w.enclave(w.asks(0)).run()
		})
	}
}

// TestBudgetIsJudgedWhenKeysAreAskedFor: another job may have taken the rest since the hello.
func TestBudgetIsJudgedWhenKeysAreAskedFor(t *testing.T) {
	w := noisyWorld(t, "{epsilon_max_query: 0.5, epsilon: 3, delta: 0.000001, max_groups_per_unit: 2}")
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
	if err := errors.Join(w.store.Begin(t.Context(), keys, dataset.Contents{Key: must(dataset.NewContentsKey())}), w.store.Finish(must(statement.Sign(o, me.ring.Signer())))); err != nil {
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
	charges := j.plan.Charges()[:1]
	m := &matter{dues: []budget.Due{{Dataset: "strikes", Charges: charges}}}
	m.item.Job, m.contract = j.digest, w.contract
	m.job = must(statement.VerifyAuthor[statement.Job](w.ex.Jobs[j.digest]))
	paid := func() (err error) {
		w.ledger.View(func(a *ledger.Accounts) { err = w.broker.paid(m, a) })
		return err
	}
	charge := func(by statement.Fingerprint, rho string) {
		w.append(ledger.Entry{
			Kind: ledger.KindBudget, Name: "strikes", Job: j.digest, Contract: w.contract.Digest(), Requester: by,
			Release: statement.Digest(charges[0].Release), Rho: "1/2", Delta: "0", Epsilon: "1",
		})
		charges[0].Rho = rho
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
	charges[0].Rho = "1/2"
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
