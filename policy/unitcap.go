package policy

import (
	"math/big"
	"slices"
)

// MaxUnitCap is the largest cap up to which units are counted; a plan that needs more counts exactly.
const MaxUnitCap = 1 << 10

// CappedUnits names the aggregate of the engine that counts distinct values up to a cap. Thresholds ask whether there are k
// units, and to know the least of their number and k is enough: for every choice of owners the sum of what each has, cut at k,
// reaches k exactly where the sum of what each has does.
func CappedUnits(most int64) string { return "units_up_to_" + itoa64(most) }

// UnitCaps lists the caps of the aggregates that the plan's statements may name, besides those of Sums.
func (p *Plan) UnitCaps() (out []int64) {
	if p.Program == nil {
		if most := p.unitCap(); most > 0 {
			out = append(out, most)
		}
		return out
	}
	for i, n := range p.Program.Releases {
		if most := p.Program.unitCap(i); most > 0 && p.Program.opensAnyUnit(n) && !slices.Contains(out, most) {
			out = append(out, most)
		}
	}
	return out
}

// unitCap is the threshold of a plan/1 that counts units, or 0 where all of them are to be counted.
func (p *Plan) unitCap() int64 {
	if p.Mode == ModeOwn || !p.opensUnit() || p.Guard.MinUnits > MaxUnitCap {
		return 0
	}
	return p.Guard.MinUnits
}

// unitCap is how many units the guard of a release asks about: the threshold, or what must lie beyond a quantile on both sides. 0
// is all of them.
func (p *Program) unitCap(release int) int64 {
	n := p.Releases[release]
	if n.Mode == ModeOwn || n.Mode == ModeDP {
		return 0
	}
	most := n.Guard.MinUnits
	for _, a := range n.Aggs {
		if a.Op == AggQuantile {
			most = max(most, a.tailUnits(n.Guard.MinUnits))
		}
	}
	if most > MaxUnitCap {
		return 0
	}
	return most
}

// tailUnits is the number of units of which half a threshold lies beyond the quantile on its shorter side.
func (a Agg) tailUnits(k int64) int64 {
	q, ok := new(big.Rat).SetString(a.Q)
	if !ok || q.Sign() <= 0 || q.Cmp(big.NewRat(1, 1)) >= 0 {
		return MaxUnitCap + 1
	}
	if rest := new(big.Rat).Sub(big.NewRat(1, 1), q); rest.Cmp(q) < 0 {
		q = rest
	}
	need := new(big.Rat).Quo(big.NewRat(k, 2), q)
	whole := new(big.Int).Quo(new(big.Int).Add(need.Num(), new(big.Int).Sub(need.Denom(), big.NewInt(1))), need.Denom())
	if !whole.IsInt64() {
		return MaxUnitCap + 1
	}
	return whole.Int64()
}
