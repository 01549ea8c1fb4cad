package privacy

import (
	"cmp"
	"math/big"
	"slices"
)

// guard is a checked set of rules and parties.
type guard struct {
	Rules
	parties *Parties
}

// view is a tally as the rule reads it: without R, strangers apart, sorted so that the worst coalition comes first.
type view struct {
	askerGives bool       // R has weight in the cell
	weights    []*big.Int // of recognised contributors outside R, largest first
	total      *big.Int   // of weights
	units      []int64    // of recognised owners outside R, contributors or not, largest first
	stranger   *big.Int   // the largest weight among strangers; 0 when there is none
}

func (g *guard) view(t tally) view {
	v := view{total: new(big.Int), stranger: new(big.Int)}
	for _, s := range t.shares {
		switch g.parties.standing[s.group] {
		case asker:
			v.askerGives = v.askerGives || s.weight.Sign() > 0
		case counted:
			v.count(s)
		default:
			if s.weight.Cmp(v.stranger) > 0 {
				v.stranger = s.weight
			}
		}
	}
	slices.SortFunc(v.weights, func(a, b *big.Int) int { return b.Cmp(a) })
	slices.SortFunc(v.units, func(a, b int64) int { return cmp.Compare(b, a) })
	return v
}

// count takes a recognised owner outside R. It contributes only with weight: zeros add nothing to a sum. Its units count
// either way, and can be kept out either way.
func (v *view) count(s share) {
	v.units = append(v.units, s.units)
	if s.weight.Sign() > 0 {
		v.weights = append(v.weights, s.weight)
		v.total.Add(v.total, s.weight)
	}
}

// without is the total of the recognised contributors outside R, less the largest few.
func (v *view) without(largest int64) *big.Int {
	rest := new(big.Int).Set(v.total)
	for _, w := range v.weights[:min(int64(len(v.weights)), largest)] {
		rest.Sub(rest, w)
	}
	return rest
}

// holds is the one rule, over a cell or a union of cells.
// SPEC: docs/spec/release-rules.md, section 3.
func (g *guard) holds(t tally) bool {
	v := g.view(t)
	if g.noContributorRule() { // valid lets one owner have none, nobody else
		return g.ownerHasUnits(t)
	}
	return g.enoughContributors(v) &&
		g.othersContribute(v) &&
		g.underCap(v) &&
		g.strangerUnderCap(v) &&
		g.enoughUnits(v) &&
		g.restCovers(v) &&
		g.restCoversStranger(v)
}

// ownerHasUnits is the rule of a data set whose policy knows no other contributors: units only.
func (g *guard) ownerHasUnits(t tally) bool {
	var units int64
	for _, s := range t.shares {
		if g.parties.standing[s.group] != asker {
			units = addUnits(units, s.units)
		}
	}
	return units >= g.MinUnits
}

// enoughContributors: m >= n, or n-1 when R contributes. Over the others, m-c >= n-c says the same: whichever c
// contributors are left out, c fewer remain and c fewer are asked for.
func (g *guard) enoughContributors(v view) bool {
	need := g.MinContributors
	if v.askerGives {
		need--
	}
	return int64(len(v.weights)) >= need
}

// othersContribute: at least one contributor remains beside any coalition. It matters when n-c is 0: what the others give
// must not be nothing, or a coalition would see that it is nothing.
func (g *guard) othersContribute(v view) bool {
	return int64(len(v.weights)) > g.Coalition
}

// underCap: s1 * 100 <= X * S.
func (g *guard) underCap(v view) bool {
	return percent(v.weights[0]).Cmp(times(v.total, g.MaxSharePct)) <= 0
}

// strangerUnderCap: a stranger's share of itself and the contributors is capped as well.
func (g *guard) strangerUnderCap(v view) bool {
	return percent(v.stranger).Cmp(times(new(big.Int).Add(v.total, v.stranger), g.MaxSharePct)) <= 0
}

// enoughUnits: the coalition that leaves the fewest units is the c owners with the most.
func (g *guard) enoughUnits(v view) bool {
	var units int64
	for _, u := range v.units[min(g.Coalition, int64(len(v.units))):] {
		units = addUnits(units, u)
	}
	return units >= g.MinUnits
}

// restCovers: total minus largest >= p % of largest, over the owners outside every coalition. The hardest case has the
// largest contributor as the target and the next c as the coalition: any other target outside the largest c+1 is smaller
// and keeps more beside it, and among the largest c+1 the rest is the same and the target no larger.
func (g *guard) restCovers(v view) bool {
	return percent(v.without(g.Coalition+1)).Cmp(times(v.weights[0], g.PPercent)) >= 0
}

// restCoversStranger: the same with a stranger as the target; the c largest contributors are the coalition.
func (g *guard) restCoversStranger(v view) bool {
	return percent(v.without(g.Coalition)).Cmp(times(v.stranger, g.PPercent)) >= 0
}

func percent(w *big.Int) *big.Int { return times(w, 100) }

func times(w *big.Int, by int64) *big.Int { return new(big.Int).Mul(w, big.NewInt(by)) }
