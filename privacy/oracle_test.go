package privacy

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The oracle reads the rule word for word: it tries every coalition and every target, and shares no code with holds.go.

type ownerPart struct{ units, weight int64 }

type scene struct {
	rules      Rules
	lists      Lists
	unique     bool
	cells      [][]ownerPart // by cell, by owner
	complement [][]ownerPart
}

// side tells the classes of owners, affiliates taken together.
func (s *scene) side() (r, strange []bool, group []int) {
	n := s.lists.Owners
	group = make([]int, n)
	for o := range group {
		group[o] = o
	}
	for range n { // spread the smallest number of a group until nothing changes
		for _, list := range s.lists.Affiliates {
			for _, a := range list {
				for _, b := range list {
					group[a] = min(group[a], group[b])
				}
			}
		}
	}
	r, strange = make([]bool, n), make([]bool, n)
	for o := range n {
		for other := range n {
			if group[other] == group[o] {
				r[o] = r[o] || slices.Contains(s.lists.Asker, other)
				strange[o] = strange[o] || !slices.Contains(s.lists.Recognised, other)
			}
		}
	}
	return r, strange, group
}

func (s *scene) oracle(parts []ownerPart) bool {
	r, strange, group := s.side()
	byGroup := make([]ownerPart, len(parts))
	for o, p := range parts {
		g := &byGroup[group[o]]
		g.weight += p.weight
		if s.unique {
			g.units += p.units
		} else {
			g.units = max(g.units, p.units)
		}
	}
	rGives := false
	var inside, outside []int // recognised and other groups outside R
	for g, p := range byGroup {
		switch {
		case group[g] != g:
		case r[g]:
			rGives = rGives || p.weight > 0
		case strange[g]:
			outside = append(outside, g)
		default:
			inside = append(inside, g)
		}
	}
	sum := func(groups []int, except ...int) (units, weight, contributors int64) {
		for _, g := range groups {
			if !slices.Contains(except, g) {
				units += byGroup[g].units
				weight += byGroup[g].weight
				if byGroup[g].weight > 0 {
					contributors++
				}
			}
		}
		return
	}
	need := s.rules.MinContributors
	if rGives {
		need--
	}
	_, total, contributors := sum(inside)
	if contributors < need {
		return false
	}
	for _, target := range append(slices.Clone(inside), outside...) {
		w, all := byGroup[target].weight, total
		if slices.Contains(outside, target) {
			all += w
		}
		if w*100 > s.rules.MaxSharePct*all {
			return false
		}
	}
	ok := true
	subsets(inside, int(s.rules.Coalition), func(j []int) {
		units, _, contributors := sum(inside, j...)
		if units < s.rules.MinUnits || contributors < need-int64(len(j)) || contributors < 1 {
			ok = false
		}
		for _, target := range append(slices.Clone(inside), outside...) {
			if slices.Contains(j, target) {
				continue
			}
			_, rest, _ := sum(inside, append(slices.Clone(j), target)...)
			if rest*100 < s.rules.PPercent*byGroup[target].weight {
				ok = false
			}
		}
	})
	return ok
}

// subsets gives every subset of at most size members.
func subsets(of []int, size int, each func([]int)) {
	for bits := range 1 << len(of) {
		var some []int
		for i, g := range of {
			if bits>>i&1 == 1 {
				some = append(some, g)
			}
		}
		if len(some) <= size {
			each(some)
		}
	}
}

func sumParts(unique bool, cells ...[]ownerPart) []ownerPart {
	out := make([]ownerPart, len(cells[0]))
	for _, c := range cells {
		for o, p := range c {
			out[o].weight += p.weight
			if unique {
				out[o].units += p.units
			} else {
				out[o].units = max(out[o].units, p.units)
			}
		}
	}
	return out
}

func nothing(parts []ownerPart) bool {
	return !slices.ContainsFunc(parts, func(p ownerPart) bool { return p != ownerPart{} })
}

func (s *scene) base() Base {
	b := Base{Kind: Sum, UniqueUnits: s.unique}
	for i, c := range s.cells {
		b.Cells = append(b.Cells, Cell{Key: key(string(rune('a' + i))), Parts: asParts(c), Complement: asParts(s.complement[i])})
	}
	return b
}

func asParts(owners []ownerPart) (out []Part) {
	for o, p := range owners {
		out = append(out, part(o, p.units, p.weight))
	}
	return out
}

func (s *scene) holds(cell int) bool {
	c := s.complement[cell]
	return s.oracle(s.cells[cell]) && (nothing(c) || s.oracle(c))
}

func drawScene(t *rapid.T) *scene {
	owners := rapid.IntRange(1, 7).Draw(t, "owners")
	owner := rapid.IntRange(0, owners-1)
	s := &scene{
		rules: Rules{
			MinUnits: rapid.Int64Range(1, 12).Draw(t, "k"), MinContributors: rapid.Int64Range(1, 5).Draw(t, "n"),
			MaxSharePct: rapid.Int64Range(30, 100).Draw(t, "X"), PPercent: rapid.Int64Range(1, 60).Draw(t, "p"),
			Coalition: rapid.Int64Range(1, 3).Draw(t, "c"), RoundCount: 5, ValueDigits: 4,
		},
		lists: Lists{
			Owners: owners, Asker: rapid.SliceOfN(owner, 0, 2).Draw(t, "asker"),
			Affiliates: rapid.SliceOfN(rapid.SliceOfN(owner, 1, 2), 0, 1).Draw(t, "affiliates"),
		},
		unique: rapid.Bool().Draw(t, "unique"),
	}
	for o := range owners {
		if rapid.IntRange(0, 9).Draw(t, "recognised") > 0 {
			s.lists.Recognised = append(s.lists.Recognised, o)
		}
	}
	drawOwners := rapid.SliceOfN(rapid.Custom(drawPart), owners, owners)
	sparse := rapid.Custom(func(t *rapid.T) []ownerPart {
		if rapid.Bool().Draw(t, "none") {
			return make([]ownerPart, owners)
		}
		return drawOwners.Draw(t, "some")
	})
	for range rapid.IntRange(1, 5).Draw(t, "cells") {
		s.cells = append(s.cells, drawOwners.Draw(t, "cell"))
		s.complement = append(s.complement, sparse.Draw(t, "complement"))
	}
	return s
}

func drawPart(t *rapid.T) ownerPart {
	units := rapid.Int64Range(0, 6).Draw(t, "units")
	if units == 0 {
		return ownerPart{}
	}
	return ownerPart{units, rapid.SampledFrom([]int64{0, 1, 2, 5, 9, 10, 10, 11, 12, 40}).Draw(t, "weight")}
}

func (s *scene) protect(t interface{ Fatal(...any) }) []bool {
	p, err := NewParties(s.lists)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Protect(s.rules, p, s.base())
	if err != nil {
		t.Fatal(err)
	}
	return shown(r)
}

func TestShownCellsHoldByTheOracle(t *testing.T) {
	var any, all int
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		p, err := NewParties(s.lists)
		if err != nil {
			t.Fatal(err)
		}
		g, b := &guard{s.rules, p}, s.base()
		for i := range s.cells {
			all++
			want := s.holds(i)
			got := g.cellHolds(area{b.tally(p, b.Cells[i].Parts), b.tally(p, b.Cells[i].Complement)})
			if got != want {
				t.Fatalf("cell %d holds = %v, the oracle says %v", i, got, want)
			}
			if want {
				any++
			}
		}
		for i, show := range s.protect(t) {
			if show && !s.holds(i) {
				t.Fatalf("cell %d is shown", i)
			}
		}
	})
	if any == 0 || any == all {
		t.Fatalf("%d of %d cells hold: the test can't fail", any, all)
	}
}

// The attacker knows the total and subtracts what is shown.
func TestWhatSubtractionGivesHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		hidden, hiddenComplement := [][]ownerPart{make([]ownerPart, s.lists.Owners)}, [][]ownerPart{make([]ownerPart, s.lists.Owners)}
		anyShown := false
		for i, show := range s.protect(t) {
			if show {
				anyShown = true
				continue
			}
			hidden, hiddenComplement = append(hidden, s.cells[i]), append(hiddenComplement, s.complement[i])
		}
		union, complement := sumParts(s.unique, hidden...), sumParts(s.unique, hiddenComplement...)
		if !anyShown || nothing(union) && nothing(complement) {
			return
		}
		if !s.oracle(union) || !nothing(complement) && !s.oracle(complement) {
			t.Fatal("the union of the hidden cells does not hold")
		}
	})
}

// Whatever one contributor does to its own rows: a cell that the others' rows do not carry stays hidden.
func TestNobodyHelpsACellAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		r, strange, group := s.side()
		j := rapid.IntRange(0, s.lists.Owners-1).Draw(t, "colluder")
		if r[j] || strange[j] {
			t.Skip("in R or a stranger")
		}
		carried := make([]bool, len(s.cells))
		for i, c := range s.cells {
			carried[i] = s.othersCarry(c, group[j])
		}
		for i := range s.cells {
			s.cells[i][j] = drawPart(t) // the colluder's choice
		}
		for i, show := range s.protect(t) {
			if show && !carried[i] {
				t.Fatalf("cell %d is shown by the colluder's own rows", i)
			}
		}
	})
}

// othersCarry is the part of the rule that one contributor's rows can't reach: what the owners outside R and j give.
func (s *scene) othersCarry(parts []ownerPart, j int) bool {
	r, strange, group := s.side()
	weights, unitsOf := map[int]int64{}, map[int]int64{}
	rGives := false
	for o, p := range parts {
		if r[o] {
			rGives = rGives || p.weight > 0
		} else if !strange[o] && group[o] != j {
			weights[group[o]] += p.weight
			unitsOf[group[o]] += p.units // an upper bound where units may repeat
		}
	}
	var units, total, largest, contributors int64
	for g, w := range weights {
		units += unitsOf[g]
		total += w
		largest = max(largest, w)
		if w > 0 {
			contributors++
		}
	}
	need := s.rules.MinContributors - 1
	if rGives {
		need--
	}
	return units >= s.rules.MinUnits && contributors >= max(need, 1) && (total-largest)*100 >= s.rules.PPercent*largest
}

// What holds apart holds together: secondary suppression needs one pass because of it.
func TestClosedUnderUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		p, err := NewParties(s.lists)
		if err != nil {
			t.Fatal(err)
		}
		g, b := &guard{s.rules, p}, s.base()
		union := area{newTally(s.unique), newTally(s.unique)}
		for i := range s.cells {
			if a := (area{b.tally(p, b.Cells[i].Parts), b.tally(p, b.Cells[i].Complement)}); g.cellHolds(a) {
				union.join(a)
			}
		}
		if !g.unionHolds(union) {
			t.Fatal("cells that hold do not hold together")
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		p, err := NewParties(s.lists)
		if err != nil {
			t.Fatal(err)
		}
		b := s.base()
		first, err := Protect(s.rules, p, b)
		if err != nil {
			t.Fatal(err)
		}
		order := rapid.Permutation(indexes(len(b.Cells))).Draw(t, "order")
		turned := b
		turned.Cells = nil
		for _, i := range order {
			c := b.Cells[i]
			c.Parts = slices.Clone(c.Parts)
			slices.Reverse(c.Parts)
			turned.Cells = append(turned.Cells, c)
		}
		second, err := Protect(s.rules, p, turned)
		if err != nil {
			t.Fatal(err)
		}
		for at, i := range order {
			x, xShown := first.Value(i)
			y, yShown := second.Value(at)
			if xShown != yShown || xShown && x.Cmp(y) != 0 {
				t.Fatalf("cell %d differs", i)
			}
		}
	})
}

func indexes(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// The tally must not change the caller's numbers.
func TestPartsAreNotChanged(t *testing.T) {
	b := Base{Kind: Count, UniqueUnits: true, Cells: []Cell{equal("a", 4, 9, 9), equal("b", 6, 9, 9)}}
	protect(t, parties(t, 6), b)
	for _, c := range b.Cells {
		for _, p := range c.Parts {
			if p.Weight.Cmp(big.NewInt(9)) != 0 || p.Value.Cmp(big.NewInt(9)) != 0 {
				t.Fatal("a part was changed")
			}
		}
	}
}
