package policy

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// wellFormed checks everything about a plan that the SQL generators, the guard and the engine rely on, so that a decoded
// plan is as good as a compiled one.
func (p *Plan) wellFormed() bool {
	if p.Program != nil {
		return p.Encoding == EncodingProgram && shortText(p.Purpose) && p.Purpose != "" && sortedTexts(p.Asker) && len(p.Asker) > 0 &&
			sourcesFormed(p.Sources) && p.Program.formed(p.Sources)
	}
	return p.Encoding == Encoding && shortText(p.Purpose) && p.Purpose != "" && sortedTexts(p.Asker) && len(p.Asker) > 0 &&
		p.rowsFormed() && p.releaseFormed() && p.guardFormed() && p.postFormed() && p.light()
}

func shortText(s string) bool {
	return len(s) <= maxTextBytes && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}

// sortedTexts: a list, not null, of distinct texts in order.
func sortedTexts(list []string) bool {
	for i, s := range list {
		if s == "" || !shortText(s) || i > 0 && list[i-1] >= s {
			return false
		}
	}
	return list != nil
}

func (p *Plan) rowsFormed() bool {
	if p.Table == "" || !shortText(p.Table) || !shortText(p.Pool) || p.Epoch < 0 || len(p.Sources) == 0 || len(p.Sources) > maxSources {
		return false
	}
	if p.Pool == "" && (len(p.Sources) != 1 || p.Epoch != 0) {
		return false
	}
	offers := map[string]bool{}
	for _, s := range p.Sources {
		for _, t := range []string{s.Owner, s.Dataset, s.Version, s.Offer} {
			if t == "" || !shortText(t) {
				return false
			}
		}
		if offers[s.Offer] || s.Columns == nil || !slices.Equal(s.Columns, p.reads()) {
			return false
		}
		offers[s.Offer] = true
	}
	return true
}

func (p *Plan) releaseFormed() bool {
	if p.Dims == nil || p.Measures == nil || len(p.Bases) == 0 || p.Mode != ModeLattice && p.Mode != ModeOwn || !isColumnName(p.Unit.Column) {
		return false
	}
	names := map[string]bool{}
	for _, d := range p.Dims {
		if names[fold(d.Column)] || !isColumnName(d.Column) || !d.Type.groupable() || !d.valuesFormed() {
			return false
		}
		names[fold(d.Column)] = true
	}
	names = map[string]bool{}
	for _, m := range p.Measures {
		if names[m.Column] || !m.formed() {
			return false
		}
		names[m.Column] = true
	}
	for i, b := range p.Bases {
		if !p.baseFormed(b) || slices.Contains(p.Bases[:i], b) {
			return false
		}
	}
	return len(p.Dims) <= maxColumns && len(p.Bases) <= maxColumns
}

func (d Dim) valuesFormed() bool {
	for _, v := range d.Values {
		if text, ok := d.Type.canonical(v); !ok || text != v {
			return false
		}
	}
	return slices.IsSorted(d.Values) && len(slices.Compact(slices.Clone(d.Values))) == len(d.Values)
}

func (m Measure) formed() bool {
	return isColumnName(m.Column) && m.Scale >= 0 && m.Scale <= 18 && m.Type.aggregable(m.Scale) && m.Lo <= m.Hi
}

func (p *Plan) baseFormed(b Base) bool {
	switch b.Op {
	case BaseCount, BaseCountUnits:
		return b.Measure == -1
	case BaseCountValue, BaseSum:
		return b.Measure >= 0 && b.Measure < len(p.Measures)
	}
	return false
}

func (p *Plan) guardFormed() bool {
	g := p.Guard
	if !sortedTextsOrEmpty(g.Recognised) || g.Affiliates == nil || !disjointGroups(g.Affiliates) {
		return false
	}
	if p.Mode == ModeOwn {
		return g.MinUnits == 0 && g.MinContributors == 0 && g.MaxSharePct == 0 && g.PPercent == 0 && g.Coalition == 0 &&
			g.RoundCount == 0 && g.ValueDigits == 0 && len(g.Affiliates) == 0 && len(g.Recognised) == 0
	}
	return g.MinUnits >= 1 && g.MinContributors >= 1 && g.MaxSharePct >= 1 && g.MaxSharePct <= 100 && g.PPercent >= 0 &&
		g.PPercent <= 100 && g.Coalition >= 0 && g.RoundCount >= 1 && g.ValueDigits >= 1 && g.ValueDigits <= 15 &&
		len(g.Recognised) > 0
}

func sortedTextsOrEmpty(list []string) bool {
	return list != nil && (len(list) == 0 || sortedTexts(list))
}

func disjointGroups(groups [][]string) bool {
	seen := map[string]bool{}
	for i, g := range groups {
		if len(g) < 2 || !sortedTexts(g) || i > 0 && groups[i-1][0] >= g[0] {
			return false
		}
		for _, f := range g {
			if seen[f] {
				return false
			}
			seen[f] = true
		}
	}
	return true
}

func (p *Plan) postFormed() bool {
	q := p.Post
	if q.Group == nil || q.OrderBy == nil || len(q.Select) == 0 || q.Offset < 0 || q.Limit != nil && *q.Limit < 0 {
		return false
	}
	if q.Where != nil && (q.Where.Type != Boolean && q.Where.Type != nullType || !p.below(*q.Where, 0)) {
		return false
	}
	for _, k := range q.Group {
		if !p.below(k, 0) {
			return false
		}
	}
	if q.Having != nil && (q.Having.Type != Boolean || !p.above(*q.Having, 0)) {
		return false
	}
	for _, it := range q.Select {
		if it.Name == "" || !shortText(it.Name) || it.Expr.Type == nullType || !p.above(it.Expr, 0) {
			return false
		}
	}
	for _, o := range q.OrderBy {
		if !p.above(o.Expr, 0) {
			return false
		}
	}
	return true
}

// below checks an expression over dims.
func (p *Plan) below(x Expr, depth int) bool {
	if x.Op == OpDim {
		return x.leaf() && x.Index >= 0 && x.Index < len(p.Dims) && x.Type == p.Dims[x.Index].Type
	}
	return x.Op != OpKey && x.Op != OpBase && x.Op != OpAvg && x.formed(p.below, depth)
}

// above checks an expression over keys and bases: nothing else can stand above the release.
func (p *Plan) above(x Expr, depth int) bool {
	switch x.Op {
	case OpDim:
		return false
	case OpKey:
		return x.leaf() && x.Index >= 0 && x.Index < len(p.Post.Group) && x.Type == p.Post.Group[x.Index].Type
	case OpBase:
		return x.leaf() && x.Index >= 0 && x.Index < len(p.Bases) && x.Type == p.BaseType(x.Index)
	case OpAvg:
		return x.formed(p.above, depth) && p.isAvg(x)
	}
	return x.formed(p.above, depth)
}

// isAvg: a sum and the count of the same measure.
func (p *Plan) isAvg(x Expr) bool {
	s, n := p.Bases[x.Args[0].Index], p.Bases[x.Args[1].Index]
	return s.Op == BaseSum && n.Op == BaseCountValue && s.Measure == n.Measure
}

func (x Expr) leaf() bool { return x.Value == "" && len(x.Args) == 0 }

// formed checks an operator, its type and its arguments.
func (x Expr) formed(arg func(Expr, int) bool, depth int) bool {
	if depth > maxPlanDepth || x.Index != 0 {
		return false
	}
	switch x.Op {
	case OpConst:
		text, ok := x.Type.canonical(x.Value)
		return ok && text == x.Value && len(x.Args) == 0
	case OpNull:
		return x.Type == nullType && x.leaf()
	}
	if x.Value != "" || len(x.Args) == 0 {
		return false
	}
	for _, a := range x.Args {
		if !arg(a, depth+1) {
			return false
		}
	}
	if x.Op == OpCast {
		return len(x.Args) == 1 && castable(x.Args[0].Type, x.Type)
	}
	if x.Op == OpRound && len(x.Args) == 2 {
		if n, err := strconv.Atoi(x.Args[1].Value); err != nil || n < -99 || n > 99 {
			return false
		}
	}
	t, ok := typeOf(x.Op, x.Args)
	return ok && t == x.Type
}
