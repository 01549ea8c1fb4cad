package policy

import (
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// formed checks everything about a program that the SQL generators, the guard and the engine rely on.
func (p *Program) formed(sources []PlanSource) bool {
	if p == nil || len(p.Tables) == 0 || len(p.Tables) > maxTables || len(p.Releases) == 0 || len(p.Releases) > maxReleases ||
		p.Tick < 0 || p.Tick > maxTick {
		return false
	}
	names := map[string]bool{}
	for _, t := range p.Tables {
		if names[t.Name] || !t.formed(len(sources)) {
			return false
		}
		names[t.Name] = true
	}
	for i, n := range p.Releases {
		if !p.releaseFormed(i) || n.Mode == ModeDP && !p.noiseFormed(i, sources) {
			return false
		}
	}
	used := make([]bool, len(p.Releases))
	if _, ok := p.relFormed(p.Result, 0, used); !ok || p.Result.Op != RelSelect || !p.resultFormed() {
		return false
	}
	for _, r := range p.Releases {
		if r.Within != nil {
			used[r.Within.Release] = true
		}
	}
	if _, _, bad := p.overlap(); bad {
		return false
	}
	return !slices.Contains(used, false) && p.light() && p.columnsMatch(sources)
}

func (t ProgramTable) formed(sources int) bool {
	if t.Name == "" || !shortText(t.Name) || !shortText(t.Pool) || t.Epoch < 0 || len(t.Sources) == 0 || len(t.Sources) > maxSources || !isColumnName(t.Unit.Column) {
		return false
	}
	if t.Pool == "" && (len(t.Sources) != 1 || t.Epoch != 0) {
		return false
	}
	for i, s := range t.Sources {
		if s < 0 || s >= sources || slices.Contains(t.Sources[:i], s) {
			return false
		}
	}
	return true
}

// columnsMatch: every source opens what the scans of its tables read, and no more; each is in a table.
func (p *Program) columnsMatch(sources []PlanSource) bool {
	want := p.opened(len(sources))
	for i, s := range sources {
		if s.Columns == nil || len(want[i]) == 0 || !slices.Equal(s.Columns, sortedSet(want[i])) {
			return false
		}
	}
	return true
}

// opened lists the columns that each source must open, some of them more than once.
func (p *Program) opened(sources int) [][]string {
	out := make([][]string, sources)
	for _, n := range p.Releases {
		n.From.eachScan(func(s Step) {
			t := p.Tables[s.Table]
			for _, i := range t.Sources {
				for _, r := range s.Reads {
					out[i] = append(out[i], r.Column)
				}
				if p.opensUnit(n, s) {
					out[i] = append(out[i], t.Unit.Column)
				}
			}
		})
	}
	return out
}

func (p *Program) releaseFormed(i int) bool {
	n := p.Releases[i]
	if n.Keys == nil || len(n.Keys) > maxColumns || len(n.Aggs) == 0 || len(n.Aggs) > maxColumns || !p.stepFormed(n.From, n.Mode, 0) {
		return false
	}
	columns := p.stepColumns(n.From)
	for k, key := range n.Keys {
		if !key.formed(columns) || !key.declared(columns, n.Mode) || slices.ContainsFunc(n.Keys[:k], func(o Key) bool { return reflect.DeepEqual(o.Expr, key.Expr) }) {
			return false
		}
	}
	for k, a := range n.Aggs {
		if !a.formed(columns, true) || a.Op == AggAvg && n.Mode != ModeDP || slices.ContainsFunc(n.Aggs[:k], func(o Agg) bool { return reflect.DeepEqual(o, a) }) {
			return false
		}
	}
	if w := n.Within; w != nil {
		if w.Release < 0 || w.Release >= i || w.Agg < 0 || w.Agg >= len(p.Releases[w.Release].Aggs) || !reflect.DeepEqual(p.Releases[w.Release].From, n.From) || p.Releases[w.Release].Mode != n.Mode {
			return false
		}
	}
	return p.modeFormed(n)
}

func (p *Program) modeFormed(n ReleaseNode) bool {
	switch n.Mode {
	case ModeOwn:
		return n.DP == nil && (&Plan{Release: Release{Mode: ModeOwn, Guard: n.Guard}}).guardFormed()
	case ModeDP: // see noiseFormed
		return n.DP != nil
	case ModeGuard:
		if n.DP != nil || !n.Guard.formed() {
			return false
		}
		// Rules on contributors are judged by owner, which a pair of rows does not have one of.
		return n.Guard.Coalition == 0 || !n.From.joins()
	case ModeLattice:
		if n.DP != nil || n.Within != nil || !n.Guard.formed() || n.From.Op != StepScan || n.From.Where != nil {
			return false
		}
		for _, k := range n.Keys {
			if k.Expr.Op != OpCol {
				return false
			}
		}
		return !slices.ContainsFunc(n.Aggs, func(a Agg) bool {
			return a.When != nil || a.Op == AggQuantile || a.Op == AggStddev || a.Arg != nil && a.Arg.Op != OpCol
		})
	}
	return false
}

func (g Guard) formed() bool {
	return (&Plan{Release: Release{Mode: ModeLattice, Guard: g}}).guardFormed()
}

func (s Step) joins() bool {
	return s.Op == StepJoin || slices.ContainsFunc(s.Inputs, Step.joins)
}

func (p *Program) stepFormed(s Step, m Mode, depth int) bool {
	if depth > maxSteps {
		return false
	}
	for _, in := range s.Inputs {
		if !p.stepFormed(in, m, depth+1) {
			return false
		}
	}
	switch s.Op {
	case StepScan:
		if s.Table < 0 || s.Table >= len(p.Tables) || len(s.Inputs) != 0 || s.Outer || s.Keys != nil || s.Aggs != nil || !p.readsFormed(s, m) {
			return false
		}
	case StepJoin:
		// Pairs of rows have no owner of their own, so each side is one data set's.
		if len(s.Inputs) != 2 || s.Table != 0 || s.Reads != nil || s.Keys != nil || s.Aggs != nil || !p.single(s) {
			return false
		}
	case StepEntity:
		if len(s.Inputs) != 1 || s.Table != 0 || s.Reads != nil || s.Outer || len(s.Keys)+len(s.Aggs) > maxColumns {
			return false
		}
		in := p.stepColumns(s.Inputs[0])
		for _, k := range s.Keys {
			if !(Key{Expr: k}).formed(in) {
				return false
			}
		}
		for _, a := range s.Aggs {
			if !a.formed(in, false) {
				return false
			}
		}
	default:
		return false
	}
	if s.Where == nil {
		return true
	}
	return s.Where.Type == Boolean && s.Where.over(columnTypes(p.stepColumns(s)))
}

// single reports whether a step reads data sets, no pools.
func (p *Program) single(s Step) bool {
	ok := true
	s.eachScan(func(s Step) { ok = ok && len(p.Tables[s.Table].Sources) == 1 })
	return ok
}

func (p *Program) readsFormed(s Step, m Mode) bool {
	names := map[string]bool{}
	for _, r := range s.Reads {
		if !isColumnName(r.Column) || names[fold(r.Column)] || r.Type.class() == classNone {
			return false
		}
		names[fold(r.Column)] = true
		if b := r.Bounds; b != nil {
			if !(Measure{Column: r.Column, Type: r.Type, Scale: b.Scale, Lo: b.Lo, Hi: b.Hi}).formed() || b.Clamp != (m == ModeDP) || len(r.Values) > 0 && m != ModeOwn {
				return false
			}
			continue
		}
		if !r.Type.groupable() || len(r.Values) > 0 && m == ModeDP || !(Dim{Type: r.Type, Values: r.Values}).valuesFormed() {
			return false
		}
	}
	return len(s.Reads) <= maxColumns
}

func columnTypes(list []programColumn) []Type {
	out := make([]Type, len(list))
	for i, c := range list {
		out[i] = c.Type
	}
	return out
}

func (k Key) formed(in []programColumn) bool {
	if !k.Expr.over(columnTypes(in)) || !k.Expr.Type.groupable() {
		return false
	}
	return (Dim{Type: k.Expr.Type, Values: k.Values}).valuesFormed()
}

// declared: a domain is a column's own, and no NULL stands beside it: cells are there for the domain alone. With noise, rows of
// groups that are not given are not there.
func (k Key) declared(in []programColumn, m Mode) bool {
	return len(k.Values) == 0 || k.Expr.Op == OpCol && (m == ModeDP || !in[k.Expr.Index].Nullable)
}

// formed checks an aggregate over the columns of a step. Those of an entity are exact whole numbers.
func (a Agg) formed(in []programColumn, release bool) bool {
	if a.When != nil && (a.When.Type != Boolean || !a.When.over(columnTypes(in))) {
		return false
	}
	q := a.Q == ""
	switch a.Op {
	case AggCount:
		return a.Arg == nil && a.Scale == 0 && q
	case AggCountUnits:
		return a.Arg == nil && a.Scale == 0 && q && release
	case AggCountValue, AggSum:
		return a.argFormed(in) && q
	case AggQuantile:
		r, ok := new(big.Rat).SetString(a.Q)
		return release && ok && isDecimal(a.Q) && len(a.Q) <= 20 && r.Cmp(big.NewRat(1, 20)) >= 0 && r.Cmp(big.NewRat(19, 20)) <= 0 && a.argFormed(in) && a.Arg.Op == OpCol
	case AggStddev, AggAvg:
		return release && q && a.argFormed(in) && a.Arg.Op == OpCol
	}
	return false
}

// argFormed: a column of numbers, or the product of two, in whole numbers of 10^-Scale.
func (a Agg) argFormed(in []programColumn) bool {
	if a.Arg == nil || a.Scale < 0 || a.Scale > maxAggScale {
		return false
	}
	column := func(x Expr) (int, bool) {
		ok := x.Op == OpCol && x.leaf() && x.Over == nil && x.Index >= 0 && x.Index < len(in) && x.Type == in[x.Index].Type && x.Type.class() != classDouble && x.Type.numeric()
		if !ok {
			return 0, false
		}
		return in[x.Index].Scale, true
	}
	if a.Arg.Op != OpMul {
		s, ok := column(*a.Arg)
		return ok && s == a.Scale
	}
	if len(a.Arg.Args) != 2 || a.Arg.Type != Hugeint || a.Arg.Index != 0 || a.Arg.Value != "" || a.Arg.Over != nil {
		return false
	}
	s, ok := column(a.Arg.Args[0])
	t, ok2 := column(a.Arg.Args[1])
	return ok && ok2 && s+t == a.Scale && a.Arg.Args[0].Type != Hugeint && a.Arg.Args[1].Type != Hugeint
}

// over reports whether an expression over columns of these types is well typed, and holds nothing but scalars.
func (x Expr) over(columns []Type) bool {
	return x.typedBy(func(x Expr) (Type, bool) {
		if x.Op == OpCol && x.Index >= 0 && x.Index < len(columns) {
			return columns[x.Index], true
		}
		return "", false
	}, 0, false)
}

// typedBy checks an expression. leaf gives the type of what is no function; spans are aggregates and windows.
func (x Expr) typedBy(leaf func(Expr) (Type, bool), depth int, spans bool) bool {
	if depth > maxPlanDepth {
		return false
	}
	switch x.Op {
	case OpDim, OpBase, OpAvg:
		return false
	case OpCol, OpKey:
		t, ok := leaf(x)
		return ok && t == x.Type && x.leaf() && x.Over == nil
	case OpConst, OpNull:
		return x.Over == nil && x.formed(nil, depth)
	}
	if x.Index != 0 || (x.Over != nil) != (x.Op == OpWindow) || (x.Op == OpAgg || x.Op == OpWindow) && !spans {
		return false
	}
	for _, a := range x.Args {
		if !a.typedBy(leaf, depth+1, spans && x.Op != OpAgg) {
			return false
		}
	}
	if x.Op == OpWindow {
		return x.windowFormed(leaf, depth)
	}
	t, ok := x.ownType()
	return ok && t == x.Type
}

// ownType is the type that a function gives over arguments that have been checked.
func (x Expr) ownType() (Type, bool) {
	one := func(c class) bool { return len(x.Args) == 1 && x.Args[0].Type.class() == c }
	switch x.Op {
	case OpSame:
		ok := false
		if len(x.Args) == 2 {
			_, ok = commonType(x.Args[0].Type, x.Args[1].Type)
		}
		return Boolean, ok && x.Value == ""
	case OpMean:
		n, err := strconv.Atoi(x.Value)
		ok := x.Value == "" || err == nil && n >= 1 && n <= 15 && strconv.Itoa(n) == x.Value
		return Double, ok && len(x.Args) == 2 && x.Args[0].Type.numeric() && x.Args[1].Type.class() == classInt
	case OpAgg:
		if !contains(postAggregates, x.Value) || len(x.Args) > 1 || len(x.Args) == 0 && x.Value != "count" {
			return "", false
		}
		return spanType(x)
	case OpLeft:
		return Varchar, one(classText) && smallNumber(x.Value, 999)
	case OpBand:
		return Int64, one(classInt) && smallNumber(x.Value, 1<<40) && x.Value != "0"
	case OpTrunc:
		return Date, one(classDate) && contains(grains, x.Value)
	case OpPart:
		return Int64, one(classDate) && contains([]string{"year", "quarter", "month"}, x.Value)
	case OpCast:
		return x.Type, x.Value == "" && len(x.Args) == 1 && castable(x.Args[0].Type, x.Type)
	case OpRound:
		if len(x.Args) == 2 {
			if n, err := strconv.Atoi(x.Args[1].Value); err != nil || n < -99 || n > 99 {
				return "", false
			}
		}
	}
	t, ok := typeOf(x.Op, x.Args)
	return t, ok && x.Value == ""
}

func smallNumber(s string, most int64) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n >= 0 && n <= most && itoa64(n) == s
}

func (x Expr) windowFormed(leaf func(Expr) (Type, bool), depth int) bool {
	arity, ok := windows[x.Value]
	if !ok || len(x.Args) < arity[0] || len(x.Args) > arity[1] || !frames(x.Over.Frame) || x.holdsWindow() || len(x.Over.Partition)+len(x.Over.OrderBy) > maxColumns {
		return false
	}
	for _, a := range x.Over.Partition {
		if !a.typedBy(leaf, depth+1, true) {
			return false
		}
	}
	for _, o := range x.Over.OrderBy {
		if !o.Expr.typedBy(leaf, depth+1, true) {
			return false
		}
	}
	t, ok := spanType(x)
	return ok && t == x.Type
}

// relFormed checks a table above the releases and gives its columns.
func (p *Program) relFormed(r Rel, depth int, used []bool) ([]Type, bool) {
	if depth > maxPlanDepth {
		return nil, false
	}
	var inputs [][]Type
	for _, in := range r.Inputs {
		t, ok := p.relFormed(in, depth+1, used)
		if !ok {
			return nil, false
		}
		inputs = append(inputs, t)
	}
	plain := r.Where == nil && !r.Grouped && r.Group == nil && r.Having == nil && r.Select == nil && !r.Unique && r.OrderBy == nil && r.Limit == nil && r.Offset == 0
	switch r.Op {
	case RelRelease:
		if r.Release < 0 || r.Release >= len(p.Releases) || len(r.Inputs) != 0 || !plain || r.On != nil || r.Outer {
			return nil, false
		}
		used[r.Release] = true
	case RelJoin:
		if r.Release != 0 || len(inputs) != 2 || !plain || r.On == nil && r.Outer && len(inputs[1]) == 0 {
			return nil, false
		}
		if r.On != nil && (r.On.Type != Boolean || !r.On.over(slices.Concat(inputs[0], inputs[1]))) {
			return nil, false
		}
	case RelUnion:
		if r.Release != 0 || len(inputs) < 2 || len(inputs) > maxSources || !plain || r.On != nil || r.Outer {
			return nil, false
		}
		for _, t := range inputs[1:] {
			if !slices.Equal(t, inputs[0]) {
				return nil, false
			}
		}
	case RelSelect:
		if r.Release != 0 || len(inputs) != 1 || r.On != nil || r.Outer || !r.selectFormed(inputs[0]) {
			return nil, false
		}
	default:
		return nil, false
	}
	columns := p.relColumns(r)
	return columns, len(columns) <= maxColumns
}

func (r Rel) selectFormed(in []Type) bool {
	if len(r.Select) == 0 || r.Offset < 0 || r.Limit != nil && *r.Limit < 0 || !r.Grouped && (r.Group != nil || r.Having != nil) {
		return false
	}
	if r.Where != nil && (r.Where.Type != Boolean || !r.Where.over(in)) {
		return false
	}
	for _, k := range r.Group {
		if !k.over(in) {
			return false
		}
	}
	item := func(x Expr) bool { return r.itemFormed(x, in) }
	if r.Having != nil && (r.Having.Type != Boolean || !item(*r.Having)) {
		return false
	}
	for _, it := range r.Select {
		if it.Name == "" || !shortText(it.Name) || it.Expr.Type == nullType || !item(it.Expr) {
			return false
		}
	}
	for _, o := range r.OrderBy {
		if !item(o.Expr) {
			return false
		}
	}
	return true
}

// itemFormed: over columns, or where the select is grouped over its keys, and over columns within aggregates alone.
func (r Rel) itemFormed(x Expr, in []Type) bool {
	column := func(x Expr) (Type, bool) {
		if x.Op == OpCol && x.Index >= 0 && x.Index < len(in) {
			return in[x.Index], true
		}
		return "", false
	}
	if !r.Grouped {
		return x.typedBy(column, 0, true) && !x.holdsAgg()
	}
	ok := true
	x.eachSpan(func(a Expr) { // within aggregates: columns
		for _, y := range a.Args {
			ok = ok && y.typedBy(column, 0, false)
		}
	})
	return ok && x.typedBy(func(x Expr) (Type, bool) {
		if x.Op == OpKey && x.Index >= 0 && x.Index < len(r.Group) {
			return r.Group[x.Index].Type, true
		}
		return column(x)
	}, 0, true) && !x.bareColumn()
}

// eachSpan visits the aggregates of an expression, windows included.
func (x Expr) eachSpan(visit func(Expr)) {
	x.deep(func(y Expr) bool {
		if y.Op == OpAgg {
			visit(y)
			return false
		}
		return true
	})
}

// deep visits an expression with what its windows hold, as long as the visit says to go on below.
func (x Expr) deep(visit func(Expr) bool) {
	if !visit(x) {
		return
	}
	for _, a := range x.Args {
		a.deep(visit)
	}
	if x.Over != nil {
		for _, a := range x.Over.Partition {
			a.deep(visit)
		}
		for _, o := range x.Over.OrderBy {
			o.Expr.deep(visit)
		}
	}
}

func (x Expr) holdsAgg() (found bool) {
	x.eachSpan(func(Expr) { found = true })
	return found
}

// bareColumn: a column outside of an aggregate.
func (x Expr) bareColumn() (found bool) {
	x.deep(func(y Expr) bool {
		found = found || y.Op == OpCol
		return y.Op != OpAgg
	})
	return found
}

// resultFormed: names of the result's columns differ.
func (p *Program) resultFormed() bool {
	names := map[string]bool{}
	for _, it := range p.Result.Select {
		if names[fold(it.Name)] {
			return false
		}
		names[fold(it.Name)] = true
	}
	return true
}

func sourcesFormed(list []PlanSource) bool {
	offers := map[string]bool{}
	for _, s := range list {
		for _, t := range []string{s.Owner, s.Dataset, s.Version, s.Offer} {
			if t == "" || !shortText(t) {
				return false
			}
		}
		if offers[s.Offer] {
			return false
		}
		offers[s.Offer] = true
	}
	return len(list) > 0 && len(list) <= maxSources
}

// frames reports whether a window's frame is one of the grammar's canonical texts.
func frames(f string) bool {
	if f == "" {
		return true
	}
	unit, bounds, ok := strings.Cut(f, " between ")
	lo, hi, and := strings.Cut(bounds, " and ")
	whole := unit == "range" && (strings.ContainsAny(f, "0123456789")) // distances between values are not in the grammar
	return ok && and && (unit == "rows" || unit == "range") && !whole && frameBound(lo) && frameBound(hi)
}

func frameBound(s string) bool {
	if s == "current row" {
		return true
	}
	n, side, ok := strings.Cut(s, " ")
	return ok && (side == "preceding" || side == "following") && (n == "unbounded" || smallNumber(n, 1<<20))
}
