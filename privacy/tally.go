package privacy

import (
	"math"
	"math/big"
)

// share is what one group of affiliates gives to a cell or to a union of cells.
type share struct {
	units  int64
	weight *big.Int
}

// tally holds the shares of a cell or of a union of cells by group. A group that gives nothing is absent.
type tally struct {
	shares map[int]share
	unique bool
}

func newTally(unique bool) tally { return tally{map[int]share{}, unique} }

func (b *Base) tally(p *Parties, parts []Part) tally {
	t := newTally(b.UniqueUnits)
	for _, part := range parts {
		if part.Units > 0 || part.Weight.Sign() > 0 {
			t.add(p.group[part.Owner], share{part.Units, part.Weight})
		}
	}
	return t
}

// add joins a further share of a group. A unit that may be in several places is counted once: the larger of two counts of
// units is a lower bound for the units of both together.
func (t tally) add(group int, s share) {
	old, ok := t.shares[group]
	if !ok {
		t.shares[group] = s
		return
	}
	units := max(old.units, s.units)
	if t.unique {
		units = addUnits(old.units, s.units)
	}
	t.shares[group] = share{units, new(big.Int).Add(old.weight, s.weight)}
}

// addAll joins a whole cell to a union.
func (t tally) addAll(o tally) {
	for g, s := range o.shares {
		t.add(g, s)
	}
}

// empty tells that no owner has a row here, R and strangers included. Rows that are all zero are not nothing.
func (t tally) empty() bool { return len(t.shares) == 0 }

// weight is the total over all owners, R and strangers included: the order in which cells are hidden.
func (t tally) weight() *big.Int {
	w := new(big.Int)
	for _, s := range t.shares {
		w.Add(w, s.weight)
	}
	return w
}

// addUnits stops at the largest number: too few units is safe, an overflow is not.
func addUnits(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
