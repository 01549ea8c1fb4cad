package dp_test

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/privacy/dp"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/privacy/dp/noise"
	"github.com/cordon-exchange/cordon/statement"
)

func all() []dp.Aggregate {
	return []dp.Aggregate{
		{Kind: dp.CountRows, Cap: 3}, {Kind: dp.CountUnits}, {Kind: dp.Sum, Lo: "-10", Hi: "40"}, {Kind: dp.Avg, Cap: 3, Lo: "0", Hi: "20"},
	}
}

func population(n int) (parts []dp.Part) {
	for u := range n {
		for _, g := range []string{"a", "b", "c", "d"}[:1+u%4] {
			parts = append(parts, part(fmt.Sprint(u), g, rows(2), rows(1), sum(2, 30), sum(2, 30)))
		}
	}
	return parts
}

// TestSameQuestionSameNoise: whatever the order of parts and keys; and a group's noise does not depend on other groups.
func TestSameQuestionSameNoise(t *testing.T) {
	selected := laplace("4", 2)
	selected.Delta, selected.MinUnits = "1/1000", 2
	for name, spec := range map[string]dp.Spec{
		"given":    specOf(gaussian("1", 2), given(t, "a", "b", "c", "d"), all()...),
		"selected": specOf(selected, nil, all()...),
	} {
		t.Run(name, func(t *testing.T) {
			c, parts := check(t, spec), population(200)
			want := text(table(t, c, 1, parts))
			rng := rand.New(rand.NewPCG(1, 1))
			for range 5 {
				rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
				if got := text(table(t, c, 1, parts)); got != want {
					t.Fatalf("the order of parts matters:\n%s\n%s", got, want)
				}
			}
			k := keys(t, 1)
			slices.Reverse(k)
			r, err := c.Open(k)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				if err := r.Add(p); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := r.Table(); err != nil || text(got) != want {
				t.Fatalf("the order of keys matters: %v", err)
			}
			if text(table(t, c, 2, parts)) == want {
				t.Fatal("other keys give the same noise")
			}
		})
	}
}

// TestAnotherSpecAnotherRelease: each number of a specification is in its digest, and so in noise and charge.
func TestAnotherSpecAnotherRelease(t *testing.T) {
	rule := laplace("1", 2)
	rule.Delta, rule.MinUnits = "1/1000", 3
	seen := map[string]string{}
	for name, change := range map[string]func(*dp.Spec){
		"as it is":   func(*dp.Spec) {},
		"node":       func(s *dp.Spec) { s.Node = digest("another plan") },
		"offers":     func(s *dp.Spec) { s.Offers = s.Offers[:1] },
		"epsilon":    func(s *dp.Spec) { s.Rule.Epsilon = "2" },
		"delta":      func(s *dp.Spec) { s.Rule.Delta = "1/1001" },
		"mechanism":  func(s *dp.Spec) { s.Rule.Mechanism, s.Rule.Epsilon, s.Rule.Rho = dp.Gaussian, "", "1" },
		"max_groups": func(s *dp.Spec) { s.Rule.MaxGroups = 3 },
		"min_units":  func(s *dp.Spec) { s.Rule.MinUnits = 4 },
		"cap":        func(s *dp.Spec) { s.Aggregates[0].Cap = 4 },
		"clamp":      func(s *dp.Spec) { s.Aggregates[2].Hi = "41" },
		"aggregates": func(s *dp.Spec) { s.Aggregates = s.Aggregates[:3] },
		"given": func(s *dp.Spec) {
			s.Groups, s.Given, s.Rule.Delta, s.Rule.MinUnits = dp.Given, given(t, "a"), "", 0
		},
		"other given": func(s *dp.Spec) {
			s.Groups, s.Given, s.Rule.Delta, s.Rule.MinUnits = dp.Given, given(t, "b"), "", 0
		},
		"copies": func(s *dp.Spec) {
			s.Groups, s.Given, s.Rule.Delta, s.Rule.MinUnits, s.Copies = dp.Given, given(t, "a"), "", 0, 2
		},
	} {
		s := specOf(rule, nil, all()...)
		change(&s)
		d := string(check(t, s).Digest())
		if twin, ok := seen[d]; ok {
			t.Errorf("%q has the digest of %q", name, twin)
		}
		seen[d] = name
	}
}

func TestGivenGroupsAreAllAnswered(t *testing.T) {
	c := check(t, specOf(laplace("64", 1), given(t, "a", "b", "c"), dp.Aggregate{Kind: dp.CountUnits}))
	// A unit whose other groups were not asked for is not bounded by them.
	var parts []dp.Part
	for u := range 1000 {
		for _, g := range []string{"b", "x", "y", "z"} {
			parts = append(parts, part(fmt.Sprint(u), g, rows(1)))
		}
	}
	got := table(t, c, 1, parts)
	if len(got) != 3 {
		t.Fatalf("%d groups", len(got))
	}
	for i, want := range []int64{0, 1000, 0} {
		if d := new(big.Rat).Sub(got[i].Values[0], big.NewRat(want, 1)); got[i].Key[0].Text != string("abc"[i]) || d.Abs(d).Cmp(big.NewRat(5, 1)) > 0 {
			t.Errorf("group %v has %v, not about %d", got[i].Key, got[i].Values[0], want)
		}
	}
}

// TestNoiseIsScaled measures the noise of every kind, mechanism and c: neither less than the budget asks for, nor more.
func TestNoiseIsScaled(t *testing.T) {
	const n, units = 4000, 100
	lap := func(l1, epsilon float64) float64 { // variance of the discrete Laplace distribution
		q := math.Exp(-epsilon / l1)
		return 2 * q / ((1 - q) * (1 - q))
	}
	for _, c := range []struct {
		name   string
		rule   dp.Rule
		copies int64
		aggs   []dp.Aggregate
		at     int
		want   float64
	}{
		{"rows", laplace("1", 1), 1, []dp.Aggregate{{Kind: dp.CountRows, Cap: 3}}, 0, lap(3, 1)},
		{"units", laplace("1/2", 1), 1, []dp.Aggregate{{Kind: dp.CountUnits}}, 0, lap(1, 0.5)},
		{"sum, lower clamp", laplace("1", 1), 1, []dp.Aggregate{{Kind: dp.Sum, Lo: "-9", Hi: "2"}}, 0, lap(9, 1)},
		{"sum, upper clamp", laplace("1", 1), 1, []dp.Aggregate{{Kind: dp.Sum, Lo: "1", Hi: "8"}}, 0, lap(8, 1)},
		{"four groups", laplace("1", 4), 1, []dp.Aggregate{{Kind: dp.CountUnits}}, 0, lap(4, 1)},
		{"two copies", laplace("1", 2), 2, []dp.Aggregate{{Kind: dp.CountUnits}}, 0, lap(4, 1)},
		{"two aggregates", laplace("1", 1), 1, []dp.Aggregate{{Kind: dp.CountUnits}, {Kind: dp.CountRows, Cap: 2}}, 1, lap(2, 0.5)},
		{"gaussian rows", gaussian("1/2", 1), 1, []dp.Aggregate{{Kind: dp.CountRows, Cap: 3}}, 0, 9},
		{"gaussian, four groups", gaussian("1/2", 4), 1, []dp.Aggregate{{Kind: dp.CountUnits}}, 0, 4},
		{"gaussian, three copies", gaussian("1/2", 2), 3, []dp.Aggregate{{Kind: dp.CountUnits}}, 0, 18},
		{"gaussian, two aggregates", gaussian("1/2", 2), 1, []dp.Aggregate{{Kind: dp.CountUnits}, {Kind: dp.Sum, Lo: "-5", Hi: "5"}}, 1, 100},
		// Values are 7 of 0..10, so the doubled distance from the midpoint is 4: the mean is 5 + D/2N, with D = 4N.
		{"mean", laplace("1", 1), 1, []dp.Aggregate{{Kind: dp.Avg, Cap: 1, Lo: "0", Hi: "10"}}, 0, (lap(10, 0.5)/4 + 4*lap(1, 0.5)) / units / units},
		{"gaussian mean", gaussian("1", 1), 1, []dp.Aggregate{{Kind: dp.Avg, Cap: 1, Lo: "0", Hi: "10"}}, 0, (100.0/4 + 4*1) / units / units},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := specOf(c.rule, given(t, "a"), c.aggs...)
			s.Copies = c.copies
			spec := check(t, s)
			parts := []dp.Part{}
			if c.aggs[0].Kind == dp.Avg {
				for u := range units {
					parts = append(parts, part(fmt.Sprint(u), "a", sum(1, 7)))
				}
			}
			var mean, second, fourth float64
			values := make([]float64, n)
			for i := range n {
				v, _ := table(t, spec, uint64(i), parts)[0].Values[c.at].Float64()
				values[i] = v
				mean += v / n
			}
			for _, v := range values {
				d := (v - mean) * (v - mean)
				second, fourth = second+d/n, fourth+d*d/n
			}
			if e := math.Sqrt((fourth - second*second) / n); math.Abs(second-c.want) > 5*e {
				t.Errorf("variance %.4g, not %.4g (standard error %.2g)", second, c.want, e)
			}
		})
	}
}

func TestMeanStaysWithinItsBounds(t *testing.T) {
	c := check(t, specOf(laplace("1/8", 1), given(t, "a"), dp.Aggregate{Kind: dp.Avg, Cap: 1, Lo: "3", Hi: "10"}))
	ends := map[string]int{}
	for i := range uint64(500) {
		v := table(t, c, i, nil)[0].Values[0]
		if v.Cmp(big.NewRat(3, 1)) < 0 || v.Cmp(big.NewRat(10, 1)) > 0 {
			t.Fatalf("a mean of values of 3 to 10 is %v", v)
		}
		ends[v.RatString()]++
	}
	if ends["3"] == 0 || ends["10"] == 0 {
		t.Fatal("no mean was beyond its bounds: the test shows nothing")
	}
}

func TestCost(t *testing.T) {
	rule := laplace("1/2", 3)
	rule.Delta, rule.MinUnits = "1/1000", 1
	for _, c := range []struct {
		name       string
		spec       dp.Spec
		rho, delta *big.Rat
	}{
		{"laplace", specOf(laplace("1/2", 3), given(t, "a"), all()...), big.NewRat(1, 8), new(big.Rat)},
		{"gaussian", specOf(gaussian("1/50", 3), given(t, "a"), all()...), big.NewRat(1, 50), new(big.Rat)},
		{"selected", specOf(rule, nil, all()...), big.NewRat(1, 8), big.NewRat(1, 1000)},
	} {
		if got := check(t, c.spec).Cost(); got.Rho.Cmp(c.rho) != 0 || got.Delta.Cmp(c.delta) != 0 {
			t.Errorf("%s costs %v, %v", c.name, got.Rho, got.Delta)
		}
	}
}

// TestChargedOnce is how a broker uses both: the same specification is charged once, another one anew.
func TestChargedOnce(t *testing.T) {
	b, err := account.Open(account.Terms{Total: account.Cost{Rho: big.NewRat(1, 4), Delta: new(big.Rat)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	asker := statement.Fingerprint("cordon1" + strings.Repeat("ab", 32))
	for i, c := range []struct {
		epsilon account.Amount
		fresh   bool
		err     error
	}{{"1/2", true, nil}, {"1/2", false, nil}, {"1/4", true, nil}, {"1/2", false, nil}, {"3/4", false, account.ErrOverspent}} {
		spec := check(t, specOf(laplace(c.epsilon, 1), given(t, "a"), dp.Aggregate{Kind: dp.CountUnits}))
		_, fresh, err := b.Charge(account.Charge{AtMS: 1, Release: spec.Digest(), Org: asker, Cost: spec.Cost()})
		if fresh != c.fresh || !errors.Is(err, c.err) {
			t.Errorf("charge %d: fresh %v, %v", i+1, fresh, err)
		}
	}
}

func TestTableOnce(t *testing.T) {
	c := check(t, specOf(laplace("1", 1), given(t, "a"), dp.Aggregate{Kind: dp.CountUnits}))
	r, err := c.Open(keys(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Table(); err != nil {
		t.Fatal(err)
	}
	if rows, err := r.Table(); !errors.Is(err, dp.ErrUsed) || rows != nil {
		t.Errorf("again: %v", err)
	}
	if err := r.Add(part("u", "a", rows(1))); !errors.Is(err, dp.ErrUsed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestKeysRefused(t *testing.T) {
	c := check(t, specOf(laplace("1", 1), given(t, "a"), dp.Aggregate{Kind: dp.CountUnits}))
	good := keys(t, 1)
	other := good[1]
	other.Offer = digest("another offer")
	unset := good[1]
	unset.Key = nil
	for name, k := range map[string][]noise.Keyed{
		"none": good[:0], "one is missing": good[:1], "one twice": append(good[:1:1], good[0]),
		"another's": append(good[:1:1], other), "one unset": append(good[:1:1], unset), "one too many": append(good[:2:2], other),
	} {
		if r, err := c.Open(k); !errors.Is(err, dp.ErrKeys) || r != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartsRefused(t *testing.T) {
	c := check(t, specOf(laplace("1", 1), given(t, "a"), dp.Aggregate{Kind: dp.Sum, Lo: "0", Hi: "9"}))
	r, err := c.Open(keys(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	homeless := part("u", "a", sum(1, 1))
	homeless.Unit.Domain = ""
	for name, p := range map[string]dp.Part{
		"no domain":          homeless,
		"no values":          part("u", "a"),
		"two values":         part("u", "a", sum(1, 1), sum(1, 1)),
		"rows without a sum": part("u", "a", rows(1)),
		"fewer than no rows": part("u", "a", sum(-1, 1)),
	} {
		if err := r.Add(p); !errors.Is(err, dp.ErrPart) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Add(part("u", "a", rows(0))); err != nil {
		t.Errorf("no rows: %v", err)
	}
}

func BenchmarkRelease(b *testing.B) {
	c, parts := check(b, specOf(gaussian("1/50", 2), given(b, "a", "b", "c", "d"), all()...)), population(1000)
	for b.Loop() {
		table(b, c, 1, parts)
	}
}

// TestSelectionIsSplit: a group of one unit is shown with the chance delta/c, as c groups could show it.
func TestSelectionIsSplit(t *testing.T) {
	const n = 20_000
	rule := laplace("1", 4)
	rule.Delta, rule.MinUnits = "1/10", 1
	c, shown := check(t, specOf(rule, nil, dp.Aggregate{Kind: dp.CountUnits})), 0
	for i := range uint64(n) {
		shown += len(table(t, c, i, []dp.Part{part("u", "a", rows(1))}))
	}
	if want, e := n*0.1/4, math.Sqrt(n*0.1/4*(1-0.1/4)); math.Abs(float64(shown)-want) > 5*e {
		t.Errorf("shown %d times, not %.0f", shown, want)
	}
}
