package privacy

import (
	"math/big"
	"slices"
)

// Bounds of the search for sets of several dimensions. Past them nothing of the base is shown.
const (
	maxGrid  = 1 << 17 // places of the grid, those without rows included
	maxSteps = 1 << 23 // cells that one search visits
	judging  = 8       // steps that judging costs
)

// crossing decides on the cells of a set of several dimensions, whose margins cross.
//
// It adds one dimension after the other. What it leaves is cells that stand apart and blocks, of which rows and columns can
// be added up. Every margin is made of these sums, each of them holds, and a block is a whole product, so that nobody can
// compute or bound a cell by more than they say.
// SPEC: docs/spec/release-rules.md, section 4.2. Proof: docs/decisions/011-crossing-margins.md.
func (b *Base) crossing(g *guard) []bool {
	shown := make([]bool, len(b.Cells))
	grid := b.grid(g)
	if grid == nil {
		return shown
	}
	apart := slices.Repeat([]bool{true}, grid.axes[0].size)
	for d := 1; d < len(grid.axes); d++ {
		apart = newLayer(g, grid.areas(b, g, d+1), grid.axes[d].size).best(apart)
	}
	for i, at := range grid.cells {
		shown[i] = grid.single(at) && apart[grid.index(at)]
	}
	return shown
}

// layer is a table of two dimensions: the rows are the values of the dimension that is added, the columns the cells of
// those before.
type layer struct {
	guard  *guard
	rows   int
	cells  []area // column by column
	holds  []bool
	weight []*big.Int
	whole  []bool // by column: hidden in all rows, together with the other whole columns
	blocks []block
	taken  []bool // by cell: in a block
	steps  int    // left to the search

	rowsByWeight, columnsByWeight []int
}

func newLayer(g *guard, cells []area, rows int) *layer {
	l := &layer{guard: g, rows: rows, cells: cells, whole: make([]bool, len(cells)/rows), steps: maxSteps}
	for _, a := range cells {
		l.holds = append(l.holds, g.cellHolds(a))
		l.weight = append(l.weight, a.parts.weight())
	}
	l.sortLines()
	return l
}

// sortLines puts light lines first.
func (l *layer) sortLines() {
	l.rowsByWeight = l.lightFirst(l.rows, func(i int) int { return i % l.rows })
	l.columnsByWeight = l.lightFirst(len(l.whole), func(i int) int { return i / l.rows })
}

func (l *layer) lightFirst(lines int, of func(int) int) []int {
	totals := make([]*big.Int, lines)
	for i := range totals {
		totals[i] = new(big.Int)
	}
	for i, w := range l.weight {
		totals[of(i)].Add(totals[of(i)], w)
	}
	order := count(lines)
	slices.SortStableFunc(order, func(x, y int) int { return totals[x].Cmp(totals[y]) })
	return order
}

// judge counts what is judged. Past the bound nothing holds, so that nothing is shown.
func (l *layer) judge(a area) bool {
	l.steps -= judging
	return l.steps >= 0 && l.guard.cellHolds(a)
}

func (l *layer) at(row, column int) int { return column*l.rows + row }

func (l *layer) free(row, column int) bool { return !l.whole[column] && !l.taken[l.at(row, column)] }

func (l *layer) union(cells []int) area {
	l.steps -= len(cells)
	u := emptyArea()
	for _, i := range cells {
		u.join(l.cells[i])
	}
	return u
}

// best tries the ways to settle, and takes the one that leaves the most weight. With two dimensions either may be the rows.
func (l *layer) best(apart []bool) []bool {
	best := l.heavier(l.settle(apart, true), func() []bool { return l.settle(apart, false) })
	if slices.Contains(apart, false) {
		return best
	}
	t := l.turned()
	all := slices.Repeat([]bool{true}, l.rows)
	other := t.turn(t.heavier(t.settle(all, true), func() []bool { return t.settle(all, false) }))
	if l.left(other).Cmp(l.left(best)) > 0 {
		return other
	}
	return best
}

// heavier settles a second time only where that can make a difference.
func (l *layer) heavier(first []bool, again func() []bool) []bool {
	if !slices.ContainsFunc(count(len(l.whole)), l.mostlyFalls) {
		return first
	}
	if second := again(); l.left(second).Cmp(l.left(first)) > 0 {
		return second
	}
	return first
}

// left is the weight of the cells that stand apart.
func (l *layer) left(apart []bool) *big.Int {
	w := new(big.Int)
	for i, a := range apart {
		if a {
			w.Add(w, l.weight[i])
		}
	}
	return w
}

// turned has the rows as columns.
func (l *layer) turned() *layer {
	t := &layer{guard: l.guard, rows: len(l.whole), whole: make([]bool, l.rows), rowsByWeight: l.columnsByWeight, columnsByWeight: l.rowsByWeight}
	for r := range l.rows {
		for c := range l.whole {
			i := l.at(r, c)
			t.cells, t.holds, t.weight = append(t.cells, l.cells[i]), append(t.holds, l.holds[i]), append(t.weight, l.weight[i])
		}
	}
	return t
}

// turn gives a verdict on the cells of the turned layer.
func (l *layer) turn(apart []bool) []bool {
	out := make([]bool, len(apart))
	for i, a := range apart {
		out[i%l.rows*len(l.whole)+i/l.rows] = a
	}
	return out
}

// settle hides until every sum that can be had holds, and tells which cells are left standing apart. A column that did not
// stand apart before is hidden whole, and one that mostly falls may be.
func (l *layer) settle(apart []bool, drop bool) []bool {
	l.steps = maxSteps
	for c := range l.whole {
		l.whole[c] = !apart[c] || drop && l.mostlyFalls(c)
	}
	for done := false; !done; {
		l.carryRows()
		done = l.blockAll() || l.steps < 0
	}
	out := make([]bool, len(l.cells))
	if !l.audit() {
		return out
	}
	for i := range out {
		out[i] = l.free(i%l.rows, i/l.rows)
	}
	return out
}

// mostlyFalls: of such a column too little would be left for what its blocks would cost elsewhere.
func (l *layer) mostlyFalls(column int) bool {
	n := 0
	for r := range l.rows {
		if !l.holds[l.at(r, column)] {
			n++
		}
	}
	return 2*n > l.rows
}

// carryRows hides further columns until the whole columns hold row by row: each row minus its other cells shows their union.
func (l *layer) carryRows() {
	b := &block{layer: l, rows: count(l.rows)}
	for c, whole := range l.whole {
		if whole {
			b.columns = append(b.columns, c)
		}
	}
	for len(b.columns) > 0 && l.steps >= 0 && b.fallingRows() > 0 {
		next, ok := b.nextColumn(func(c int) bool { return !l.whole[c] })
		if !ok {
			return // all columns: each row is a value of its dimension, which holds
		}
		b.columns = append(b.columns, next)
		l.whole[next] = true
	}
}

func count(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// blockAll finds a block for every cell that falls. The column of one that finds none becomes whole; then the search must
// start again, as blocks may have used it.
func (l *layer) blockAll() bool {
	l.blocks, l.taken = nil, make([]bool, len(l.cells))
	done := true
	for i, ok := range l.holds {
		if r, c := i%l.rows, i/l.rows; !ok && l.free(r, c) && (l.steps < 0 || !l.block(r, c)) {
			l.whole[c] = true
			done = false
		}
	}
	return done
}

// block hides a cell that falls with others. Of the blocks that grow to the side or downwards first, the lighter is taken.
func (l *layer) block(row, column int) bool {
	var best *block
	for _, rowsFirst := range []bool{false, true} {
		b := &block{layer: l, rows: []int{row}, columns: []int{column}}
		if b.grow(rowsFirst) && (best == nil || b.weight().Cmp(best.weight()) < 0) {
			best = b
		}
	}
	if best == nil {
		return false
	}
	l.take(*best)
	return true
}

func (l *layer) take(b block) {
	l.blocks = append(l.blocks, b)
	for _, i := range b.cells() {
		l.taken[i] = true
	}
}

// audit goes over the outcome again, without trust in how it came about: blocks do not overlap, and every sum that can be
// had holds. Where it fails nothing is shown.
func (l *layer) audit() bool {
	blocks := l.blocks
	whole := block{layer: l, rows: count(l.rows)}
	seen := make([]bool, len(l.cells))
	for c, w := range l.whole {
		if w {
			whole.columns = append(whole.columns, c)
		}
	}
	for _, b := range append(blocks, whole) {
		for _, i := range b.cells() {
			if seen[i] {
				return false
			}
			seen[i] = true
		}
		if len(b.columns) > 0 && b.fallingRows() > 0 {
			return false
		}
	}
	for _, b := range blocks {
		if b.fallingColumns() > 0 {
			return false
		}
	}
	for i, hidden := range seen {
		if !hidden && !l.judge(l.cells[i]) || hidden == l.free(i%l.rows, i/l.rows) {
			return false
		}
	}
	return true
}
