package policy

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

const dpText = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: dp
dp: {epsilon_max_query: 0.5, epsilon: 6, delta: 0.000001, max_groups_per_unit: 3}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [research]
analysts: [any]
operators: [cordon1dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

// TestBudgetOfAPolicy: exactly as written, a copy, and none where the output is another.
func TestBudgetOfAPolicy(t *testing.T) {
	parse := func(text string) *Policy {
		p, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := parse(dpText)
	d, ok := p.DP()
	if !ok || !p.Noisy() || d.EpsilonMaxQuery.RatString() != "1/2" || d.Epsilon.RatString() != "6" || d.Delta.RatString() != "1/1000000" || d.PerOrg != nil || d.Period != 0 {
		t.Fatalf("%v %+v", ok, d)
	}
	d.Epsilon.Set(big.NewRat(1000, 1))
	if again, _ := p.DP(); again.Epsilon.RatString() != "6" {
		t.Error("a caller changed the policy")
	}
	d, _ = parse(strings.Replace(dpText, "max_groups_per_unit: 3", "max_groups_per_unit: 3, per_org: 2, period: 30d", 1)).DP()
	if d.PerOrg == nil || d.PerOrg.RatString() != "2" || d.Period != 30*24*time.Hour {
		t.Errorf("%+v", d)
	}
	for _, output := range []string{"output: {lattice: [[size]]}", "output: guard-free"} {
		text := strings.Replace(dpText, "output: dp\ndp: {epsilon_max_query: 0.5, epsilon: 6, delta: 0.000001, max_groups_per_unit: 3}", output, 1)
		if q := parse(text); q.Noisy() {
			t.Errorf("%s is taken for noise", output)
		} else if _, ok := q.DP(); ok {
			t.Errorf("%s has a budget", output)
		}
	}
}
