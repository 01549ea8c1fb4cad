package privacy

import (
	"maps"
	"math/big"
	"slices"
	"testing"
)

// airlines is the guard of the bird-strike policies.
func airlines() Rules {
	return Rules{MinUnits: 10, MinContributors: 5, MaxSharePct: 50, PPercent: 10, Coalition: 1, RoundCount: 5, ValueDigits: 4}
}

// parties of n recognised owners, changed by each option.
func parties(t testing.TB, n int, change ...func(*Lists)) *Parties {
	t.Helper()
	l := Lists{Owners: n}
	for o := range n {
		l.Recognised = append(l.Recognised, o)
	}
	for _, c := range change {
		c(&l)
	}
	p, err := NewParties(l)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func asks(owners ...int) func(*Lists) { return func(l *Lists) { l.Asker = owners } }

func affiliated(owners ...int) func(*Lists) {
	return func(l *Lists) { l.Affiliates = append(l.Affiliates, owners) }
}

func unknown(owner int) func(*Lists) {
	return func(l *Lists) {
		l.Recognised = slices.DeleteFunc(slices.Clone(l.Recognised), func(o int) bool { return o == owner })
	}
}

// part has the same number of units and weight unless told otherwise.
func part(owner int, units, weight int64) Part {
	return Part{Owner: owner, Units: units, Value: big.NewInt(weight), Weight: big.NewInt(weight)}
}

// checks are the conditions of holds by name, so that a test can tell which one failed.
func checks(g *guard, t tally) map[string]bool {
	v := g.view(t)
	out := map[string]bool{
		"contributors": g.enoughContributors(v), "others": g.othersContribute(v),
		"units": g.enoughUnits(v), "strangers cap": g.strangerUnderCap(v), "strangers p%": g.restCoversStranger(v),
		"cap": true, "p%": true,
	}
	if len(v.weights) > 0 {
		out["cap"], out["p%"] = g.underCap(v), g.restCovers(v)
	}
	return out
}

func failed(g *guard, t tally) []string {
	all := checks(g, t)
	return slices.Sorted(func(yield func(string) bool) {
		for name := range maps.Keys(all) {
			if !all[name] && !yield(name) {
				return
			}
		}
	})
}

func TestHolds(t *testing.T) {
	five := []Part{part(0, 4, 10), part(1, 4, 10), part(2, 4, 10), part(3, 4, 10), part(4, 4, 10)}
	bigger := []Part{part(0, 9, 10), part(1, 9, 10), part(2, 9, 10), part(3, 9, 10), part(4, 9, 10)}
	six := append(slices.Clone(five), part(5, 4, 10))
	with := func(base []Part, p Part) []Part {
		out := slices.Clone(base)
		out[p.Owner] = p
		return out
	}
	for _, tc := range []struct {
		name    string
		rules   func(*Rules)
		lists   []func(*Lists)
		parts   []Part
		failing []string // nil: holds
	}{
		{name: "five equal contributors", parts: five},
		{name: "four contributors", parts: five[:4], failing: []string{"contributors"}},
		{name: "a fifth with units and no weight is no contributor", parts: with(five, part(4, 4, 0)), failing: []string{"contributors"}},
		{name: "asker contributes: four others are enough", lists: []func(*Lists){asks(0)}, parts: five},
		{name: "asker without weight: four others are not", lists: []func(*Lists){asks(0)}, parts: with(five, part(0, 4, 0)), failing: []string{"contributors"}},
		{name: "asker contributes: three others are not", lists: []func(*Lists){asks(0)}, parts: bigger[:4], failing: []string{"contributors"}},
		{name: "two askers are one R", lists: []func(*Lists){asks(0, 1)}, parts: bigger, failing: []string{"contributors"}},
		{name: "two askers among six", lists: []func(*Lists){asks(0, 1)}, parts: six},
		{name: "affiliates count as one", lists: []func(*Lists){affiliated(0, 1)}, parts: five, failing: []string{"contributors"}},
		{name: "affiliates over a third party", lists: []func(*Lists){affiliated(0, 1), affiliated(1, 2)}, parts: six, failing: []string{"contributors"}},
		{name: "affiliates among six", lists: []func(*Lists){affiliated(0, 1)}, parts: six},
		{name: "affiliate of the asker is in R", lists: []func(*Lists){asks(0), affiliated(0, 1)}, parts: bigger, failing: []string{"contributors"}},
		{name: "affiliate with a lower number is in R as well", lists: []func(*Lists){asks(1), affiliated(0, 1)}, parts: with(six, part(0, 4, 1000))},
		{name: "a stranger does not contribute", lists: []func(*Lists){unknown(4)}, parts: five, failing: []string{"contributors"}},
		{name: "a stranger beside five", lists: []func(*Lists){unknown(5)}, parts: six},
		{name: "affiliate of a stranger does not contribute", lists: []func(*Lists){unknown(5), affiliated(4, 5)}, parts: six, failing: []string{"contributors"}},
		{name: "half of the weight is the cap", parts: with(five, part(0, 4, 40))},
		{name: "more than half", parts: with(five, part(0, 4, 41)), failing: []string{"cap"}},
		{name: "the asker's rows do not dilute a share", lists: []func(*Lists){asks(5)}, parts: with(with(six, part(0, 4, 41)), part(5, 4, 1000)), failing: []string{"cap"}},
		{name: "the asker's own share is not capped", lists: []func(*Lists){asks(5)}, parts: with(six, part(5, 4, 1000))},
		{name: "shares of affiliates add up", lists: []func(*Lists){affiliated(0, 1)}, parts: with(with(six, part(0, 4, 21)), part(1, 4, 20)), failing: []string{"cap"}},
		{name: "ten units without the largest", parts: []Part{part(0, 90, 10), part(1, 3, 10), part(2, 3, 10), part(3, 2, 10), part(4, 2, 10)}},
		{name: "nine units without the largest", parts: []Part{part(0, 90, 10), part(1, 3, 10), part(2, 2, 10), part(3, 2, 10), part(4, 2, 10)}, failing: []string{"units"}},
		{name: "the asker's units do not count", lists: []func(*Lists){asks(5)}, parts: []Part{part(0, 90, 10), part(1, 3, 10), part(2, 2, 10), part(3, 2, 10), part(4, 2, 10), part(5, 90, 10)}, failing: []string{"units"}},
		{name: "a stranger's units do not count", lists: []func(*Lists){unknown(5)}, parts: []Part{part(0, 90, 10), part(1, 3, 10), part(2, 2, 10), part(3, 2, 10), part(4, 2, 10), part(5, 90, 10)}, failing: []string{"units"}},
		{name: "units of an owner without weight can be made up too", parts: []Part{part(0, 2, 10), part(1, 2, 10), part(2, 2, 10), part(3, 2, 10), part(4, 1, 10), part(5, 90, 0)}, failing: []string{"units"}},
		{name: "the rest is a tenth of the largest", parts: []Part{part(0, 9, 300), part(1, 9, 270), part(2, 9, 10), part(3, 9, 10), part(4, 9, 10)}},
		{name: "the rest is less", parts: []Part{part(0, 9, 300), part(1, 9, 271), part(2, 9, 10), part(3, 9, 10), part(4, 9, 9)}, failing: []string{"p%"}},
		{name: "the asker's weight is not in the rest", lists: []func(*Lists){asks(5)}, parts: []Part{part(0, 9, 300), part(1, 9, 271), part(2, 9, 10), part(3, 9, 10), part(4, 9, 9), part(5, 9, 500)}, failing: []string{"p%"}},
		{name: "coalition of two keeps out two", rules: func(r *Rules) { r.Coalition = 2 }, parts: []Part{part(0, 9, 300), part(1, 9, 290), part(2, 9, 10), part(3, 9, 10), part(4, 9, 10)}, failing: []string{"p%"}},
		{name: "coalition of two and units", rules: func(r *Rules) { r.Coalition = 2 }, parts: []Part{part(0, 90, 10), part(1, 90, 10), part(2, 3, 10), part(3, 3, 10), part(4, 3, 10)}, failing: []string{"units"}},
		{name: "a coalition of all but nobody", rules: func(r *Rules) { r.Coalition = 5; r.MinUnits = 1 }, parts: five, failing: []string{"others", "p%", "units"}},
		{name: "n of two asks for one other, a coalition may be that one", rules: func(r *Rules) { r.MinContributors = 2; r.MaxSharePct = 100 }, lists: []func(*Lists){asks(1)},
			parts: []Part{part(0, 40, 10), part(1, 4, 10), part(2, 40, 0)}, failing: []string{"others", "p%"}},
		{name: "the same without a margin over the largest", rules: func(r *Rules) { r.MinContributors, r.MaxSharePct, r.PPercent = 2, 100, 0 }, lists: []func(*Lists){asks(1)},
			parts: []Part{part(0, 40, 10), part(1, 4, 10), part(2, 40, 0)}, failing: []string{"others"}},
		{name: "a stranger over the cap is protected", lists: []func(*Lists){unknown(5)}, parts: with(six, part(5, 4, 51)), failing: []string{"strangers cap"}},
		{name: "a stranger without cover", rules: func(r *Rules) { r.PPercent = 100 }, lists: []func(*Lists){unknown(5)}, parts: with(six, part(5, 4, 41)), failing: []string{"strangers p%"}},
		{name: "a stranger just covered", rules: func(r *Rules) { r.PPercent = 100 }, lists: []func(*Lists){unknown(5)}, parts: with(six, part(5, 4, 40))},
		{name: "nothing at all", parts: nil, failing: []string{"contributors", "others", "units"}},
		{name: "the asker alone", lists: []func(*Lists){asks(0)}, parts: []Part{part(0, 90, 10)}, failing: []string{"contributors", "others", "units"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := airlines()
			if tc.rules != nil {
				tc.rules(&r)
			}
			g := &guard{r, parties(t, 6, tc.lists...)}
			b := Base{UniqueUnits: true}
			tally := b.tally(g.parties, tc.parts)
			if got := failed(g, tally); !slices.Equal(got, tc.failing) {
				t.Errorf("failing checks %v, want %v", got, tc.failing)
			}
			if got := g.holds(tally); got != (tc.failing == nil) {
				t.Errorf("holds = %v", got)
			}
		})
	}
}

func TestOneOwnerNeedsUnitsOnly(t *testing.T) {
	r := Rules{MinUnits: 10, RoundCount: 5, ValueDigits: 4}
	p := parties(t, 1)
	for units, want := range map[int64]bool{9: false, 10: true} {
		if got := (&guard{r, p}).holds((&Base{}).tally(p, []Part{part(0, units, 100)})); got != want {
			t.Errorf("%d units: holds = %v", units, got)
		}
	}
	if err := r.valid(parties(t, 2)); err == nil {
		t.Error("rules without contributors were accepted for two owners")
	}
	if err := r.valid(parties(t, 2, affiliated(0, 1))); err != nil {
		t.Error("two affiliates are one owner:", err)
	}
	own := parties(t, 1, asks(0))
	if (&guard{r, own}).holds((&Base{}).tally(own, []Part{part(0, 100, 100)})) {
		t.Error("the asker's units count")
	}
}

func TestRulesAbsentOrOutOfRange(t *testing.T) {
	for name, spoil := range map[string]func(*Rules){
		"no units":            func(r *Rules) { r.MinUnits = 0 },
		"negative units":      func(r *Rules) { r.MinUnits = -1 },
		"no contributors":     func(r *Rules) { r.MinContributors = 0 },
		"no share":            func(r *Rules) { r.MaxSharePct = 0 },
		"share over 100":      func(r *Rules) { r.MaxSharePct = 101 },
		"negative p":          func(r *Rules) { r.PPercent = -1 },
		"no coalition":        func(r *Rules) { r.Coalition = 0 },
		"no count rounding":   func(r *Rules) { r.RoundCount = 0 },
		"no digits":           func(r *Rules) { r.ValueDigits = 0 },
		"too many digits":     func(r *Rules) { r.ValueDigits = 39 },
		"absurd contributors": func(r *Rules) { r.MinContributors = maxRule + 1 },
	} {
		r := airlines()
		spoil(&r)
		if _, err := Protect(r, parties(t, 2), Base{Kind: Count}); err != ErrRules {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Protect(airlines(), parties(t, 2), Base{Kind: Count}); err != nil {
		t.Error("the rules themselves:", err)
	}
}

func TestPartiesRefused(t *testing.T) {
	for name, l := range map[string]Lists{
		"no owners":          {},
		"asker unknown":      {Owners: 1, Asker: []int{1}},
		"recognised unknown": {Owners: 1, Recognised: []int{-1}},
		"affiliate unknown":  {Owners: 1, Affiliates: [][]int{{0, 1}}},
	} {
		if p, err := NewParties(l); err != ErrParties || p != nil {
			t.Errorf("%s: %v %v", name, p, err)
		}
	}
	if _, err := NewParties(Lists{Owners: 1, Affiliates: [][]int{{}}}); err != nil {
		t.Error("an empty group is no group:", err)
	}
	if _, err := Protect(airlines(), nil, Base{Kind: Count}); err != ErrParties {
		t.Error("nil parties:", err)
	}
}
