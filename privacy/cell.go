package privacy

import (
	"cmp"
	"math/big"
	"slices"
)

// Value is one part of a cell's key, in the canonical text of its type. It only orders and names the cell.
type Value struct {
	Null bool
	Text string
}

// Part is what one owner gives to one cell for one base.
type Part struct {
	Owner  int
	Units  int64    // distinct units behind it; a lower bound is safe
	Value  *big.Int // its part of the released number: rows, units, or the scaled sum
	Weight *big.Int // its weight in the guard: the same for counts, the sum of absolute values for sums
}

// Cell is one group of the set. Owners that give nothing may be left out; an owner with several data sets may come twice.
type Cell struct {
	Key        []Value
	Parts      []Part
	Complement []Part // count of values only: the rows without a value, which count minus this cell would show
}

// Kind says how a base is rounded. The zero value is refused.
type Kind uint8

// The kinds of a base.
const (
	Count Kind = iota + 1 // rows, units or values: rounded to a multiple of RoundCount
	Sum                   // rounded to ValueDigits significant digits
)

// Base is one aggregate over one set of the lattice, with what each owner gives to each cell.
type Base struct {
	Kind        Kind
	Cells       []Cell
	Margins     [][]int // cells whose total is assumed known, by index; absent: the grand total and, with several dimensions, each value of each
	UniqueUnits bool    // each unit is in one row only, so units of different cells can be added
}

func (b *Base) valid(p *Parties) error {
	if b.Kind != Count && b.Kind != Sum {
		return ErrParts
	}
	for i := range b.Cells {
		for _, parts := range [][]Part{b.Cells[i].Parts, b.Cells[i].Complement} {
			for _, part := range parts {
				if !part.valid(p, b.Kind) {
					return ErrParts
				}
			}
		}
	}
	if b.Margins != nil && b.dims() > 1 {
		return ErrParts // they would be closed one by one, and they cross
	}
	for i := range b.Cells {
		if len(b.Cells[i].Key) != b.dims() {
			return ErrParts
		}
	}
	for _, m := range b.Margins {
		if !validMargin(m, len(b.Cells)) {
			return ErrParts
		}
	}
	return nil
}

// validMargin refuses a cell named twice: it would enter the hidden union twice and make it look larger than it is.
func validMargin(margin []int, cells int) bool {
	seen := make(map[int]bool, len(margin))
	for _, i := range margin {
		if i < 0 || i >= cells || seen[i] {
			return false
		}
		seen[i] = true
	}
	return true
}

func (part Part) valid(p *Parties, k Kind) bool {
	if part.Owner < 0 || part.Owner >= len(p.group) || part.Units < 0 || part.Value == nil || part.Weight == nil {
		return false
	}
	if k == Count {
		return part.Weight.Sign() >= 0 && part.Value.Cmp(part.Weight) == 0
	}
	return part.Value.CmpAbs(part.Weight) <= 0 && part.Weight.Sign() >= 0
}

// keyOrder lists the cells by key, and refuses two cells of one key: the order of hiding must not depend on the input's.
func (b *Base) keyOrder() ([]int, error) {
	order := make([]int, len(b.Cells))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return compareKeys(b.Cells[i].Key, b.Cells[j].Key) })
	for i := 1; i < len(order); i++ {
		if compareKeys(b.Cells[order[i-1]].Key, b.Cells[order[i]].Key) == 0 {
			return nil, ErrParts
		}
	}
	return order, nil
}

func compareKeys(a, b []Value) int {
	return slices.CompareFunc(a, b, func(x, y Value) int {
		if x.Null != y.Null {
			if x.Null {
				return -1
			}
			return 1
		}
		return cmp.Compare(x.Text, y.Text)
	})
}
