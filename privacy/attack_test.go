package privacy

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"
)

// cube is the data of all owners over all dimensions, cells without rows included.
type cube struct {
	scene // rules and lists; cells and complements by place, the last dimension running fastest
	sizes []int
	kind  Kind
}

func (c *cube) keyAt(place int) []int {
	at := make([]int, len(c.sizes))
	for d := len(at) - 1; d >= 0; d-- {
		at[d], place = place%c.sizes[d], place/c.sizes[d]
	}
	return at
}

// released is one set of the lattice as a query of its own would get it.
type releasedSet struct {
	places [][]int // by cell: what it is made of
	shown  []bool
}

func (c *cube) release(t testing.TB, dims []int) releasedSet {
	t.Helper()
	b := Base{Kind: c.kind, UniqueUnits: true}
	index := map[string]int{}
	var out releasedSet
	for place := range c.cells {
		at, id := c.keyAt(place), ""
		var key []Value
		for _, d := range dims {
			key = append(key, Value{Text: strconv.Itoa(at[d])})
			id += strconv.Itoa(at[d]) + " "
		}
		i, ok := index[id]
		if !ok {
			i = len(out.places)
			index[id] = i
			out.places = append(out.places, nil)
			b.Cells = append(b.Cells, Cell{Key: key})
		}
		out.places[i] = append(out.places[i], place)
	}
	for i, places := range out.places {
		b.Cells[i].Parts = asParts(c.sum(c.cells, places))
		b.Cells[i].Complement = asParts(c.sum(c.complement, places))
	}
	p, err := NewParties(c.lists)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Protect(c.rules, p, b)
	if err != nil {
		t.Fatal(err)
	}
	out.shown = shown(r)
	return out
}

func (c *cube) sum(of [][]ownerPart, places []int) []ownerPart {
	parts := make([]ownerPart, c.lists.Owners)
	for _, place := range places {
		for o, p := range of[place] {
			parts[o].units += p.units
			parts[o].weight += p.weight
		}
	}
	return parts
}

// answers are all sets that are released: those named, every single dimension and the grand total.
func (c *cube) answers(t testing.TB, sets ...[]int) []releasedSet {
	t.Helper()
	out := []releasedSet{c.release(t, nil)}
	for d := range c.sizes {
		out = append(out, c.release(t, []int{d}))
	}
	for _, s := range sets {
		out = append(out, c.release(t, s))
	}
	return out
}

// system is what is known to somebody who also knows the parts of some owners exactly. Cells that follow at once are left out.
type system struct {
	*polytope
	variable map[int]int // by place; a place that is not there is known
	known    map[int]int64
}

func (c *cube) system(t testing.TB, of [][]ownerPart, answers []releasedSet, knows ...int) *system {
	t.Helper()
	s := &system{variable: map[int]int{}, known: map[int]int64{}}
	for _, a := range answers {
		for i, places := range a.places {
			if a.shown[i] && len(places) == 1 {
				s.known[places[0]] = c.unknown(of, places, knows)
			}
		}
	}
	for place := range of {
		if _, ok := s.known[place]; !ok {
			s.variable[place] = len(s.variable)
		}
	}
	var equations [][]int
	var totals []int64
	for _, a := range answers {
		for i, places := range a.places {
			var e []int
			total := c.unknown(of, places, knows)
			for _, place := range places {
				if v, ok := s.variable[place]; ok {
					e = append(e, v)
				} else {
					total -= s.known[place]
				}
			}
			if a.shown[i] && len(e) > 0 {
				equations, totals = append(equations, e), append(totals, total)
			}
		}
	}
	s.polytope = newPolytope(t, len(s.variable), equations, totals)
	return s
}

// unknown is the weight of those whose parts are not known.
func (c *cube) unknown(of [][]ownerPart, places, knows []int) (w int64) {
	for o, p := range c.sum(of, places) {
		if !slices.Contains(knows, o) {
			w += p.weight
		}
	}
	return w
}

// most is the largest value that the answers allow for a sum of places.
func (s *system) most(places []int) frac {
	var of []int
	known := int64(0)
	for _, place := range places {
		if v, ok := s.variable[place]; ok {
			of = append(of, v)
		} else {
			known += s.known[place]
		}
	}
	m := s.polytope.most(of)
	return m.sub(frac{-known, 1})
}

// attack puts all answers together, once with nothing and once with each contributor's own knowledge beside R's, and tries to
// bound every hidden cell from above. It says which bound is tighter than the rule permits.
func (c *cube) attack(t testing.TB, of [][]ownerPart, answers []releasedSet, colluders []int) (tried int, fault string) {
	t.Helper()
	for _, j := range append([]int{-1}, colluders...) {
		if slices.Contains(c.lists.Asker, j) {
			continue
		}
		knows := append(slices.Clone(c.lists.Asker), j)
		s := c.system(t, of, answers, knows...)
		for _, a := range answers {
			for i, places := range a.places {
				parts := c.sum(of, places)
				if a.shown[i] && j < 0 && !c.holdsAt(places) {
					return tried, "shown"
				}
				if a.shown[i] || nothing(parts) {
					continue
				}
				tried++
				if f := c.tight(parts, s.most(places), c.unknown(of, places, knows), knows, j < 0); f != "" {
					return tried, f + " at " + strconv.Itoa(places[0]) + ", colluder " + strconv.Itoa(j)
				}
			}
		}
	}
	return tried, ""
}

func (c *cube) holdsAt(places []int) bool {
	without := c.sum(c.complement, places)
	return c.oracle(c.sum(c.cells, places)) && (nothing(without) || c.oracle(without))
}

// tight reads the definition of release-rules.md, section 4.3.
func (c *cube) tight(parts []ownerPart, most frac, truth int64, knows []int, alone bool) string {
	atLeast := func(a, times, b int64) bool { return !frac{mul64(most.n, times), most.d}.less(frac{mul64(a, b), 1}) }
	for o, p := range parts {
		if slices.Contains(knows, o) {
			continue
		}
		if !atLeast(p.weight, 100, 100+c.rules.PPercent) {
			return "p %"
		}
		if alone && !atLeast(p.weight, c.rules.MaxSharePct, 100) {
			return "share"
		}
	}
	if c.kind == Count && !atLeast(c.rules.MinUnits, 1, 1) {
		return "units"
	}
	if alone && !c.oracle(parts) && !(frac{truth, 1}).less(most) {
		return "exact"
	}
	return ""
}

// drawCube makes tables that are hard to hide: sparse, owned by one here and there, with patterns of cells that fall.
func drawCube(seed uint64, sizes ...int) *cube {
	r := rand.New(rand.NewPCG(seed, 11))
	owners := 5 + r.IntN(4)
	c := &cube{sizes: sizes, kind: Sum}
	c.rules = Rules{MinUnits: 4, MinContributors: 3, MaxSharePct: 60, PPercent: 15, Coalition: 1, RoundCount: 1, ValueDigits: 9}
	c.lists, c.unique = Lists{Owners: owners}, true
	for o := range owners {
		c.lists.Recognised = append(c.lists.Recognised, o)
	}
	if r.IntN(3) == 0 {
		c.lists.Asker = []int{r.IntN(owners)}
	}
	if r.IntN(2) == 0 {
		c.kind = Count
	}
	pattern, places := r.IntN(6), 1
	for _, n := range sizes {
		places *= n
	}
	for place := range places {
		at := c.keyAt(place)
		falls := map[int]bool{
			0: r.IntN(4) == 0,                       // anywhere
			1: at[0] == at[1],                       // one in each line
			2: at[0] < 2 && at[1] < 2,               // a block of two by two
			3: at[0] == 0 || at[1] == 0,             // an L
			4: at[0] == 0 && at[1] == 0,             // a single one
			5: at[len(at)-1] == 0 && r.IntN(2) == 0, // half a slice
		}[pattern]
		c.cells = append(c.cells, c.drawCell(r, falls))
		var without []ownerPart
		if c.kind == Count && seed%4 == 0 {
			without = c.drawCell(r, r.IntN(8) == 0)
		} else {
			without = make([]ownerPart, owners)
		}
		c.complement = append(c.complement, without)
	}
	return c
}

func (c *cube) drawCell(r *rand.Rand, falls bool) []ownerPart {
	parts := make([]ownerPart, c.lists.Owners)
	give := func(o int, n int64) {
		parts[o] = ownerPart{n, n}
		if c.kind == Sum {
			parts[o].weight = n * (1 + r.Int64N(20))
		}
	}
	if falls {
		switch r.IntN(3) {
		case 0: // nothing at all
		case 1:
			give(r.IntN(c.lists.Owners), 1+r.Int64N(30))
		case 2:
			give(r.IntN(c.lists.Owners), 20+r.Int64N(30))
			give(r.IntN(c.lists.Owners), 1+r.Int64N(2))
		}
		return parts
	}
	for o := range parts {
		if r.IntN(5) > 0 {
			give(o, 2+r.Int64N(12))
		}
	}
	return parts
}

var shapes = [][]int{{2, 2}, {3, 3}, {3, 4}, {5, 3}, {6, 5}, {2, 2, 2}, {2, 3, 3}, {3, 2, 4}, {2, 2, 2, 2}}

// Nobody who puts all answers together, and no contributor who does, bounds a hidden cell tighter than the rule permits.
func TestAttackOnAllAnswers(t *testing.T) {
	tables, some, bounds := 0, 0, 0
	for seed := range uint64(360) {
		sizes := shapes[seed%uint64(len(shapes))]
		c := drawCube(seed, sizes...)
		for _, sets := range setsOf(len(sizes)) {
			answers := c.answers(t, sets...)
			if !answers[0].shown[0] {
				for _, a := range answers {
					if slices.Contains(a.shown, true) {
						t.Fatalf("seed %d: the total is hidden and something else is shown", seed)
					}
				}
				continue
			}
			tables++
			last := answers[len(answers)-1]
			if slices.Contains(last.shown, true) && slices.Contains(last.shown, false) {
				some++
			}
			for _, of := range [][][]ownerPart{c.cells, c.complement} {
				n, fault := c.attack(t, of, answers, c.lists.Recognised)
				if bounds += n; fault != "" {
					t.Fatalf("seed %d, sizes %v, sets %v: %s", seed, sizes, sets, fault)
				}
			}
		}
	}
	t.Logf("%d tables, %d partly shown, %d bounds", tables, some, bounds)
	if tables < 300 || some < 100 || bounds < 10000 {
		t.Error("the test shows too little")
	}
}

// setsOf lists lattices that a policy may have over so many dimensions, single dimensions apart.
func setsOf(dims int) [][][]int {
	switch dims {
	case 2:
		return [][][]int{{{0, 1}}}
	case 3:
		return [][][]int{{{0, 1, 2}}, {{0, 1}, {0, 1, 2}}, {{0, 1}, {1, 2}}}
	}
	return [][][]int{{{0, 1, 2, 3}}, {{0, 1}, {0, 1, 2}, {0, 1, 2, 3}}, {{0, 1}, {1, 2, 3}}}
}

// The real pool: size by phase by year, by 18 airlines, strikes and costs. American Airlines, the largest, is tried as colluder.
func TestAttackOnBirdStrikes(t *testing.T) {
	reports, owners := strikes(t)
	for _, tc := range []struct {
		kind Kind
		dims []string
		want int // cells shown
	}{
		{Count, []string{"phase", "size"}, 12}, {Count, []string{"phase", "size", "year"}, 70},
		{Sum, []string{"phase", "size"}, 0}, {Count, []string{"size", "time"}, 12},
	} {
		b := table(reports, owners, tc.kind, tc.dims...)
		start := time.Now()
		got := shown(protect(t, parties(t, owners), b))
		took := time.Since(start)
		n := 0
		for _, s := range got {
			if s {
				n++
			}
		}
		if t.Logf("%v of %v: %d of %d cells shown in %v", tc.kind, tc.dims, n, len(got), took); n != tc.want {
			t.Errorf("%d shown, want %d", n, tc.want)
		}
		c := cubeOf(t, b, owners)
		all := make([]int, len(tc.dims))
		for d := range all {
			all[d] = d
		}
		if tried, fault := c.attack(t, c.cells, c.answers(t, all), []int{3}); fault != "" || tried < len(got)-n {
			t.Errorf("%v: %s, %d bounds", tc.dims, fault, tried)
		}
	}
}

// cubeOf spreads a base over the product of its values.
func cubeOf(t testing.TB, b Base, owners int) *cube {
	c := &cube{kind: b.Kind}
	c.rules, c.lists, c.unique = airlines(), Lists{Owners: owners}, true
	for o := range owners {
		c.lists.Recognised = append(c.lists.Recognised, o)
	}
	values := make([][]string, b.dims())
	places := 1
	for d := range values {
		for _, cell := range b.Cells {
			if v := cell.Key[d].Text; !slices.Contains(values[d], v) {
				values[d] = append(values[d], v)
			}
		}
		slices.Sort(values[d])
		c.sizes = append(c.sizes, len(values[d]))
		places *= len(values[d])
	}
	for range places {
		c.cells, c.complement = append(c.cells, make([]ownerPart, owners)), append(c.complement, make([]ownerPart, owners))
	}
	for _, cell := range b.Cells {
		place := 0
		for d, v := range cell.Key {
			place = place*c.sizes[d] + slices.Index(values[d], v.Text)
		}
		for _, p := range cell.Parts {
			if !p.Weight.IsInt64() {
				t.Fatal("a weight too large")
			}
			c.cells[place][p.Owner] = ownerPart{p.Units, p.Weight.Int64()}
		}
	}
	return c
}

// Every union of hidden cells whose total can be computed, however the answers are combined, holds or is empty: all of them,
// for tables small enough.
func TestEveryUnionThatCanBeComputedHolds(t *testing.T) {
	unions, lines := 0, 0
	for seed := range uint64(300) {
		sizes := [][]int{{2, 2}, {3, 3}, {2, 4}, {2, 2, 2}, {3, 2, 2}}[seed%5]
		c := drawCube(seed, sizes...)
		all := indexes(len(sizes))
		answers := c.answers(t, all)
		if !answers[0].shown[0] {
			continue
		}
		s := c.system(t, c.cells, answers)
		var hidden []int
		for place := range c.cells {
			if _, ok := s.variable[place]; ok {
				hidden = append(hidden, place)
			}
		}
		for bits := 1; bits < 1<<len(hidden); bits++ {
			var places []int
			for i, place := range hidden {
				if bits>>i&1 == 1 {
					places = append(places, place)
				}
			}
			if !s.computes(places) {
				continue
			}
			if unions++; len(places) < len(hidden) {
				lines++
			}
			for _, of := range [][][]ownerPart{c.cells, c.complement} {
				if parts := c.sum(of, places); !nothing(parts) && !c.oracle(parts) {
					t.Fatalf("seed %d, sizes %v: the total of %v can be computed and does not hold", seed, sizes, places)
				}
			}
		}
	}
	if t.Logf("%d unions, %d of them not all", unions, lines); lines < 500 {
		t.Error("the test shows too little")
	}
}

// computes tells whether a sum of places is the same in all tables that agree with the answers, below zero or not: in the
// solved form, a sum is fixed when no free variable moves it.
func (s *system) computes(places []int) bool {
	in := make([]bool, s.vars)
	for _, place := range places {
		in[s.variable[place]] = true
	}
	for j := range s.vars {
		move := frac{0, 1}
		if in[j] {
			move = frac{1, 1}
		}
		for i, b := range s.basis {
			if in[b] {
				move = move.sub(s.rows[i][j])
			}
		}
		if move.n != 0 && !slices.Contains(s.basis, j) {
			return false
		}
	}
	return true
}

// The attack is real: where margins are closed one by one, it succeeds.
func TestAttackSucceedsOnMarginsOneByOne(t *testing.T) {
	won := 0
	for seed := range uint64(60) {
		c := drawCube(seed, 3, 4)
		c.lists.Asker = nil
		p, err := NewParties(c.lists)
		if err != nil {
			t.Fatal(err)
		}
		answers := c.answers(t, []int{0, 1})
		if !answers[0].shown[0] {
			continue
		}
		last := &answers[len(answers)-1]
		cells := make([]area, len(c.cells))
		lines := [][]int{}
		for i := range cells {
			b := Base{UniqueUnits: true}
			cells[i] = area{b.tally(p, asParts(c.cells[i])), b.tally(p, nil)}
		}
		for _, one := range answers[1:3] {
			lines = append(lines, one.places...)
		}
		cover := &cover{guard: &guard{c.rules, p}, cells: cells, shown: make([]bool, len(cells)), sets: lines, unique: true}
		last.shown = cover.decide(indexes(len(cells)))
		if _, fault := c.attack(t, c.cells, answers, c.lists.Recognised); fault != "" {
			won++
		}
	}
	if t.Logf("%d of 60", won); won < 5 {
		t.Error("closing margins one by one would have done: these tables show nothing")
	}
}
