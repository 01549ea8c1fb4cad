package catalog

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

const latticeText = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [research]
analysts: [any]
operators: [cordon1dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

// TestNoiseKeyAndPolicyAgree: an offer has a noise key if its policy wants noise, and only then.
func TestNoiseKeyAndPolicyAgree(t *testing.T) {
	noisy := strings.Replace(latticeText, "output: {lattice: [[size]]}", "output: dp\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3}", 1)
	for _, c := range []struct {
		policy        string
		noise, passes bool
	}{{latticeText, false, true}, {latticeText, true, false}, {noisy, false, false}, {noisy, true, true}} {
		w := newWorld(t)
		o := *must(statement.DecodeUnverified[statement.Offer](w.offer(w.a, "1", 1).Payload))
		o.Policy = c.policy
		if c.noise {
			o.Commitments = append(o.Commitments, statement.Commitment{Key: statement.NoiseKey, Commit: statement.Sum(nil)})
		}
		d := w.post(must(statement.Sign(o, w.a.Signer())))
		_, err := New(w.ex).Tables(t.Context(), &statement.Contract{Tables: []statement.Table{
			{Name: "alpha.strikes", Members: []statement.Member{{Owner: w.a.Fingerprint(), Offer: d}}},
		}})
		if (err == nil) != c.passes {
			t.Errorf("noise key %v: %v", c.noise, err)
		}
	}
}
