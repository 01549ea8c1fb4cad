package policy

import (
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// leaf says what a node stands for above the boundary, where it is no function of others: a key, an aggregate, a column.
type leaf func(*query.Expr) (Expr, bool, *Refusal)

// over converts an expression above the boundary.
func (w *wide) over(e *query.Expr, l leaf) (Expr, *Refusal) {
	if x, ok, ref := w.literal(e); ok {
		return x, ref
	}
	if e.Over != nil {
		return w.window(e, l)
	}
	if x, ok, ref := l(e); ok || ref != nil {
		return x, ref
	}
	args := make([]Expr, len(e.Args))
	for i, a := range e.Args {
		var ref *Refusal
		if args[i], ref = w.over(a, l); ref != nil {
			return Expr{}, ref
		}
	}
	if e.Kind == query.Cast {
		return castOf(e, args[0])
	}
	if x, ok, ref := releasedDate(e, args); ok {
		return x, ref
	}
	return operate(e, args)
}

// releasedDate is a function of released dates.
func releasedDate(e *query.Expr, args []Expr) (Expr, bool, *Refusal) {
	if e.Kind != query.Call || len(args) == 0 || args[len(args)-1].Type != Date {
		return Expr{}, false, nil
	}
	date := args[len(args)-1]
	switch {
	case contains([]string{"year", "quarter", "month"}, e.Text) && len(args) == 1:
		return Expr{Op: OpPart, Type: Int64, Value: e.Text, Args: []Expr{date}}, true, nil
	case e.Text == "extract" && len(args) == 2 && contains([]string{"year", "quarter", "month"}, args[0].Value):
		return Expr{Op: OpPart, Type: Int64, Value: args[0].Value, Args: []Expr{date}}, true, nil
	case e.Text == "date_trunc" && len(args) == 2 && args[0].Op == OpConst && contains(grains, args[0].Value):
		return Expr{Op: OpTrunc, Type: Date, Value: args[0].Value, Args: []Expr{date}}, true, nil
	}
	return Expr{}, false, nil
}

// windows are the window functions, with the least and the most arguments.
var windows = map[string][2]int{
	"row_number": {0, 0}, "rank": {0, 0}, "dense_rank": {0, 0}, "percent_rank": {0, 0}, "cume_dist": {0, 0}, "ntile": {1, 1},
	"lag": {1, 2}, "lead": {1, 2}, "first_value": {1, 1}, "last_value": {1, 1},
	"count": {0, 1}, "sum": {1, 1}, "avg": {1, 1}, "min": {1, 1}, "max": {1, 1},
}

func (w *wide) window(e *query.Expr, l leaf) (Expr, *Refusal) {
	arity, ok := windows[e.Text]
	if !ok || e.Distinct || e.Filter != nil || len(e.Args) < arity[0] || len(e.Args) > arity[1] || e.Kind != query.Call {
		return Expr{}, ruled("functions", "window", e.Pos, "this window function, with this number of arguments, is not in the grammar", "row_number, rank, dense_rank, ntile, lag, lead, first_value, last_value, count, sum, avg, min, max")
	}
	x := Expr{Op: OpWindow, Value: e.Text, Over: &Over{Frame: e.Over.Frame}}
	for _, a := range e.Args {
		v, ref := w.over(a, l)
		if ref != nil {
			return x, ref
		}
		x.Args = append(x.Args, v)
	}
	for _, a := range e.Over.PartitionBy {
		v, ref := w.over(a, l)
		if ref != nil {
			return x, ref
		}
		x.Over.Partition = append(x.Over.Partition, v)
	}
	for _, o := range e.Over.OrderBy {
		v, ref := w.over(o.Expr, l)
		if ref != nil {
			return x, ref
		}
		x.Over.OrderBy = append(x.Over.OrderBy, Order{Expr: v, Desc: o.Desc, NullsFirst: o.NullsFirst})
	}
	if !frames(x.Over.Frame) {
		return x, ruled("grammar", "window", e.Pos, "this frame is not in the grammar", "ROWS BETWEEN n PRECEDING AND n FOLLOWING")
	}
	if x.holdsWindow() {
		return x, ruled("grammar", "window", e.Pos, "a window can't hold another", "compute the inner one in a subquery")
	}
	var typed bool
	if x.Type, typed = spanType(x); !typed {
		return x, ruled("types", "operands", e.Pos, "the operands have types for which this is not defined", "")
	}
	return x, nil
}

func (x Expr) holdsWindow() bool {
	inner := slices.Clone(x.Args)
	if x.Over != nil {
		inner = append(inner, x.Over.Partition...)
		for _, o := range x.Over.OrderBy {
			inner = append(inner, o.Expr)
		}
	}
	return slices.ContainsFunc(inner, func(a Expr) bool { return a.Op == OpWindow || a.holdsWindow() })
}

// spanType is the type of OpAgg and OpWindow.
func spanType(x Expr) (Type, bool) {
	switch x.Value {
	case "row_number", "rank", "dense_rank", "count":
		return Int64, true
	case "percent_rank", "cume_dist":
		return Double, true
	case "ntile":
		return Int64, x.Args[0].Op == OpConst && x.Args[0].Type.class() == classInt
	case "lag", "lead":
		return x.Args[0].Type, len(x.Args) == 1 || x.Args[1].Op == OpConst && x.Args[1].Type.class() == classInt
	case "sum":
		t := x.Args[0].Type
		if _, s, ok := t.Decimal(); ok {
			return Decimal(38, s), true
		}
		if t.class() == classInt {
			return Hugeint, true
		}
		return Double, t == Double
	case "avg":
		return Double, x.Args[0].Type.numeric()
	}
	return x.Args[0].Type, x.Args[0].Type != nullType
}

// post compiles a SELECT over released tables: anything safe goes.
type post struct {
	w       *wide
	in      relation
	s       *query.Select
	aliases map[string]*query.Expr
	grouped bool
	keys    []Expr
}

// above compiles a SELECT whose FROM is released.
func (w *wide) above(s *query.Select, q *query.Query, in relation) (relation, *Refusal) {
	p := &post{w: w, in: in, s: s, aliases: map[string]*query.Expr{}}
	for _, it := range s.Items {
		if it.Alias != "" && p.aliases[fold(it.Alias)] == nil {
			p.aliases[fold(it.Alias)] = it.Expr
		}
	}
	out := Rel{Op: RelSelect, Inputs: []Rel{in.rel}, Unique: s.Distinct}
	if s.Where != nil {
		x, ref := p.condition(s.Where, "WHERE")
		if ref != nil {
			return in, ref
		}
		out.Where = &x
	}
	if ref := p.group(&out); ref != nil {
		return in, ref
	}
	rel := relation{level: levelReleased, tables: in.tables, at: in.at}
	for _, it := range p.items() {
		x, ref := w.over(it.Expr, p.leaf)
		if ref != nil {
			return in, ref
		}
		out.add(it, x)
	}
	if s.Having != nil {
		x, ref := p.condition(s.Having, "HAVING")
		if ref != nil {
			return in, ref
		}
		out.Having = &x
	}
	if q != nil {
		if ref := p.tail(q, &out); ref != nil {
			return in, ref
		}
	}
	for i, o := range out.OrderBy {
		if s.Distinct && !slices.ContainsFunc(out.Select, func(it Item) bool { return reflect.DeepEqual(it.Expr, o.Expr) }) {
			return in, ruled("grammar", "distinct", q.OrderBy[i].Expr.Pos, "what is DISTINCT is ordered by its own columns", "")
		}
	}
	rel.rel = out
	rel.fields = out.named()
	return rel, nil
}

// add appends an item under a name of its own.
func (r *Rel) add(it query.Item, x Expr) {
	if x.Type == nullType {
		x = Expr{Op: OpCast, Type: Varchar, Args: []Expr{x}}
	}
	r.Select = append(r.Select, Item{Name: itemName(it, r.Select), Expr: x})
}

// named are the fields of what a select gives.
func (r *Rel) named() (out []field) {
	for i, it := range r.Select {
		out = append(out, field{name: it.Name, label: labelReleased, expr: Expr{Op: OpCol, Type: it.Expr.Type, Index: i}})
	}
	return out
}

// items with * expanded.
func (p *post) items() (out []query.Item) {
	for _, it := range p.s.Items {
		if it.Expr.Kind != query.Star {
			out = append(out, it)
			continue
		}
		for _, f := range p.in.fields {
			if len(it.Expr.Path) > 0 && !contains(f.quals, fold(it.Expr.Path[len(it.Expr.Path)-1])) || f.qualified && len(it.Expr.Path) == 0 {
				continue
			}
			path := []string{f.name}
			if len(f.quals) > 0 {
				path = []string{f.quals[0], f.name}
			}
			out = append(out, query.Item{Expr: &query.Expr{Pos: it.Expr.Pos, Kind: query.Ident, Path: path}})
		}
	}
	return out
}

func (p *post) condition(e *query.Expr, what string) (Expr, *Refusal) {
	x, ref := p.w.over(e, p.leaf)
	if ref == nil && x.Type != Boolean {
		ref = ruled("types", "condition", e.Pos, what+" takes a condition", "")
	}
	if ref == nil && (x.Op == OpWindow || x.holdsWindow()) {
		ref = ruled("grammar", "window", e.Pos, "conditions can't hold windows", "compute the window in a subquery")
	}
	return x, ref
}

// group converts GROUP BY over released columns.
func (p *post) group(out *Rel) *Refusal {
	agg := slices.ContainsFunc(p.s.Items, func(it query.Item) bool { return postAggregate(it.Expr) }) || p.s.Having != nil
	if p.s.Group == nil && !agg {
		return nil
	}
	if g := p.s.Group; g != nil {
		exprs, ref := p.groupExprs(g)
		if ref != nil {
			return ref
		}
		for _, e := range exprs {
			x, ref := p.w.over(p.keyExpr(e), p.column)
			if ref != nil {
				return ref
			}
			if x.Op != OpConst && !slices.ContainsFunc(p.keys, func(k Expr) bool { return reflect.DeepEqual(k, x) }) {
				p.keys = append(p.keys, x)
			}
		}
	}
	p.grouped = true
	out.Grouped, out.Group = true, p.keys
	return nil
}

func (p *post) groupExprs(g *query.Grouping) (out []*query.Expr, ref *Refusal) {
	if g.All {
		for _, it := range p.items() {
			if !postAggregate(it.Expr) {
				out = append(out, it.Expr)
			}
		}
		return out, nil
	}
	for _, e := range g.Elems {
		if e.Kind != query.GroupExpr {
			return nil, ruled("grammar", "grouping-sets", e.Pos, "ROLLUP, CUBE and GROUPING SETS stand where rows are released, not above", "")
		}
		out = append(out, e.Sets[0]...)
	}
	return out, nil
}

// keyExpr replaces an ordinal or an alias.
func (p *post) keyExpr(e *query.Expr) *query.Expr {
	if e.Kind == query.Number {
		for i, it := range p.items() {
			if e.Text == itoa(i+1) {
				return it.Expr
			}
		}
	}
	if e.Kind == query.Ident && len(e.Path) == 1 {
		if _, ref := p.in.find(e); ref != nil {
			if item := p.aliases[fold(e.Path[0])]; item != nil {
				return item
			}
		}
	}
	return e
}

// postAggregates are aggregates over released rows.
var postAggregates = []string{"count", "sum", "avg", "min", "max"}

func postAggregate(e *query.Expr) bool {
	if e.Kind == query.Call && e.Over == nil && (contains(postAggregates, e.Text) || isAggregate(e.Text)) {
		return true
	}
	if o := e.Over; o != nil && (slices.ContainsFunc(o.PartitionBy, postAggregate) || slices.ContainsFunc(o.OrderBy, func(k query.Order) bool { return postAggregate(k.Expr) })) {
		return true
	}
	return slices.ContainsFunc(e.Args, postAggregate)
}

// column is the leaf of what stands below GROUP BY, or of a SELECT without one.
func (p *post) column(e *query.Expr) (Expr, bool, *Refusal) {
	if e.Kind != query.Ident {
		if e.Kind == query.Call && (contains(postAggregates, e.Text) || isAggregate(e.Text)) {
			return Expr{}, false, ruled("aggregates", "misplaced", e.Pos, "an aggregate can't stand here", "")
		}
		return Expr{}, false, nil
	}
	f, ref := p.in.find(e)
	if ref != nil {
		return Expr{}, false, ref
	}
	return f.expr, true, nil
}

// leaf is a column, or above GROUP BY a key or an aggregate.
func (p *post) leaf(e *query.Expr) (Expr, bool, *Refusal) {
	if !p.grouped {
		return p.column(e)
	}
	if e.Kind == query.Call && contains(postAggregates, e.Text) && e.Over == nil {
		return p.aggregate(e)
	}
	if !postAggregate(e) {
		x, ref := p.w.over(e, p.column)
		if ref == nil {
			for i, k := range p.keys {
				if reflect.DeepEqual(k, x) {
					return Expr{Op: OpKey, Type: k.Type, Index: i}, true, nil
				}
			}
		}
	}
	if e.Kind == query.Ident {
		if item := p.aliases[fold(e.Path[0])]; item != nil && len(e.Path) == 1 && p.s != nil {
			if _, ref := p.in.find(e); ref != nil {
				x, ref := p.w.over(item, p.leafNoAlias)
				return x, ref == nil, ref
			}
		}
		if _, ref := p.in.find(e); ref != nil {
			return Expr{}, false, ref
		}
		return Expr{}, false, ruled("release", "not-grouped", e.Pos, "only keys of GROUP BY and aggregates can stand here", "group by this column too")
	}
	return Expr{}, false, nil
}

// leafNoAlias: an alias can't name another.
func (p *post) leafNoAlias(e *query.Expr) (Expr, bool, *Refusal) {
	q := *p
	q.aliases = nil
	return q.leaf(e)
}

func (p *post) aggregate(e *query.Expr) (Expr, bool, *Refusal) {
	x := Expr{Op: OpAgg, Value: e.Text}
	bad := func() (Expr, bool, *Refusal) {
		return x, false, ruled("aggregates", "not-listed", e.Pos, "this aggregate over released rows is not in the grammar", "count, sum, avg, min, max")
	}
	if e.Distinct || len(e.Args) > 1 || len(e.Args) == 0 && e.Text != "count" {
		return bad()
	}
	arg := e.Args
	for _, a := range arg {
		v, ref := p.w.over(a, p.column)
		if ref != nil {
			return x, false, ref
		}
		if e.Filter != nil {
			cond, ref := p.w.over(e.Filter, p.column)
			if ref != nil {
				return x, false, ref
			}
			if v, ref = typed(e, OpCase, cond, v, Expr{Op: OpNull, Type: nullType}); ref != nil {
				return x, false, ref
			}
		}
		x.Args = append(x.Args, v)
	}
	if len(arg) == 0 && e.Filter != nil {
		return bad()
	}
	var ok bool
	if x.Type, ok = spanType(x); !ok {
		return x, false, ruled("types", "operands", e.Pos, "the operands have types for which this is not defined", "")
	}
	return x, true, nil
}

// tail adds ORDER BY, LIMIT and OFFSET.
func (p *post) tail(q *query.Query, out *Rel) *Refusal {
	return p.w.tail(q, out, func(e *query.Expr) (Expr, *Refusal) {
		if p.s == nil { // of a union: names of the output alone
			return p.w.over(e, p.column)
		}
		if e.Kind == query.Ident && len(e.Path) == 1 && p.aliases[fold(e.Path[0])] != nil {
			return p.w.over(p.aliases[fold(e.Path[0])], p.leafNoAlias)
		}
		return p.w.over(e, p.leaf)
	})
}

// tail converts what orders and cuts a query. Ordinals stand for items.
func (w *wide) tail(q *query.Query, out *Rel, convert func(*query.Expr) (Expr, *Refusal)) *Refusal {
	for _, o := range q.OrderBy {
		var x Expr
		if i, ok := ordinalOf(o.Expr, len(out.Select)); ok {
			x = out.Select[i].Expr
		} else if o.Expr.Kind == query.Number {
			return ruled("grammar", "ordinal", o.Expr.Pos, "there is no such output column", "ordinals count from 1")
		} else {
			var ref *Refusal
			if x, ref = convert(o.Expr); ref != nil {
				return ref
			}
		}
		out.OrderBy = append(out.OrderBy, Order{Expr: x, Desc: o.Desc, NullsFirst: o.NullsFirst})
	}
	c := compiler{req: w.req}
	if q.Limit != nil {
		n, ref := c.bound(q.Limit)
		if ref != nil {
			return ref
		}
		out.Limit = &n
	}
	if q.Offset != nil {
		n, ref := c.bound(q.Offset)
		if ref != nil {
			return ref
		}
		out.Offset = n
	}
	return nil
}

func ordinalOf(e *query.Expr, n int) (int, bool) {
	if e.Kind != query.Number {
		return 0, false
	}
	for i := range n {
		if e.Text == itoa(i+1) {
			return i, true
		}
	}
	return 0, false
}
