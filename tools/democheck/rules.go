package main

import (
	"math/big"
	"sort"
)

// The airlines' policy, read off examples/birdstrikes/policy.yaml.tmpl by a
// person. This file computes the release rules by trying every owner, as the
// specification states them; it shares no code with package privacy.
const (
	minUnits        = 10
	minContributors = 5
	maxSharePct     = 50
	pPercent        = 10
	countMultiple   = 5
	valueDigits     = 4
)

// part is what one airline gives to a cell: reports, and a weight that is the
// reports for counts or the cost for costs.
type part struct{ units, weight, value int64 }

// cell by airline. Airlines without reports are absent.
type cell map[string]part

func (c cell) total() (v int64) {
	for _, p := range c {
		v += p.value
	}
	return v
}

func (c cell) weight() (v int64) {
	for _, p := range c {
		v += p.weight
	}
	return v
}

// without copies c less the airlines named.
func (c cell) without(names ...string) cell {
	out := cell{}
	for k, p := range c {
		out[k] = p
	}
	for _, n := range names {
		delete(out, n)
	}
	return out
}

func (c cell) contributors() (n int) {
	for _, p := range c {
		if p.weight > 0 {
			n++
		}
	}
	return n
}

func (c cell) units() (n int64) {
	for _, p := range c {
		n += p.units
	}
	return n
}

func (c cell) largest() (v int64) {
	for _, p := range c {
		v = max(v, p.weight)
	}
	return v
}

// holds is the rule over the others, for an asker that is an airline or "".
func (c cell) holds(asker string) bool {
	others := c.without(asker)
	need := minContributors
	if c[asker].weight > 0 {
		need--
	}
	if others.contributors() < need || others.largest()*100 > maxSharePct*others.weight() {
		return false
	}
	for j := range others {
		rest := others.without(j)
		if rest.units() < minUnits || rest.contributors() < max(need-1, 1) ||
			(rest.weight()-rest.largest())*100 < pPercent*rest.largest() {
			return false
		}
	}
	return len(others) > 0
}

func union(a, b cell) cell {
	out := a.without()
	for k, p := range b {
		q := out[k]
		out[k] = part{q.units + p.units, q.weight + p.weight, q.value + p.value}
	}
	return out
}

// protect decides which cells show: those that hold, less the smallest ones while
// the union of the hidden cells does not hold. The total is taken as known.
func protect(cells map[string]cell, asker string) map[string]bool {
	shown := map[string]bool{}
	hidden := cell{}
	var order []string
	for key, c := range cells {
		if c.holds(asker) {
			shown[key] = true
			order = append(order, key)
			continue
		}
		hidden = union(hidden, c)
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := cells[order[i]].weight(), cells[order[j]].weight()
		return a < b || a == b && order[i] < order[j]
	})
	for _, key := range order {
		if len(hidden) == 0 || hidden.holds(asker) {
			break
		}
		delete(shown, key)
		hidden = union(hidden, cells[key])
	}
	return shown
}

// roundCount to the nearest multiple of 5, half up.
func roundCount(n int64) int64 { return (2*n + countMultiple) / (2 * countMultiple) * countMultiple }

// roundDigits to 4 significant digits, half away from zero.
func roundDigits(v *big.Rat) *big.Rat {
	if v.Sign() == 0 {
		return v
	}
	unit, ten := big.NewRat(1, 1), big.NewRat(10, 1)
	low, high := big.NewRat(1000, 1), big.NewRat(10000, 1) // 10^(digits-1), 10^digits
	scaled := new(big.Rat).Abs(v)
	for scaled.Cmp(high) >= 0 {
		scaled.Quo(scaled, ten)
		unit.Mul(unit, ten)
	}
	for scaled.Cmp(low) < 0 {
		scaled.Mul(scaled, ten)
		unit.Quo(unit, ten)
	}
	scaled.Add(scaled, big.NewRat(1, 2))
	whole := new(big.Int).Quo(scaled.Num(), scaled.Denom())
	out := new(big.Rat).Mul(new(big.Rat).SetInt(whole), unit)
	if v.Sign() < 0 {
		out.Neg(out)
	}
	return out
}
