package policy

import (
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// join compiles a join: below the boundary on the unit keys of data sets that both owners let be joined, above it on anything.
func (w *wide) join(f *query.From, v *env) (relation, *Refusal) {
	left, ref := w.from(f.Left, v)
	if ref != nil {
		return left, ref
	}
	right, ref := w.from(f.Right, v)
	if ref != nil {
		return right, ref
	}
	if left.level == levelReleased && right.level == levelReleased {
		return w.joinReleased(f, left, right)
	}
	if left.level == levelReleased || right.level == levelReleased {
		return relation{}, ruled("grammar", "join", f.Pos, "rows can't be joined to what is released: that would bring values of rows back below the boundary", "release both sides first")
	}
	for _, r := range []relation{left, right} {
		if r.step.Op == StepJoin && !r.keyed {
			return r, ruled("joins", "key", f.Pos, "of three data sets or more each is joined by ON or USING", "ON a.unit = b.unit").of(w.whose(r.tables))
		}
	}
	if ref := w.joinable(f, left, right); ref != nil {
		return relation{}, ref
	}
	out := pair(left, right, f)
	switch {
	case len(f.Using) > 0:
		out.keyed = true
		return out, w.using(f, left, right, &out)
	case f.On != nil:
		ref := w.onUnits(f.On, &out)
		out.keyed = true
		return out, ref
	}
	return out, nil // a comma join: WHERE must hold the equality of the keys
}

// Sides of a join that a key may stand on.
const (
	leftSide = iota + 1
	rightSide
)

// pair puts two relations side by side.
func pair(left, right relation, f *query.From) relation {
	n := left.step.width()
	out := relation{level: levelRows, at: f.Pos, tables: append(slices.Clone(left.tables), right.tables...), domain: left.domain}
	out.step = Step{Op: StepJoin, Inputs: []Step{left.step, right.step}, Outer: f.Join == query.JoinLeft}
	for _, l := range left.fields {
		if l.side = 0; l.joinKey() {
			l.side = leftSide
		}
		out.fields = append(out.fields, l)
	}
	for _, r := range right.fields {
		if r.side = 0; r.joinKey() {
			r.side = rightSide
		}
		r.expr = r.expr.shifted(n)
		r.ref.outer = r.ref.outer.renamed(func(i int) int { return i + n })
		if out.step.Outer {
			none := Expr{Op: OpNot, Type: Boolean, Args: []Expr{{Op: OpCol, Type: Boolean, Index: n + right.step.width()}}}
			if inner := r.ref.outer; inner != nil { // without a partner here, or without one further in
				none = Expr{Op: OpOr, Type: Boolean, Args: []Expr{none, *inner}}
			}
			r.ref.outer = &none
		}
		out.fields = append(out.fields, r)
	}
	return out
}

// width is the number of columns of a step.
func (s Step) width() int {
	switch s.Op {
	case StepScan:
		return len(s.Reads)
	case StepEntity:
		return len(s.Keys) + len(s.Aggs)
	}
	n := s.Inputs[0].width() + s.Inputs[1].width()
	if s.Outer {
		n++
	}
	return n
}

// shifted renames columns for a table in which they stand n places further to the right.
func (x Expr) shifted(n int) Expr {
	return x.mapped(func(i int) int { return i + n })
}

// mapped renames the columns of an expression.
func (x Expr) mapped(to func(int) int) Expr {
	if x.Op == OpCol {
		x.Index = to(x.Index)
	}
	x.Args = mappedAll(x.Args, to)
	if x.Over != nil {
		o := Over{Partition: mappedAll(x.Over.Partition, to), Frame: x.Over.Frame}
		for _, k := range x.Over.OrderBy {
			k.Expr = k.Expr.mapped(to)
			o.OrderBy = append(o.OrderBy, k)
		}
		x.Over = &o
	}
	return x
}

func mappedAll(list []Expr, to func(int) int) []Expr {
	var out []Expr
	for _, x := range list {
		out = append(out, x.mapped(to))
	}
	return out
}

// joinable checks that the policies of both sides let them be joined, and that nobody's contributor rules would have to hold
// over pairs of rows.
func (w *wide) joinable(f *query.From, left, right relation) *Refusal {
	for _, a := range left.tables {
		for _, b := range right.tables {
			if a == b && left.level == levelEntity && right.level == levelEntity && w.prog.single(left.step) {
				continue // two rows of one unit of one owner, one of each side's sums
			}
			if ref := w.mayJoin(f, a, b, left.domain != right.domain || left.domain == ""); ref != nil {
				return ref
			}
		}
	}
	return nil
}

func (w *wide) mayJoin(f *query.From, a, b int, foreign bool) *Refusal {
	va, vb := w.views[a], w.views[b]
	if a == b {
		return ruled("joins", "self", f.Pos, "the rows of a data set can't be joined to each other", "group each by the unit first").of(va.names())
	}
	if va.own && vb.own {
		return nil
	}
	if whose := append(va.forbidsJoin(vb, f.Join == query.JoinLeft, true), vb.forbidsJoin(va, f.Join == query.JoinLeft, false)...); whose != nil {
		return ruled("joins", "not-listed", f.Pos, "the policies do not let "+va.table.Name+" and "+vb.table.Name+" be joined like this", "each owner lists the other under joins, with its kind").of(whose)
	}
	if a, b := va.index[fold(va.unit().Column)], vb.index[fold(vb.unit().Column)]; a.Type != b.Type {
		return ruled("joins", "types", f.Pos, "the unit columns have different types: comparing them would be a cast, which may fail on data", "publish them in one type").of(append(va.names(), vb.names()...))
	}
	if foreign {
		return ruled("joins", "domain", f.Pos, "the two data sets do not count units of one identity space", "both owners name the same unit.domain").of(append(va.names(), vb.names()...))
	}
	for _, v := range []*compiler{va, vb} {
		if slices.ContainsFunc(v.table.Members, func(s Source) bool { return s.Policy.guard.hasContributors }) {
			return ruled("joins", "contributors", f.Pos, "a data set with rules on contributors can't be joined: they could not be judged over pairs of rows", "").of(v.names())
		}
	}
	return nil
}

// forbidsJoin names the data sets whose policy does not list a data set of the other for this kind of join: inner; left, where its
// own rows stay without a partner; outer, where the partner's do.
func (c *compiler) forbidsJoin(o *compiler, outer, left bool) (whose []string) {
	lists := func(j joinRule) bool {
		switch {
		case !outer:
			return j.inner
		case left:
			return j.left
		}
		return j.outer
	}
	for _, s := range c.table.Members {
		for _, other := range o.table.Members {
			ok := slices.ContainsFunc(s.Policy.joins, func(j joinRule) bool {
				return j.with == other.name() && lists(j) && contains(foldAll(j.on), fold(c.unit().Column))
			})
			if !ok {
				whose = append(whose, s.name())
			}
		}
	}
	return whose
}

func foldAll(list []string) (out []string) {
	for _, s := range list {
		out = append(out, fold(s))
	}
	return out
}

// using checks USING (unit), and makes the right side's key be found under the left's name alone.
func (w *wide) using(f *query.From, left, right relation, out *relation) *Refusal {
	bad := func() *Refusal {
		return ruled("joins", "key", f.Pos, "data sets are joined on their unit columns alone", "USING (unit), or ON a.unit = b.unit").of(w.whose(out.tables))
	}
	if len(f.Using) != 1 {
		return bad()
	}
	a, refA := left.find(&query.Expr{Pos: f.Pos, Kind: query.Ident, Path: f.Using})
	b, refB := right.find(&query.Expr{Pos: f.Pos, Kind: query.Ident, Path: f.Using})
	if refA != nil || refB != nil || !a.joinKey() || !b.joinKey() {
		return bad()
	}
	i := slices.IndexFunc(out.fields[len(left.fields):], func(x field) bool { return fold(x.name) == fold(f.Using[0]) })
	out.fields[len(left.fields)+i].qualified = true
	return nil
}

// onUnits accepts the equality of the two sides' units, and nothing beside it.
func (w *wide) onUnits(on *query.Expr, r *relation) *Refusal {
	if !r.equatesUnits(on) {
		return ruled("joins", "key", on.Pos, "data sets are joined by the equality of their unit columns alone", "ON a.unit = b.unit; other conditions go into WHERE").of(w.whose(r.tables))
	}
	return nil
}

// equatesUnits reports whether an expression is left unit = right unit of a join.
func (r *relation) equatesUnits(e *query.Expr) bool {
	if r.step.Op != StepJoin || r.keyed && r.step.Outer || e.Kind != query.Binary || e.Text != "=" || e.Args[0].Kind != query.Ident || e.Args[1].Kind != query.Ident {
		return false
	}
	a, refA := r.find(e.Args[0])
	b, refB := r.find(e.Args[1])
	return refA == nil && refB == nil && a.side != 0 && b.side != 0 && a.side != b.side
}

// joinKey reports whether a column holds the unit of every row: not on the outer side of a join, where it may be missing.
func (f *field) joinKey() bool { return f.label == labelUnit && f.ref.outer == nil }

// joinReleased joins two released tables: any condition over released values will do.
func (w *wide) joinReleased(f *query.From, left, right relation) (relation, *Refusal) {
	n := len(w.prog.relColumns(left.rel))
	out := relation{level: levelReleased, at: f.Pos, tables: append(slices.Clone(left.tables), right.tables...)}
	out.rel = Rel{Op: RelJoin, Inputs: []Rel{left.rel, right.rel}, Outer: f.Join == query.JoinLeft}
	out.fields = slices.Clone(left.fields)
	for _, r := range right.fields {
		r.expr = r.expr.shifted(n)
		out.fields = append(out.fields, r)
	}
	on := f.On
	for _, name := range f.Using {
		l, ref := left.find(&query.Expr{Pos: f.Pos, Kind: query.Ident, Path: []string{name}})
		if ref != nil {
			return out, ref
		}
		r, ref := right.find(&query.Expr{Pos: f.Pos, Kind: query.Ident, Path: []string{name}})
		if ref != nil {
			return out, ref
		}
		eq, ref := typed(&query.Expr{Pos: f.Pos}, OpEq, l.expr, r.expr.shifted(n))
		if ref != nil {
			return out, ref
		}
		out.rel.On = both(out.rel.On, eq)
		for i := len(left.fields); i < len(out.fields); i++ {
			if fold(out.fields[i].name) == fold(name) {
				out.fields[i].qualified = true
			}
		}
	}
	if on != nil {
		p := &post{w: w, in: out}
		x, ref := p.condition(on, "ON")
		if ref != nil {
			return out, ref
		}
		out.rel.On = both(out.rel.On, x)
	}
	return out, nil
}

// both is a AND b.
func both(a *Expr, b Expr) *Expr {
	if a == nil {
		return &b
	}
	return &Expr{Op: OpAnd, Type: Boolean, Args: []Expr{*a, b}}
}

// union compiles UNION ALL: of released tables, or of the members of a pool, which then is read as the pool.
func (w *wide) union(q *query.Query, arms []relation) (relation, *Refusal) {
	released := 0
	for _, a := range arms {
		if a.level == levelReleased {
			released++
		}
	}
	if released == len(arms) {
		return w.unionReleased(q, arms)
	}
	if released > 0 {
		return relation{}, ruled("grammar", "set-operation", q.Pos, "rows and released tables can't be united", "")
	}
	return w.unionPool(q, arms)
}

func (w *wide) unionReleased(q *query.Query, arms []relation) (relation, *Refusal) {
	out := relation{level: levelReleased, at: q.Pos, rel: Rel{Op: RelUnion}}
	types := w.prog.relColumns(arms[0].rel)
	for _, a := range arms {
		have := w.prog.relColumns(a.rel)
		if len(have) != len(types) {
			return out, ruled("types", "union", q.Pos, "the arms of UNION ALL have different numbers of columns", "")
		}
		for i, t := range have {
			if c, ok := commonType(types[i], t); ok {
				types[i] = c
			} else {
				return out, ruled("types", "union", q.Pos, "the arms of UNION ALL have columns of different types", "cast them")
			}
		}
		out.tables = append(out.tables, a.tables...)
	}
	for _, a := range arms {
		out.rel.Inputs = append(out.rel.Inputs, w.castTo(a.rel, types))
	}
	for i, f := range arms[0].fields {
		out.fields = append(out.fields, field{name: f.name, expr: Expr{Op: OpCol, Type: types[i], Index: i}, label: labelReleased})
	}
	if q.OrderBy == nil && q.Limit == nil && q.Offset == nil {
		return out, nil
	}
	s := Rel{Op: RelSelect, Inputs: []Rel{out.rel}}
	for _, f := range out.fields {
		s.Select = append(s.Select, Item{Name: f.name, Expr: f.expr})
	}
	p := &post{w: w, in: out}
	if ref := p.tail(q, &s); ref != nil {
		return out, ref
	}
	out.rel = s
	return out, nil
}

// castTo gives a released table other types.
func (w *wide) castTo(r Rel, types []Type) Rel {
	if reflect.DeepEqual(w.prog.relColumns(r), types) {
		return r
	}
	s := Rel{Op: RelSelect, Inputs: []Rel{r}}
	for i, t := range w.prog.relColumns(r) {
		x := Expr{Op: OpCol, Type: t, Index: i}
		if t != types[i] {
			x = Expr{Op: OpCast, Type: types[i], Args: []Expr{x}}
		}
		s.Select = append(s.Select, Item{Name: "c" + itoa(i), Expr: x})
	}
	return s
}

// unionPool reads a UNION ALL that was written out by hand as the pool that it is: the arms must take the same columns by the
// same conditions from the members of a pool of the contract, each once.
func (w *wide) unionPool(q *query.Query, arms []relation) (relation, *Refusal) {
	bad := func(code, msg string) (relation, *Refusal) {
		return relation{}, ruled("tables", code, q.Pos, msg, "UNION ALL unites released tables, or all members of one pool with the same columns and conditions")
	}
	var offers []string
	first := arms[0]
	for _, a := range arms {
		if a.level != levelRows || a.step.Op != StepScan {
			return bad("union", "only whole data sets can be united below a release")
		}
		m := w.views[a.step.Table].table
		if m.Pool != "" {
			return bad("union", "a pool can't be united with anything below a release")
		}
		offers = append(offers, m.Members[0].Offer)
		if !sameColumns(first, a) {
			return bad("union-differs", "the arms of the union take different columns or conditions")
		}
	}
	pool, ok := w.poolOf(offers)
	if !ok {
		return bad("union-pool", "the united data sets are not the members of a pool of the contract")
	}
	i, ref := w.table(pool, q.Pos)
	if ref != nil {
		return relation{}, ref
	}
	if q.OrderBy != nil || q.Limit != nil || q.Offset != nil {
		return relation{}, innerLimit(q.Pos)
	}
	out := first
	out.tables, out.at, out.step.Table = []int{i}, q.Pos, i
	out.domain = w.views[i].domainName()
	out.fields = slices.Clone(first.fields)
	out.step.Reads = slices.Clone(first.step.Reads)
	for k := range out.step.Reads {
		col := w.views[i].index[fold(out.step.Reads[k].Column)]
		label, _, _ := w.views[i].wideLabel(col)
		out.step.Reads[k] = w.views[i].read(col, label)
	}
	for k := range out.fields {
		f := &out.fields[k]
		f.quals = nil
		if f.ref.view != nil {
			f.ref.view = w.views[i]
			f.ref.column = w.views[i].index[fold(f.ref.column.Name)]
			f.label, f.bins, f.scale = w.views[i].wideLabel(f.ref.column)
		}
	}
	return out, nil
}

// sameColumns compares two arms of a union: the same expressions over the same columns, by position.
func sameColumns(a, b relation) bool {
	if len(a.fields) != len(b.fields) || !reflect.DeepEqual(a.step.Where, b.step.Where) || len(a.step.Reads) != len(b.step.Reads) {
		return false
	}
	for i := range a.step.Reads {
		if fold(a.step.Reads[i].Column) != fold(b.step.Reads[i].Column) {
			return false
		}
	}
	for i := range a.fields {
		if !reflect.DeepEqual(a.fields[i].expr, b.fields[i].expr) || a.fields[i].label != b.fields[i].label || !sameRef(a.fields[i], b.fields[i]) {
			return false
		}
	}
	return true
}

func sameRef(a, b field) bool { return fold(a.ref.column.Name) == fold(b.ref.column.Name) }

// poolOf finds the pool of the contract that has these offers and no others.
func (w *wide) poolOf(offers []string) (string, bool) {
	want := sortedSet(offers)
	if len(want) != len(offers) {
		return "", false
	}
	for _, t := range w.req.Tables {
		var have []string
		for _, m := range t.Members {
			have = append(have, m.Offer)
		}
		if t.Pool != "" && slices.Equal(sortedSet(have), want) {
			return t.Name, true
		}
	}
	return "", false
}

func innerLimit(p query.Pos) *Refusal {
	return ruled("grammar", "limit-below", p, "ORDER BY and LIMIT below a release would pick rows", "order and limit what is released")
}
