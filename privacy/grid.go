package privacy

import "slices"

// grid is the product of the dimensions of a set. Every combination has a place, with rows or without: where there are none
// is told to nobody.
type grid struct {
	axes  []axis
	cells [][]int // by cell of the base: its place along each axis
}

// axis is one dimension. Values that its own margin hides share one place, since only their union can be had.
type axis struct {
	size   int
	rest   int // the place that hidden values share; -1 if there is none
	places map[Value]int
}

// nowhere is where hidden values stand that have no rows at all, which their margin tells.
const nowhere = -1

// grid is nil when nothing may be shown: a margin hides all of its values, or the bounds are passed.
func (b *Base) grid(g *guard) *grid {
	if !b.UniqueUnits {
		return nil // units of the cells of a margin can't be added up, so what a margin shows is not known here
	}
	out := &grid{cells: make([][]int, len(b.Cells))}
	size := 1
	for d := range b.dims() {
		a := b.axis(g, d)
		if a == nil || size*a.size > maxGrid {
			return nil
		}
		size *= a.size
		out.axes = append(out.axes, *a)
		for i := range b.Cells {
			out.cells[i] = append(out.cells[i], a.places[value(b.Cells[i].Key[d])])
		}
	}
	return out
}

func value(v Value) Value {
	if v.Null {
		return Value{Null: true}
	}
	return v
}

// axis judges a margin of one dimension as the set of that dimension alone is judged.
func (b *Base) axis(g *guard, d int) *axis {
	values, areas := b.values(g, d)
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	c := &cover{guard: g, cells: areas, shown: make([]bool, len(areas)), sets: [][]int{order}, unique: true}
	c.decide(order)
	rest := c.hiddenUnion(order)
	if !g.unionHolds(rest) {
		return nil
	}
	a := &axis{rest: nowhere, places: make(map[Value]int, len(values))}
	if !(rest.parts.empty() && rest.complement.empty()) {
		a.rest, a.size = 0, 1
	}
	for i, v := range values {
		a.places[v] = a.rest
		if c.shown[i] {
			a.places[v] = a.size
			a.size++
		}
	}
	if a.size == 0 {
		return nil
	}
	return a
}

// values lists the values of a dimension in the order of keys, with what is given to each.
func (b *Base) values(g *guard, d int) (values []Value, areas []area) {
	sums := map[Value]*area{}
	for i := range b.Cells {
		v := value(b.Cells[i].Key[d])
		if _, ok := sums[v]; !ok {
			sums[v] = &area{newTally(true), newTally(true)}
			values = append(values, v)
		}
		sums[v].join(b.area(g, i))
	}
	slices.SortFunc(values, func(x, y Value) int { return compareKeys([]Value{x}, []Value{y}) })
	for _, v := range values {
		areas = append(areas, *sums[v])
	}
	return values, areas
}

func (b *Base) area(g *guard, i int) area {
	return area{b.tally(g.parties, b.Cells[i].Parts), b.tally(g.parties, b.Cells[i].Complement)}
}

func emptyArea() area { return area{newTally(true), newTally(true)} }

func (b *Base) dims() int {
	if len(b.Cells) == 0 {
		return 0
	}
	return len(b.Cells[0].Key)
}

// areas adds up the cells of the first dimensions. The last of them runs fastest.
func (gr *grid) areas(b *Base, g *guard, dims int) []area {
	size := 1
	for _, a := range gr.axes[:dims] {
		size *= a.size
	}
	out := make([]area, size)
	for i := range out {
		out[i] = emptyArea()
	}
	for i, at := range gr.cells {
		if !slices.Contains(at, nowhere) { // a cell that is nowhere has no rows
			out[gr.index(at[:dims])].join(b.area(g, i))
		}
	}
	return out
}

// index is the place of a cell in the grid, or nowhere.
func (gr *grid) index(at []int) int {
	i := 0
	for d, place := range at {
		if place == nowhere {
			return nowhere
		}
		i = i*gr.axes[d].size + place
	}
	return i
}

// single tells a cell that is all there is in its place.
func (gr *grid) single(at []int) bool {
	for d, place := range at {
		if place == gr.axes[d].rest {
			return false
		}
	}
	return true
}
