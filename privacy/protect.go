package privacy

import "math/big"

// Released is a base after the rules: only this package makes one that holds a value, and a hidden value is not in it.
type Released struct {
	values []*big.Int // by cell in the order given; nil is hidden
}

// Value gives a cell's released number, or false when it is suppressed.
func (r *Released) Value(cell int) (*big.Int, bool) {
	if r == nil || r.values[cell] == nil {
		return nil, false
	}
	return new(big.Int).Set(r.values[cell]), true
}

// hidden is the exact number of suppressed cells; only SuppressedCount's rounded form leaves.
func (r *Released) hidden() (n int64) {
	for _, v := range r.values {
		if v == nil {
			n++
		}
	}
	return n
}

// SuppressedCount is what a requester may know of the suppressed cells of all bases together: their number, rounded up to
// a multiple of RoundCount. Cells of a declared domain that have no rows count too, as nobody outside can tell them apart.
func SuppressedCount(r Rules, bases ...*Released) int64 {
	var n int64
	for _, b := range bases {
		n += b.hidden()
	}
	return ceilMultiple(n, max(r.RoundCount, 1))
}

// Protect applies the rule to every cell, hides further cells until nothing can be had by subtraction, and rounds what is
// left. It draws nothing at random and does not depend on the order of cells or parts, so repeating it says nothing new.
// SPEC: docs/spec/release-rules.md, sections 3 to 5.
func Protect(r Rules, p *Parties, b Base) (*Released, error) {
	if p == nil {
		return nil, ErrParties
	}
	if err := r.valid(p); err != nil {
		return nil, err
	}
	if err := b.valid(p); err != nil {
		return nil, err
	}
	order, err := b.keyOrder()
	if err != nil {
		return nil, err
	}
	return b.release(b.decide(&guard{r, p}, order), r), nil
}

// decide gives the verdict on every cell.
func (b *Base) decide(g *guard, byKey []int) []bool {
	if b.dims() > 1 {
		return b.crossing(g)
	}
	return newCover(g, *b).decide(byKey)
}

// ReleaseOwn releases cells that are fed by R's own data alone: its rules do not bind it there, so nothing is hidden or
// rounded. A part of anybody else is refused.
func ReleaseOwn(p *Parties, b Base) (*Released, error) {
	if p == nil {
		return nil, ErrParties
	}
	if err := b.valid(p); err != nil {
		return nil, err
	}
	for i := range b.Cells {
		for _, part := range b.Cells[i].Parts {
			if p.standing[p.group[part.Owner]] != asker {
				return nil, ErrParties
			}
		}
	}
	out := &Released{values: make([]*big.Int, len(b.Cells))}
	for i := range b.Cells {
		out.values[i] = b.Cells[i].total()
	}
	return out, nil
}

func (b *Base) release(shown []bool, r Rules) *Released {
	out := &Released{values: make([]*big.Int, len(b.Cells))}
	for i, show := range shown {
		if show {
			out.values[i] = b.round(b.Cells[i].total(), r)
		}
	}
	return out
}

func (b *Base) round(v *big.Int, r Rules) *big.Int {
	if b.Kind == Count {
		return RoundCount(v, r.RoundCount)
	}
	return RoundDigits(v, r.ValueDigits)
}

func (c *Cell) total() *big.Int {
	v := new(big.Int)
	for _, part := range c.Parts {
		v.Add(v, part.Value)
	}
	return v
}
