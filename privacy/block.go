package privacy

import (
	"math/big"
	"slices"
)

// block is a product of rows and columns of a layer, hidden as a whole. What can be had of it are the sums of its rows and
// of its columns.
type block struct {
	*layer
	rows, columns []int
}

// maxLines bounds how many rows or columns are tried for one extension.
const maxLines = 64

func (b *block) cells() (out []int) {
	for _, c := range b.columns {
		for _, r := range b.rows {
			out = append(out, b.at(r, c))
		}
	}
	return out
}

func (b *block) weight() *big.Int { return b.weigh(b.cells()) }

func (l *layer) weigh(cells []int) *big.Int {
	l.steps -= len(cells)
	w := new(big.Int)
	for _, i := range cells {
		w.Add(w, l.weight[i])
	}
	return w
}

func (b *block) inRow(r int) (out []int) {
	for _, c := range b.columns {
		out = append(out, b.at(r, c))
	}
	return out
}

func (b *block) inColumn(c int) (out []int) {
	for _, r := range b.rows {
		out = append(out, b.at(r, c))
	}
	return out
}

// falling are the lines whose sums do not hold.
func (b *block) falling(lines []int, cells func(int) []int) (out []area) {
	for _, line := range lines {
		if u := b.union(cells(line)); !b.judge(u) {
			out = append(out, u)
		}
	}
	return out
}

func (b *block) fallingRows() int    { return len(b.falling(b.rows, b.inRow)) }
func (b *block) fallingColumns() int { return len(b.falling(b.columns, b.inColumn)) }

// grow adds columns for rows that fall, and rows for columns that fall, until none does.
func (b *block) grow(rowsFirst bool) bool {
	for b.steps >= 0 {
		rows, columns := b.fallingRows() > 0, b.fallingColumns() > 0
		if !rows && !columns {
			return true
		}
		if rows && !(rowsFirst && columns) {
			next, ok := b.nextColumn(b.freeColumn)
			if !ok {
				return false
			}
			b.columns = append(b.columns, next)
		} else {
			next, ok := b.nextRow()
			if !ok {
				return false
			}
			b.rows = append(b.rows, next)
		}
	}
	return false
}

func (b *block) freeColumn(c int) bool {
	return !slices.ContainsFunc(b.rows, func(r int) bool { return !b.free(r, c) })
}

func (b *block) freeRow(r int) bool {
	return !slices.ContainsFunc(b.columns, func(c int) bool { return !b.free(r, c) })
}

func (b *block) nextColumn(may func(int) bool) (int, bool) {
	return b.best(b.candidates(b.columnsByWeight, b.columns, may), b.inColumn, b.rows, b.inRow)
}

func (b *block) nextRow() (int, bool) {
	return b.best(b.candidates(b.rowsByWeight, b.rows, b.freeRow), b.inRow, b.columns, b.inColumn)
}

// candidates are the first lines that may be added.
func (b *block) candidates(order, have []int, may func(int) bool) (lines []int) {
	for _, line := range order {
		if len(lines) == maxLines {
			break
		}
		if b.steps--; !slices.Contains(have, line) && may(line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// best is the line that costs the least weight for each crossing line that it makes hold; where none makes any hold, the
// lightest. Among equals the first.
func (b *block) best(lines []int, cells func(int) []int, across []int, acrossCells func(int) []int) (int, bool) {
	weights := map[int]*big.Int{}
	for _, line := range lines {
		weights[line] = b.weigh(cells(line))
	}
	slices.SortStableFunc(lines, func(x, y int) int { return weights[x].Cmp(weights[y]) })
	var at []int // where a crossing line falls
	var sums []area
	for i, line := range across {
		if u := b.union(acrossCells(line)); !b.judge(u) {
			at, sums = append(at, i), append(sums, u)
		}
	}
	if len(lines) == 0 {
		return 0, false
	}
	best, most := lines[0], int64(0)
	for _, line := range lines {
		if most > 0 && times(weights[line], most).Cmp(times(weights[best], int64(len(at)))) >= 0 {
			break // even if it helped them all it would cost more
		}
		helped := b.helped(cells(line), at, sums)
		if helped > 0 && (most == 0 || times(weights[line], most).Cmp(times(weights[best], helped)) < 0) {
			best, most = line, helped
		}
	}
	return best, true
}

// helped counts the falling lines that hold together with the cell that an added line has in them.
func (b *block) helped(added, at []int, sums []area) (n int64) {
	for k, i := range at {
		u := b.union(added[i : i+1])
		u.join(sums[k])
		if b.judge(u) {
			n++
		}
	}
	return n
}
