package dp_test

import (
	"fmt"
	"math"
	"math/big"
	"runtime"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/privacy/dp"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
)

// The property itself, by histogram: the release node runs 10^5 times on each of two inputs that differ by one unit, under
// fresh keys, and for every event S looked at, P(S) <= e^epsilon P'(S) + delta must hold both ways, with confidence bounds.
const runs = 100_000

// events are thresholds of statistics of a table: bit i is set where the i-th event happened.
type events func([]dp.Row) uint64

// histogram counts events over the runs. Seeds of the two inputs are apart.
func histogram(t *testing.T, c *dp.Checked, parts []dp.Part, first uint64, of events) (counts [64]int) {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			var mine [64]int
			for i := w; i < runs && !t.Failed(); i += workers {
				rows, err := release(t, c, first+uint64(i), parts)
				if err != nil {
					t.Error(err)
					return
				}
				for mask, bit := of(rows), 0; bit < 64; bit++ {
					mine[bit] += int(mask >> bit & 1)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for bit, n := range mine {
				counts[bit] += n
			}
		})
	}
	wg.Wait()
	return counts
}

// release is one run, without ending the test from another goroutine.
func release(t *testing.T, c *dp.Checked, seed uint64, parts []dp.Part) ([]dp.Row, error) {
	r, err := c.Open(keys(t, seed))
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := r.Add(p); err != nil {
			return nil, err
		}
	}
	return r.Table()
}

// outside is the chance by which a true probability p may lie beyond the bounds of seeing n of the runs, for all events and
// cases of this file together 1e-6.
const outside = 1e-6 / (64 * 2 * 2 * 16)

// bounds of a probability from Chernoff's inequality: P(seen >= n) <= exp(-runs KL(n/runs || p)).
func bounds(n int) (lo, hi float64) {
	seen := float64(n) / runs
	far := func(p float64) bool { return runs*divergence(seen, p) > -math.Log(outside) }
	lo, hi = seen, seen
	for a, b := 0.0, seen; b-a > 1e-9; {
		if m := (a + b) / 2; far(m) {
			a = m
		} else {
			b = m
		}
		lo = a
	}
	for a, b := seen, 1.0; b-a > 1e-9; {
		if m := (a + b) / 2; far(m) {
			b = m
		} else {
			a = m
		}
		hi = b
	}
	return lo, hi
}

func divergence(q, p float64) float64 {
	term := func(q, p float64) float64 {
		if q == 0 {
			return 0
		}
		return q * math.Log(q/p)
	}
	return term(q, p) + term(1-q, 1-p)
}

// private compares two histograms, in both directions and for the events and their complements.
func private(t *testing.T, epsilon, delta float64, with, without [64]int) {
	t.Helper()
	for bit := range with {
		for _, pair := range [][2]int{{with[bit], without[bit]}, {without[bit], with[bit]}, {runs - with[bit], runs - without[bit]}, {runs - without[bit], runs - with[bit]}} {
			lo, _ := bounds(pair[0])
			_, hi := bounds(pair[1])
			if lo > math.Exp(epsilon)*hi+delta {
				t.Errorf("event %d: happens %d times on one side, %d on the other", bit, pair[0], pair[1])
			}
		}
	}
}

// thresholds are events of all groups together: the smallest, the largest and the sum of the groups' first values is above
// a number. The smallest shows a unit that is in too many groups, the sum one that adds too much to one.
func thresholds(base, step int64) events {
	return func(rows []dp.Row) (mask uint64) {
		least, most, total := int64(math.MaxInt64), int64(math.MinInt64), int64(0)
		for _, r := range rows {
			v := r.Values[0].Num().Int64()
			least, most, total = min(least, v), max(most, v), total+v
		}
		for i := range int64(20) {
			for j, v := range []int64{least, most, total} {
				if v >= base+(i-6)*step {
					mask |= 1 << (3*i + int64(j))
				}
			}
		}
		return mask
	}
}

// crowd is what both inputs have: a unit in each group.
func crowd(values ...dp.Value) (parts []dp.Part) {
	for _, g := range []string{"a", "b", "c"} {
		parts = append(parts, part("other in "+g, g, values...))
	}
	return parts
}

// heavy is the unit that one input has and the other does not: in every group, far over every clamp, at two owners.
func heavy(values ...dp.Value) (parts []dp.Part) {
	for _, g := range []string{"a", "b", "c"} {
		parts = append(parts, part("heavy", g, values...), part("heavy", g, values...))
	}
	return parts
}

func TestPropertyLaplace(t *testing.T) {
	for _, c := range []struct {
		name  string
		c     int64
		agg   dp.Aggregate
		heavy dp.Value
		crowd dp.Value
		base  int64
	}{
		{"rows, one group", 1, dp.Aggregate{Kind: dp.CountRows, Cap: 1}, rows(5), rows(1), 1},
		{"sum, two groups", 2, dp.Aggregate{Kind: dp.Sum, Lo: "-3", Hi: "2"}, sum(1, -100), sum(1, -3), -3},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := check(t, specOf(laplace("1", c.c), given(t, "a", "b", "c"), c.agg))
			with, without := append(heavy(c.heavy), crowd(c.crowd)...), crowd(c.crowd)
			of := thresholds(c.base, 1)
			private(t, 1, 0, histogram(t, spec, with, 0, of), histogram(t, spec, without, runs, of))
		})
	}
}

func TestPropertyGaussian(t *testing.T) {
	spec := check(t, specOf(gaussian("1/2", 2), given(t, "a", "b", "c"), dp.Aggregate{Kind: dp.CountRows, Cap: 1}))
	with, without := append(heavy(rows(5)), crowd(rows(1))...), crowd(rows(1))
	of := thresholds(1, 1)
	h, h2 := histogram(t, spec, with, 0, of), histogram(t, spec, without, runs, of)
	for _, eps := range []int64{0, 1, 2} {
		delta, err := account.Delta(spec.Cost().Rho, big.NewRat(eps, 1))
		if err != nil {
			t.Fatal(err)
		}
		d, _ := delta.Float64()
		private(t, float64(eps), d, h, h2)
	}
}

// TestPropertySelection: the unit that is there or not is the only one of a group, or the one that brings it to min_units.
func TestPropertySelection(t *testing.T) {
	rule := laplace("1", 1)
	rule.Delta, rule.MinUnits = "1/50", 3
	spec := check(t, specOf(rule, nil, dp.Aggregate{Kind: dp.CountUnits}))
	for _, c := range []struct {
		name   string
		others int
	}{{"alone", 0}, {"to the threshold", 2}, {"above it", 7}} {
		t.Run(c.name, func(t *testing.T) {
			var without []dp.Part
			for u := range c.others {
				without = append(without, part(fmt.Sprint(u), "a", rows(1)))
			}
			with := append([]dp.Part{part("one more", "a", rows(1))}, without...)
			of := func(rows []dp.Row) uint64 {
				if len(rows) == 0 {
					return 1
				}
				mask := uint64(0)
				for i := range int64(20) {
					if rows[0].Values[0].Cmp(big.NewRat(int64(c.others)+i-8, 1)) >= 0 {
						mask |= 2 << i
					}
				}
				return mask
			}
			h := histogram(t, spec, with, 0, of)
			private(t, 1, 0.02, h, histogram(t, spec, without, runs, of))
			if c.others < 2 && h[0] != runs {
				t.Errorf("a group of fewer than min_units is shown %d times", runs-h[0])
			}
		})
	}
}
