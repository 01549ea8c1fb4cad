package budget

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	owner = statement.Fingerprint("cordon1" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	asker = statement.Fingerprint("cordon1" + "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func policyOf(t testing.TB, output string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(`policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Small]}
` + output + `
guard: {min_units: 3, rounding: {count: 5, value_digits: 4}}
purposes: [research]
analysts: [any]
operators: [` + string(owner) + `]
evidence: {accept: [simulated], builds: ["` + string(statement.Sum(nil)) + `"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ruleOf(t testing.TB, dp string) Rule {
	t.Helper()
	r, err := RuleOf(policyOf(t, "output: dp\ndp: "+dp))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func due(question string, r ...Rule) Due {
	return Due{Dataset: "strikes", Rules: r, Charges: []policy.Charge{{
		Offer: string(statement.Sum([]byte("offer"))), Release: string(statement.Sum([]byte(question))), Epsilon: "1/10", Rho: "1/200", Delta: "0",
	}}}
}

func by(who statement.Fingerprint) By {
	return By{AtMS: 1_700_000_000_000, Requester: who, Job: statement.Sum([]byte("job")), Contract: statement.Sum([]byte("contract"))}
}

func open(t testing.TB, dir string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(dir, owner, func() time.Time { return time.UnixMilli(1_700_000_000_000) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// charge is what a broker does before it releases.
func charge(l *ledger.Ledger, d Due, b By) (fresh int, err error) {
	list, err := l.AppendAll(context.Background(), func(a *ledger.Accounts) ([]ledger.Entry, error) { return d.Entries(a, b) })
	return len(list), err
}

func spent(t testing.TB, l *ledger.Ledger) *big.Rat {
	t.Helper()
	sum, paid := new(big.Rat), map[statement.Digest]bool{}
	for _, e := range l.Entries() {
		if e.Kind != ledger.KindBudget || paid[e.Release] {
			continue
		}
		paid[e.Release] = true
		rho, err := e.Rho.Rat()
		if err != nil {
			t.Fatal(err)
		}
		sum.Add(sum, rho)
	}
	return sum
}

// TestThousandAtOnce: charges that race, every question twice, take no more than there is, and leave less than one charge.
func TestThousandAtOnce(t *testing.T) {
	r := ruleOf(t, "{epsilon_max_query: 1, epsilon: 6, delta: 0.000001, max_groups_per_unit: 2}")
	l := open(t, t.TempDir())
	var refused, fresh atomic.Int64
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			n, err := charge(l, due(fmt.Sprint(i/2), r), by(asker))
			var no *Refused
			if errors.As(err, &no) {
				refused.Add(1)
			} else if err != nil {
				t.Error(err)
			}
			fresh.Add(int64(n))
		})
	}
	all.Wait()
	left := new(big.Rat).Sub(r.Total().Rho, spent(t, l))
	if refused.Load() == 0 || fresh.Load() == 0 || left.Sign() < 0 || left.Cmp(big.NewRat(1, 200)) >= 0 {
		t.Fatalf("%d charged, %d refused, left %s", fresh.Load(), refused.Load(), decimal(left))
	}
}

func BenchmarkRule(b *testing.B) {
	p := policyOf(b, "output: dp\ndp: {epsilon_max_query: 1, epsilon: 6, delta: 0.000001, max_groups_per_unit: 2, per_org: 3}")
	for b.Loop() {
		if _, err := RuleOf(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDue decides about one charge after a thousand.
func BenchmarkDue(b *testing.B) {
	r := ruleOf(b, "{epsilon_max_query: 1, epsilon: 1000, delta: 0.000001, max_groups_per_unit: 2, per_org: 1000}")
	l := open(b, b.TempDir())
	_, err := l.AppendAll(context.Background(), func(a *ledger.Accounts) (out []ledger.Entry, err error) {
		for i := range 1000 {
			list, err := due(fmt.Sprint(i), r).Entries(a, by(asker))
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
		return out, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l.View(func(a *ledger.Accounts) {
			if list, err := due("next", r).Entries(a, by(asker)); err != nil || len(list) != 1 {
				b.Fatal(err)
			}
		})
	}
}

func TestRefusedTogether(t *testing.T) {
	wide := ruleOf(t, "{epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2}")
	perOrg := ruleOf(t, "{epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2, per_org: 1}")
	narrow := ruleOf(t, "{epsilon_max_query: 0.15, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2}")
	two := func(r ...Rule) Due {
		d := due("a", r...)
		d.Charges = append(d.Charges, due("b").Charges...)
		return d
	}
	for _, c := range []struct {
		name string
		due  Due
		want int // entries; -1: refused
	}{
		{"one", due("a", wide), 1},
		{"two in one plan", two(wide), 2},
		{"two are one query", two(narrow), -1},
		{"the narrower of two versions", two(wide, narrow), -1},
		{"whichever comes first", two(narrow, wide), -1},
		{"one within both", due("a", wide, narrow), 1},
		{"within one organisation's part", due("a", perOrg), 1},
		{"no rule", due("a"), -1},
		{"no charge", Due{Dataset: "strikes", Rules: []Rule{wide}}, -1},
		{"twice", Due{Dataset: "strikes", Rules: []Rule{wide}, Charges: append(due("a").Charges, due("a").Charges...)}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := open(t, t.TempDir())
			n, err := charge(l, c.due, by(asker))
			if (err != nil) != (c.want < 0) || err == nil && n != c.want || err != nil && len(l.Entries()) != 0 {
				t.Fatalf("%d entries: %v", n, err)
			}
		})
	}
}

// TestPaidQuestionUnderATighterPolicy: what was paid when one query could cost more is not refused for that; anything else is.
func TestPaidQuestionUnderATighterPolicy(t *testing.T) {
	wide := ruleOf(t, "{epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2}")
	narrow := ruleOf(t, "{epsilon_max_query: 0.05, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2}")
	l := open(t, t.TempDir())
	if n, err := charge(l, due("a", wide), by(asker)); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if n, err := charge(l, due("a", wide, narrow), by(asker)); err != nil || n != 0 {
		t.Errorf("paid before: %d entries, %v", n, err)
	}
	for name, d := range map[string]struct {
		Due
		By
	}{"another question": {due("b", wide, narrow), by(asker)}, "another organisation": {due("a", wide, narrow), by(owner)}} {
		var no *Refused
		if _, err := charge(l, d.Due, d.By); !errors.As(err, &no) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOrganisations: the same question of a second organisation takes nothing from the whole, and all of its own part.
func TestOrganisations(t *testing.T) {
	r := ruleOf(t, "{epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2, per_org: 1}")
	l := open(t, t.TempDir())
	for _, who := range []statement.Fingerprint{asker, owner} {
		n := 0
		for ; n < 1000; n++ {
			if _, err := charge(l, due(fmt.Sprint(n), r), by(who)); err != nil {
				var no *Refused
				if !errors.As(err, &no) || !strings.Contains(no.Why, "one organisation") {
					t.Fatal(err)
				}
				break
			}
		}
		if n != 10 { // tenths of an epsilon, which rho would cover 4 of
			t.Fatalf("%s was charged %d times", who.Short(), n)
		}
	}
	if spent(t, l).Cmp(big.NewRat(10, 200)) != 0 {
		t.Fatal("the same questions were paid twice by the whole")
	}
}

func TestRuleRefused(t *testing.T) {
	for _, output := range []string{
		"output: {lattice: [[size]]}",
		"output: guard-free",
	} {
		if _, err := RuleOf(policyOf(t, output)); !errors.Is(err, ErrNoTerms) {
			t.Errorf("%s: %v", output, err)
		}
	}
}

// TestShownEpsilon: all of the budget is the policy's epsilon.
func TestShownEpsilon(t *testing.T) {
	r := ruleOf(t, "{epsilon_max_query: 1, epsilon: 6, delta: 0.000001, max_groups_per_unit: 2}")
	e, err := r.Epsilon(account.Cost{Rho: r.Total().Rho})
	if err != nil || e.Cmp(big.NewRat(6, 1)) > 0 || e.Cmp(big.NewRat(5999, 1000)) < 0 {
		t.Fatalf("%v %v", e, err)
	}
	if got := decimal(big.NewRat(2, 3)); got != "0.666666" {
		t.Fatal(got)
	}
}

// TestEventsThatDoNotFit: a ledger whose charges contradict each other gives nothing.
func TestEventsThatDoNotFit(t *testing.T) {
	r := ruleOf(t, "{epsilon_max_query: 1, epsilon: 6, delta: 0.000001, max_groups_per_unit: 2}")
	l := open(t, t.TempDir())
	if _, err := charge(l, due("a", r), by(asker)); err != nil {
		t.Fatal(err)
	}
	d := due("a", r)
	d.Charges[0].Rho = "1/100"
	if _, err := charge(l, d, by(asker)); !errors.Is(err, ErrCharge) {
		t.Fatal(err)
	}
	e := l.Entries()[0]
	if _, err := l.Append(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := charge(l, due("b", r), by(asker)); !errors.Is(err, account.ErrEvent) {
		t.Fatal(err)
	}
}

const home = "BUDGET_TEST_HOME"

// TestKilled: a process that charges and then hands out is killed two hundred times, wherever it is. What was handed out was
// charged, nothing more was spent than there is, and what was charged stays.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(home); dir != "" {
		chargeUntilKilled(t, dir)
		return
	}
	dir := t.TempDir()
	before := int64(0)
	for i := range 200 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), home+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = out.Read(make([]byte, 1)) // it charges now
		time.Sleep(time.Duration(i*97%3000) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		before = afterKill(t, dir, before)
	}
	if before < 100 {
		t.Fatalf("%d charges: the test never got to one", before)
	}
}

// killRule is written by hand: a conversion takes longer than a killed process lives.
func killRule() Rule {
	return Rule{
		Noise: policy.Noise{EpsilonMaxQuery: big.NewRat(1, 1)},
		terms: account.Terms{Total: account.Cost{Rho: big.NewRat(1000, 1), Delta: new(big.Rat)}},
	}
}

func chargeUntilKilled(t *testing.T, dir string) {
	r := killRule()
	l := open(t, filepath.Join(dir, "ledger"))
	first := len(l.Entries())
	fmt.Print(".")
	for i := first; ; i++ {
		d := due(fmt.Sprint(i), r)
		if _, err := charge(l, d, by(asker)); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(d.Charges[0].Release, "sha256:")
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func afterKill(t *testing.T, dir string, before int64) int64 {
	t.Helper()
	entries, head, err := ledger.VerifyFile(filepath.Join(dir, "ledger"), owner)
	if err != nil || head.Seq < before {
		t.Fatalf("head %d after %d: %v", head.Seq, before, err)
	}
	charged := map[string]bool{}
	for _, e := range entries {
		charged[strings.TrimPrefix(string(e.Release), "sha256:")] = true
	}
	out, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(charged) != len(entries) {
		t.Fatalf("a question was charged twice: %v", err)
	}
	for _, f := range out {
		if name := filepath.Base(f); name != "ledger" && !charged[name] {
			t.Fatalf("%s was handed out and not charged", name)
		}
	}
	return head.Seq
}

// TestState: two organisations with one question in common.
func TestState(t *testing.T) {
	r := ruleOf(t, "{epsilon_max_query: 1, epsilon: 6, delta: 0.000001, max_groups_per_unit: 2}")
	l := open(t, t.TempDir())
	for _, c := range []struct {
		question string
		who      statement.Fingerprint
	}{{"a", asker}, {"b", asker}, {"a", owner}} {
		if _, err := charge(l, due(c.question, r), by(c.who)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := StateOf(r, ledger.BudgetOf(l.Entries(), "strikes"))
	if err != nil || s.Spent.Rho.Cmp(big.NewRat(1, 100)) != 0 || len(s.Orgs) != 2 {
		t.Fatalf("%+v %v", s, err)
	}
	if left := new(big.Rat).Sub(r.Total().Rho, s.Spent.Rho); s.Left.Rho.Cmp(left) != 0 {
		t.Fatalf("left %s", decimal(s.Left.Rho))
	}
	if o := s.Orgs[0]; o.Fingerprint != asker || o.Charges != 2 || o.Spent.Rho.Cmp(big.NewRat(1, 100)) != 0 {
		t.Fatalf("%+v", o)
	}
	if o := s.Orgs[1]; o.Fingerprint != owner || o.Charges != 1 || o.Spent.Rho.Cmp(big.NewRat(1, 200)) != 0 {
		t.Fatalf("%+v", o)
	}
	if got := len(ledger.BudgetOf(l.Entries(), "other")); got != 0 {
		t.Fatalf("%d charges of another data set", got)
	}
}
