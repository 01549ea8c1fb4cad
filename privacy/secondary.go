package privacy

import (
	"math/big"
	"slices"
)

// cover is the state of one base while cells are being hidden.
type cover struct {
	guard  *guard
	cells  []area
	shown  []bool
	sets   [][]int // margins
	unique bool    // units of different cells differ
}

// area is a cell or a union of cells, with the complement that would be known beside it.
type area struct {
	parts, complement tally
}

func newCover(g *guard, b Base) *cover {
	c := &cover{guard: g, cells: make([]area, len(b.Cells)), shown: make([]bool, len(b.Cells)), sets: b.Margins, unique: b.UniqueUnits}
	for i := range b.Cells {
		c.cells[i] = area{b.tally(g.parties, b.Cells[i].Parts), b.tally(g.parties, b.Cells[i].Complement)}
	}
	if c.sets == nil {
		all := make([]int, len(b.Cells))
		for i := range all {
			all[i] = i
		}
		c.sets = [][]int{all}
	}
	return c
}

// decide gives the verdict on every cell. byKey breaks ties between cells of one weight.
func (c *cover) decide(byKey []int) []bool {
	for i, a := range c.cells {
		c.shown[i] = c.guard.cellHolds(a)
	}
	order := c.smallestFirst(byKey)
	// One pass is enough. The rule is closed under union: each of its conditions says that a sum over owners is large enough,
	// so what holds apart holds together. Hiding one more cell that holds can't break a margin that is already closed.
	for _, set := range c.sets {
		c.closeMargin(set, order)
	}
	return c.shown
}

// cellHolds is the rule for a cell or a union, and for what the whole minus it would show.
func (g *guard) cellHolds(a area) bool {
	return g.holds(a.parts) && g.complementHolds(a)
}

func (g *guard) complementHolds(a area) bool {
	return a.complement.empty() || g.holds(a.complement)
}

// unionHolds is the rule for the union of the hidden cells of a margin: it holds, or nobody has a row there.
func (g *guard) unionHolds(a area) bool {
	return a.parts.empty() && a.complement.empty() || g.cellHolds(a)
}

// closeMargin hides the smallest shown cells of a margin until the union of its hidden cells holds or none is left to hide.
func (c *cover) closeMargin(set, order []int) {
	union := c.hiddenUnion(set)
	for _, next := range c.shownOf(set, order) {
		if c.guard.unionHolds(union) {
			return
		}
		c.shown[next] = false
		union.join(c.cells[next])
	}
}

func (c *cover) hiddenUnion(set []int) area {
	union := area{newTally(c.unique), newTally(c.unique)}
	for _, i := range set {
		if !c.shown[i] {
			union.join(c.cells[i])
		}
	}
	return union
}

func (a *area) join(o area) {
	a.parts.addAll(o.parts)
	a.complement.addAll(o.complement)
}

// shownOf lists the shown cells of a margin, smallest first.
func (c *cover) shownOf(set, order []int) []int {
	in := make(map[int]bool, len(set))
	for _, i := range set {
		in[i] = true
	}
	var out []int
	for _, i := range order {
		if in[i] && c.shown[i] {
			out = append(out, i)
		}
	}
	return out
}

// smallestFirst orders cells by the weight of all owners together, then by key.
func (c *cover) smallestFirst(byKey []int) []int {
	weights := make([]*big.Int, len(c.cells))
	for i, a := range c.cells {
		weights[i] = a.parts.weight()
	}
	order := slices.Clone(byKey)
	slices.SortStableFunc(order, func(i, j int) int { return weights[i].Cmp(weights[j]) })
	return order
}
