package policy

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// A guarded answer is judged release by release, so two releases of one query must not be subtracted from each other: what is in the
// rows of one and not of the other would be a cell that nobody judged. They may stand beside each other if
//
//   - no row can be in both, by their conditions; or
//   - they read the same rows, under one condition inside aggregates at most, and where the keys of one are among the
//     keys of another, the totals by those keys are margins of the larger one (see Margins).
//
// A release within another's shown cells is part of it. Releases over different data sets have nothing in common.

// overlap finds two releases of a guard that may not stand in one query.
func (p *Program) overlap() (int, int, bool) {
	for j := range p.Releases {
		for i := range j {
			if !p.beside(i, j) {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

func (p *Program) beside(i, j int) bool {
	a, b := p.Releases[i], p.Releases[j]
	if a.Mode != ModeGuard || b.Mode != ModeGuard || !p.shareSource(a, b) || apart(a.From, b.From) {
		return true
	}
	if a.Within != nil || b.Within != nil {
		return p.root(i) == p.root(j) || p.beside(p.root(i), p.root(j))
	}
	return p.sameRows(i, j) && p.oneCondition(a, b) && p.nested(i, j)
}

// root is the release whose shown cells a release is within, or itself.
func (p *Program) root(i int) int {
	for p.Releases[i].Within != nil {
		i = p.Releases[i].Within.Release
	}
	return i
}

func (p *Program) shareSource(a, b ReleaseNode) bool {
	read := map[int]bool{}
	a.From.eachScan(func(s Step) {
		for _, i := range p.Tables[s.Table].Sources {
			read[i] = true
		}
	})
	shared := false
	b.From.eachScan(func(s Step) {
		for _, i := range p.Tables[s.Table].Sources {
			shared = shared || read[i]
		}
	})
	return shared
}

// oneCondition: the aggregates of both have one condition between them, or none.
func (p *Program) oneCondition(a, b ReleaseNode) bool {
	first := ""
	for _, n := range []ReleaseNode{a, b} {
		names := p.stepKeys(n.From)
		for _, g := range n.Aggs {
			if g.When == nil {
				continue
			}
			k := exprKey(*g.When, names)
			if first != "" && first != k {
				return false
			}
			first = k
		}
	}
	return true
}

// nested: of all releases over the same rows whose keys are among the keys of a third, those keys lie within each other, so that the
// margins do not cross.
func (p *Program) nested(i, j int) bool {
	for k := range p.Releases {
		if p.Releases[k].Within != nil || !p.sameRows(k, i) {
			continue
		}
		inI, inJ := p.keysWithin(i, k), p.keysWithin(j, k)
		if i != k && j != k && inI && inJ && !p.keysWithin(i, j) && !p.keysWithin(j, i) {
			return false
		}
	}
	return true
}

// keysWithin reports whether the keys of one release are among those of another.
func (p *Program) keysWithin(i, j int) bool {
	have := p.releaseKeys(j)
	return !slices.ContainsFunc(p.releaseKeys(i), func(k string) bool { return !contains(have, k) })
}

// releaseKeys are the keys of a release in words that do not depend on which columns it reads beside them.
func (p *Program) releaseKeys(i int) (out []string) {
	names := p.stepKeys(p.Releases[i].From)
	for _, k := range p.Releases[i].Keys {
		out = append(out, exprKey(k.Expr, names))
	}
	return out
}

// sameRows reports whether two releases read the same rows, whatever columns of them.
func (p *Program) sameRows(i, j int) bool {
	return p.rowsKey(p.Releases[i].From) == p.rowsKey(p.Releases[j].From)
}

// rowsKey describes the rows of a step.
func (p *Program) rowsKey(s Step) string {
	parts := []string{string(s.Op), itoa(s.Table), strconv.FormatBool(s.Outer)}
	for _, in := range s.Inputs {
		parts = append(parts, p.rowsKey(in))
	}
	if s.Op == StepEntity {
		names := p.stepKeys(s.Inputs[0])
		for _, k := range s.Keys {
			parts = append(parts, exprKey(k, names))
		}
	}
	if s.Where != nil {
		parts = append(parts, exprKey(*s.Where, p.stepKeys(s)))
	}
	return framed(parts)
}

// stepKeys describes the columns of a step.
func (p *Program) stepKeys(s Step) (out []string) {
	switch s.Op {
	case StepScan:
		for _, r := range s.Reads {
			out = append(out, framed([]string{itoa(s.Table), r.Column}))
		}
	case StepJoin:
		out = append(p.stepKeys(s.Inputs[0]), p.stepKeys(s.Inputs[1])...)
		if s.Outer {
			out = append(out, "partner")
		}
	case StepEntity:
		names := p.stepKeys(s.Inputs[0])
		for _, k := range s.Keys {
			out = append(out, exprKey(k, names))
		}
		for _, a := range s.Aggs {
			out = append(out, aggKey(a, names))
		}
	}
	return out
}

func aggKey(a Agg, names []string) string {
	parts := []string{string(a.Op), itoa(a.Scale), a.Q, "", ""}
	if a.Arg != nil {
		parts[3] = exprKey(*a.Arg, names)
	}
	if a.When != nil {
		parts[4] = exprKey(*a.When, names)
	}
	return framed(parts)
}

// exprKey describes an expression over described columns: equal texts are equal expressions.
func exprKey(x Expr, names []string) string {
	if x.Op == OpCol {
		return framed([]string{"col", names[x.Index]})
	}
	parts := []string{string(x.Op), string(x.Type), x.Value}
	for _, a := range x.Args {
		parts = append(parts, exprKey(a, names))
	}
	return framed(parts)
}

// framed joins texts so that no two lists give one text.
func framed(parts []string) string {
	var b strings.Builder
	for _, s := range parts {
		b.WriteString(strconv.Itoa(len(s)) + ":" + s)
	}
	return b.String()
}

// Margins lists the sets of keys of a release, by index, whose totals another release of the program shows.
func (p *Plan) Margins(release int) (out [][]int) {
	g := p.Program
	n := g.Releases[release]
	if n.Mode != ModeGuard || n.Within != nil {
		return nil
	}
	own := g.releaseKeys(release)
	for i, o := range g.Releases {
		if i == release || o.Within != nil || !g.sameRows(i, release) || !g.keysWithin(i, release) || len(o.Keys) == len(n.Keys) {
			continue
		}
		set, other := []int{}, g.releaseKeys(i)
		for k, key := range own {
			if contains(other, key) {
				set = append(set, k)
			}
		}
		if !slices.ContainsFunc(out, func(have []int) bool { return slices.Equal(have, set) }) {
			out = append(out, set)
		}
	}
	return out
}

// apart reports whether the conditions of two scans of one table leave no row to both: some column must be in two sets or
// ranges of constants that do not meet.
func apart(a, b Step) bool {
	if a.Op != StepScan || b.Op != StepScan || a.Table != b.Table || a.Where == nil || b.Where == nil {
		return false
	}
	left, right := limitsOf(a), limitsOf(b)
	for column, l := range left {
		if r, ok := right[column]; ok && !l.meets(r) {
			return true
		}
	}
	return false
}

// limit is what the conjuncts of a condition say of one column: a range of comparable constants, or one of a list.
type limit struct {
	t                Type
	lo, hi           string
	loOpen, hiOpen   bool
	hasLo, hasHi, in bool
	list             []string
}

func limitsOf(s Step) map[string]limit {
	out := map[string]limit{}
	for _, x := range s.Where.conjuncts() {
		x = asComparison(x)
		if len(x.Args) < 2 || x.Args[0].Op != OpCol || slices.ContainsFunc(x.Args[1:], func(a Expr) bool { return a.Op != OpConst || a.Type != x.Args[0].Type }) {
			continue
		}
		name := s.Reads[x.Args[0].Index].Column
		l := out[name]
		l.t = x.Args[0].Type
		l.and(x)
		out[name] = l
	}
	return out
}

// asComparison writes a bare truth value, or its negation, as a comparison.
func asComparison(x Expr) Expr {
	value := "true"
	if x.Op == OpNot {
		x, value = x.Args[0], "false"
	}
	if x.Op != OpCol {
		return x
	}
	return Expr{Op: OpEq, Type: Boolean, Args: []Expr{x, {Op: OpConst, Type: Boolean, Value: value}}}
}

func (x *Expr) conjuncts() []Expr {
	if x.Op == OpAnd {
		return append(x.Args[0].conjuncts(), x.Args[1].conjuncts()...)
	}
	return []Expr{*x}
}

func (l *limit) and(x Expr) {
	v := x.Args[1].Value
	switch x.Op {
	case OpEq, OpIn:
		var list []string
		for _, a := range x.Args[1:] {
			if !l.in || contains(l.list, a.Value) {
				list = append(list, a.Value)
			}
		}
		l.in, l.list = true, list
	case OpGe, OpGt:
		if !l.hasLo || l.t.less(l.lo, v) {
			l.lo, l.loOpen, l.hasLo = v, x.Op == OpGt, true
		}
	case OpLe, OpLt:
		if !l.hasHi || l.t.less(v, l.hi) {
			l.hi, l.hiOpen, l.hasHi = v, x.Op == OpLt, true
		}
	}
}

// less orders constants of a type; false where the type has no order here.
func (t Type) less(a, b string) bool {
	if t.numeric() {
		x, ok := new(big.Rat).SetString(a)
		y, ok2 := new(big.Rat).SetString(b)
		return ok && ok2 && x.Cmp(y) < 0
	}
	return t == Date && a < b
}

func (l limit) holds(v string) bool {
	if l.in && !contains(l.list, v) {
		return false
	}
	below := l.hasLo && (l.t.less(v, l.lo) || l.loOpen && v == l.lo)
	above := l.hasHi && (l.t.less(l.hi, v) || l.hiOpen && v == l.hi)
	return !below && !above
}

// meets reports whether a value may be within both.
func (l limit) meets(o limit) bool {
	switch {
	case l.in:
		return slices.ContainsFunc(l.list, o.holds)
	case o.in:
		return slices.ContainsFunc(o.list, l.holds)
	}
	apart := func(a, b limit) bool {
		return a.hasHi && b.hasLo && (a.t.less(a.hi, b.lo) || a.hi == b.lo && (a.hiOpen || b.loOpen))
	}
	return !apart(l, o) && !apart(o, l)
}
