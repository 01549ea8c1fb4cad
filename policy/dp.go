package policy

import (
	"math/big"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
)

// AggAvg is a mean that carries noise: under ModeDP alone, as elsewhere a mean is computed from a released sum and count.
const AggAvg AggOp = "avg"

// defaultMaxRows is the most rows of a unit that count in one group, where its policy does not say. Noise on counts grows with it.
const defaultMaxRows = 10

// maxGiven bounds the groups that a query names. Where there would be more, groups are selected.
const maxGiven = 1 << 14

// noiseRule merges what the policies of all data sets read ask of a release, each number by itself.
func (c *cut) noiseRule() (*DPRule, *Refusal) {
	epsilon, delta := new(big.Rat), new(big.Rat)
	out := &DPRule{Domain: c.in.domain}
	for i, s := range c.members() {
		d := s.Policy.dp
		if d == nil {
			return nil, ruled("dp", "budget", c.in.at, "a data set of the query has no budget", "its owner writes output: dp and dp").of([]string{s.name()})
		}
		out.MinUnits = max(out.MinUnits, s.Policy.guard.minUnits)
		if i == 0 {
			epsilon.Set(d.epsilonMaxQuery)
			delta.Set(d.deltaOfQuery())
			out.MaxGroupsPerUnit, out.MaxRowsPerUnit = d.maxGroupsPerUnit, d.maxRowsPerUnit
			continue
		}
		// The numbers are amounts of one query, so the least of each is within what every policy lets it take.
		epsilon, delta = least(epsilon, d.epsilonMaxQuery), least(delta, d.deltaOfQuery())
		out.MaxGroupsPerUnit, out.MaxRowsPerUnit = min(out.MaxGroupsPerUnit, d.maxGroupsPerUnit), min(out.MaxRowsPerUnit, d.maxRowsPerUnit)
	}
	out.Copies = 1
	if out.Domain == "" {
		out.Copies = int64(len(c.members()))
	}
	return out.with(epsilon, delta)
}

func least(a, b *big.Rat) *big.Rat {
	if b.Cmp(a) < 0 {
		return b
	}
	return a
}

// deltaOfQuery is what one query may take of the quarter of delta that is set apart for the selection of groups: the share
// that its epsilon has of the budget's.
func (d *dpRule) deltaOfQuery() *big.Rat {
	share := new(big.Rat).Quo(d.epsilonMaxQuery, d.epsilon)
	return share.Mul(share, d.delta).Mul(share, big.NewRat(1, 4))
}

// with writes the two numbers as amounts.
func (d *DPRule) with(epsilon, delta *big.Rat) (*DPRule, *Refusal) {
	e, err1 := account.AmountOf(epsilon)
	s, err2 := account.AmountOf(delta)
	if err1 != nil || err2 != nil {
		return nil, &Refusal{Rule: "dp", Code: "numbers", Msg: "epsilon or delta has too many digits"}
	}
	d.Epsilon, d.Delta = string(e), string(s)
	return d, nil
}

// members lists all data sets that the relation reads.
func (c *cut) members() (out []Source) {
	for _, t := range c.in.tables {
		out = append(out, c.w.views[t].table.Members...)
	}
	return out
}

// noisy says what no release with noise is made of. A data set that stands twice would be read under two names.
func (r *releaser) noisy(e *query.Expr, parts aggParts) (aggParts, *Refusal) {
	bad := func(code, msg, hint string) (aggParts, *Refusal) {
		return parts, ruled("dp", code, e.Pos, msg, hint).of(r.w.whose(r.in.tables))
	}
	if parts.mean {
		sum, n := parts.aggs[0], parts.aggs[1]
		if sum.Op != AggSum || !sameWhen(sum.When, n.When) {
			return bad("mean", "with noise a mean is of the rows that have a value", "release a sum and a count, and divide")
		}
		sum.Op = AggAvg
		parts.aggs, parts.mean = []Agg{sum}, false
	}
	a := parts.aggs[0]
	switch a.Op {
	case AggQuantile, AggStddev:
		return bad("aggregate", "this aggregate has no noise that fits it", "allowed are count, count(DISTINCT unit), count_if, sum and avg")
	case AggSum, AggAvg:
		if a.Arg.Op != OpCol || r.in.step.boundsAt(a.Arg.Index) == nil {
			return bad("bounds", "with noise, sums and means are of a measure, whose clamp bounds what one unit adds", "sum or average the column itself")
		}
	}
	for i := range parts.aggs {
		parts.aggs[i].When = canonicalWhen(parts.aggs[i].When)
	}
	return parts, nil
}

func sameWhen(a, b *Expr) bool {
	a, b = canonicalWhen(a), canonicalWhen(b)
	return a == nil && b == nil || a != nil && b != nil && sameExpr(*a, *b)
}

// boundsAt are the bounds of a measure that a step passes on as it is.
func (s Step) boundsAt(column int) *Bounds {
	switch s.Op {
	case StepScan:
		if column < len(s.Reads) {
			return s.Reads[column].Bounds
		}
	case StepJoin:
		if n := s.Inputs[0].width(); column >= n {
			s, column = s.Inputs[1], column-n
		} else {
			s = s.Inputs[0]
		}
		if column < s.width() {
			return s.boundsAt(column)
		}
	}
	return nil
}

// addNoisy completes a release with noise: it opens columns without conditions on their values, in the canonical form, and
// has its groups from the query where that names all of them.
func (r *releaser) addNoisy() (int, *Refusal) {
	if len(r.sets) > 1 {
		return 0, ruled("dp", "grouping-sets", r.s.Group.Pos, "with noise each grouping set is a release of its own", "ask for each set by itself").of(r.w.whose(r.in.tables))
	}
	r.node.From = r.node.From.clamped().canonical()
	i := r.w.add(r.node, r.s.Pos)
	n := &r.w.prog.Releases[i]
	n.From = n.From.canonical()
	for k := range n.Aggs {
		n.Aggs[k].When = canonicalWhen(n.Aggs[k].When)
	}
	if groups := n.given(); groups > 0 {
		n.DP.Delta, n.DP.MinUnits = "", 0
		n.DP.MaxGroupsPerUnit = min(n.DP.MaxGroupsPerUnit, groups) // a unit can't be in more than there are
	} else if n.DP.Copies > 1 {
		return 0, ruled("dp", "copies", r.in.at, "the owners do not join identities, so groups can't be selected by their number of people", "name the groups: WHERE key IN (...); or the owners agree on unit.domain").of(r.w.whose(r.in.tables))
	}
	return i, nil
}

// clamped is a step whose rows are there whatever their values: a refusal would tell of one. Measures are moved to their bounds.
func (s Step) clamped() Step {
	s.Reads = slices.Clone(s.Reads)
	for i := range s.Reads {
		r := &s.Reads[i]
		r.Values = nil
		if r.Bounds != nil {
			b := *r.Bounds
			b.Clamp = true
			r.Bounds = &b
		}
	}
	var inputs []Step
	for _, in := range s.Inputs {
		inputs = append(inputs, in.clamped())
	}
	s.Inputs = inputs
	return s
}

// given says which values each key has, if the query names them for all keys: by WHERE on the bare key, else by a declared domain.
// Then every group is answered, rows or not. If one key has none, groups are selected, and no key has. It returns how many are
// given; without keys there is one group.
func (n *ReleaseNode) given() int64 {
	groups := 1
	for i := range n.Keys {
		k := &n.Keys[i]
		if named := n.named(k.Expr); named != nil {
			k.Values = named
		}
		if groups *= len(k.Values); groups == 0 || groups > maxGiven {
			groups = 0
			break
		}
	}
	if groups == 0 {
		for i := range n.Keys {
			n.Keys[i].Values = nil
		}
	}
	return int64(groups)
}

// named are the values that a conjunct of WHERE lets a bare column have; the fewest, if there are several.
func (n *ReleaseNode) named(key Expr) (best []string) {
	if key.Op != OpCol || n.From.Where == nil {
		return nil
	}
	for _, x := range flat(*n.From.Where, OpAnd) {
		if x.Op != OpEq && x.Op != OpIn || !sameExpr(x.Args[0], key) {
			continue
		}
		var values []string
		for _, v := range x.Args[1:] {
			if text, ok := key.Type.canonical(v.Value); v.Op != OpConst || v.Type != key.Type || !ok || text != v.Value {
				values = nil
				break
			}
			values = append(values, v.Value)
		}
		if values = sortedSet(values); len(values) > 0 && (best == nil || len(values) < len(best)) {
			best = values
		}
	}
	return best
}

// shareEpsilon divides what the strictest data set lets one query take among the query's releases equally.
func (w *wide) shareEpsilon() *Refusal {
	var noisy []*DPRule
	var epsilon *big.Rat
	for _, n := range w.prog.Releases {
		if n.Mode != ModeDP {
			continue
		}
		e, _ := new(big.Rat).SetString(n.DP.Epsilon)
		if noisy = append(noisy, n.DP); epsilon == nil || e.Cmp(epsilon) < 0 {
			epsilon = e
		}
	}
	parts := big.NewRat(int64(len(noisy)), 1)
	for _, d := range noisy {
		delta := new(big.Rat)
		if d.Delta != "" {
			delta.SetString(d.Delta)
		}
		selected := d.Delta != ""
		if _, ref := d.with(new(big.Rat).Quo(epsilon, parts), delta.Quo(delta, parts)); ref != nil {
			return ref
		}
		if !selected {
			d.Delta = ""
		}
	}
	return nil
}
