package privacy

import (
	"cmp"
	"math"
	"math/big"
	"slices"
)

// share is what one group of affiliates gives to a cell or to a union of cells.
type share struct {
	group  int
	units  int64
	weight *big.Int
}

// tally holds the shares of a cell or of a union of cells in the order of groups. A group that gives nothing is absent.
type tally struct {
	shares []share
	unique bool
}

func newTally(unique bool) tally { return tally{unique: unique} }

func (b *Base) tally(p *Parties, parts []Part) tally {
	t := newTally(b.UniqueUnits)
	for _, part := range parts {
		if part.Units > 0 || part.Weight.Sign() > 0 {
			t.add(share{p.group[part.Owner], part.Units, part.Weight})
		}
	}
	return t
}

// add joins a further share of a group.
func (t *tally) add(s share) {
	i, ok := slices.BinarySearchFunc(t.shares, s.group, func(have share, group int) int { return cmp.Compare(have.group, group) })
	if !ok {
		t.shares = slices.Insert(t.shares, i, s)
		return
	}
	t.shares[i] = t.both(t.shares[i], s)
}

// both are two shares of one group. A unit that may be in several places is counted once: the larger of two counts of units
// is a lower bound for the units of both together.
func (t *tally) both(x, y share) share {
	units := max(x.units, y.units)
	if t.unique {
		units = addUnits(x.units, y.units)
	}
	return share{x.group, units, new(big.Int).Add(x.weight, y.weight)}
}

// addAll joins a whole cell to a union. Neither's shares are changed.
func (t *tally) addAll(o tally) {
	out := make([]share, 0, max(len(t.shares), len(o.shares)))
	mine, theirs := t.shares, o.shares
	for len(mine) > 0 && len(theirs) > 0 {
		switch x, y := mine[0], theirs[0]; {
		case x.group < y.group:
			out, mine = append(out, x), mine[1:]
		case y.group < x.group:
			out, theirs = append(out, y), theirs[1:]
		default:
			out, mine, theirs = append(out, t.both(x, y)), mine[1:], theirs[1:]
		}
	}
	t.shares = append(append(out, mine...), theirs...)
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
