package rowsum

import (
	"cmp"
	"slices"
)

// few are columns of few values: what they add to a row's number is looked up for all of them at once.
type few struct {
	columns []*cursor
	sizes   []int
	table   []element // by the place of the first column's value, times the second's size, and so on
	at      [block]uint32
}

// maxFew bounds the table, so that it stays near.
const maxFew = 1 << 12

// chooseFew takes the columns of the fewest values, as many as have a place in one table, and leaves the others.
func chooseFew(point element, all []*cursor) (f few, others []*cursor) {
	f.table = []element{point}
	slices.SortStableFunc(all, func(a, b *cursor) int { return cmp.Compare(a.size(), b.size()) })
	for i, c := range all {
		n := c.size()
		if n > maxFew || len(f.table)*n > maxFew {
			return f, all[i:]
		}
		f.columns, f.sizes = append(f.columns, c), append(f.sizes, n)
		table := make([]element, 0, len(f.table)*n)
		for _, e := range f.table {
			for place := range n {
				table = append(table, e.plus(c.number(place)))
			}
		}
		clear(f.table)
		f.table = table
	}
	return f, nil
}

// size is how many values the column may have in this row group, if all rows have one; else more than any table holds.
func (c *cursor) size() int {
	switch {
	case c.v.Present != nil:
	case c.coded != nil:
		return len(c.coded)
	case c.v.Range != nil:
		return int(min(uint64(c.v.Range.Max)-uint64(c.v.Range.Min), maxFew)) + 1
	}
	return maxFew + 1
}

// number is what the value at a place of these adds.
func (c *cursor) number(place int) element {
	if c.coded != nil {
		return c.coded[place]
	}
	return c.factor.word(uint64(c.v.Range.Min + int64(place)))
}

// begin sets sums to what the next rows have of these columns.
func (f *few) begin(sums []element) {
	at := f.at[:len(sums)]
	clear(at)
	for i, c := range f.columns {
		size, from := uint32(f.sizes[i]), c.next
		c.next += len(sums)
		if c.coded != nil {
			for j, code := range c.v.Codes[from:c.next] {
				at[j] = at[j]*size + uint32(code)
			}
			continue
		}
		least := c.v.Range.Min
		for j, x := range c.v.Ints[from:c.next] {
			at[j] = at[j]*size + uint32(x-least)
		}
	}
	for j := range sums {
		sums[j] = f.table[at[j]]
	}
}
