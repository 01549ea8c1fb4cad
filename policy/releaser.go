package policy

import (
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// taken is one column that a release gives to what stands above it: an aggregate, added up over the cells in which another is
// shown as well where with is not negative.
type taken struct{ agg, with int }

// releaser compiles what stands above the boundary in the SELECT that makes it. Expressions name keys by OpKey and what is
// taken by OpBase; both become columns once the table that holds them is known.
type releaser struct {
	*cut
	wheres []*Expr // by aggregate: in lattice mode, over the release's columns
	takes  []taken
	extras []Rel // scalars of their own: counts of distinct dimension values
	names  bool  // aliases may be used
}

// release compiles a SELECT that groups by dimensions and aggregates: the boundary.
func (c *cut) release() (relation, *Refusal) {
	r := &releaser{cut: c}
	mode, ref := c.mode()
	if ref != nil {
		return c.in, ref
	}
	c.node = ReleaseNode{Mode: mode, From: c.in.step, Keys: []Key{}, Aggs: []Agg{}}
	if c.node.Guard, ref = c.guard(mode); ref != nil {
		return c.in, ref
	}
	if mode == ModeDP {
		if c.node.DP, ref = c.noiseRule(); ref != nil {
			return c.in, ref
		}
	}
	out := Rel{Op: RelSelect}
	for _, it := range c.s.Items {
		if it.Expr.Kind == query.Star {
			return c.in, ruled("grammar", "star", it.Expr.Pos, "* can't stand beside GROUP BY", "name the columns")
		}
		x, ref := c.w.over(it.Expr, r.leaf)
		if ref != nil {
			return c.in, ref
		}
		out.add(it, x)
	}
	r.names = true
	if c.s.Having != nil {
		x, ref := c.w.over(c.s.Having, r.leaf)
		if ref == nil && x.Type != Boolean {
			ref = ruled("types", "condition", c.s.Having.Pos, "HAVING takes a condition", "")
		}
		if ref == nil && (x.Op == OpWindow || x.holdsWindow()) {
			ref = ruled("grammar", "window", c.s.Having.Pos, "conditions can't hold windows", "compute the window in a subquery")
		}
		if ref != nil {
			return c.in, ref
		}
		out.Where = &x
	}
	if c.q != nil {
		if ref := c.w.tail(c.q, &out, r.orderKey); ref != nil {
			return c.in, ref
		}
	}
	in, ref := r.table()
	if ref != nil {
		return c.in, ref
	}
	out.Inputs = []Rel{in}
	out = r.lowered(out)
	return relation{level: levelReleased, rel: out, fields: out.named(), tables: c.in.tables, at: c.in.at}, nil
}

// mode is the promise that all policies concerned ask for.
func (c *cut) mode() (Mode, *Refusal) {
	own, modes := true, map[outputMode]bool{}
	for _, t := range c.in.tables {
		if c.w.views[t].own {
			continue
		}
		own = false
		for _, s := range c.w.views[t].table.Members {
			modes[s.Policy.output] = true
		}
	}
	switch {
	case own:
		return ModeOwn, nil
	case len(modes) > 1:
		return "", ruled("output", "modes", c.in.at, "the policies ask for different kinds of output", "their owners must agree on one").of(c.w.whose(c.in.tables))
	case modes[outputDP]:
		return ModeDP, nil
	case modes[outputGuardFree]:
		return ModeGuard, nil
	}
	if c.in.step.Op != StepScan {
		return "", ruled("lattice", "rows", c.in.at, "in lattice mode a release reads one data set or pool as it is", "").of(c.w.whose(c.in.tables))
	}
	return ModeLattice, nil
}

// guard merges the guards of all tables that are read. Noise protects units whoever else contributes, so under it no guard binds.
func (c *cut) guard(m Mode) (Guard, *Refusal) {
	if m == ModeOwn || m == ModeDP {
		return Guard{Affiliates: [][]string{}, Recognised: []string{}}, nil
	}
	var out Guard
	for _, t := range c.in.tables {
		if c.w.views[t].own { // the rules of what is the requester's own do not bind it, nor do they weaken the others'
			out.Recognised = append(out.Recognised, c.w.views[t].table.Members[0].Owner)
			continue
		}
		g, ref := c.w.views[t].mergeGuard()
		if ref != nil {
			return g, ref
		}
		if out.MinUnits == 0 {
			g.Recognised = sortedSet(append(g.Recognised, out.Recognised...))
			out = g
			continue
		}
		out.MinUnits, out.RoundCount = max(out.MinUnits, g.MinUnits), max(out.RoundCount, g.RoundCount)
		out.ValueDigits = min(out.ValueDigits, g.ValueDigits)
		out.Affiliates, out.Recognised = disjoint(append(out.Affiliates, g.Affiliates...)), sortedSet(append(out.Recognised, g.Recognised...))
	}
	out.Recognised = sortedSet(out.Recognised)
	return out, nil
}

// leaf is a key, an aggregate, or an alias.
func (r *releaser) leaf(e *query.Expr) (Expr, bool, *Refusal) {
	if e.Kind == query.Call && e.Text == "grouping" {
		return r.grouping(e)
	}
	if e.Kind == query.Call && isAggregate(e.Text) {
		x, ref := r.call(e)
		return x, ref == nil, ref
	}
	if x, ok := r.key(e); ok {
		return x, true, nil
	}
	if e.Kind == query.Ident {
		return r.name(e)
	}
	return Expr{}, false, nil
}

// key matches an expression with the keys of GROUP BY.
func (r *releaser) key(e *query.Expr) (Expr, bool) {
	if wideAggregate(e) {
		return Expr{}, false
	}
	v, ref := r.w.row(e, &r.in, useDimension)
	if ref != nil || v.label == labelConst {
		return Expr{}, false
	}
	for i, k := range r.keys {
		if reflect.DeepEqual(k, v.expr) {
			return Expr{Op: OpKey, Type: k.Type, Index: i}, true
		}
	}
	return Expr{}, false
}

// name is a name that is no key: an alias where those may be used, or a column of rows.
func (r *releaser) name(e *query.Expr) (Expr, bool, *Refusal) {
	item := r.aliases[fold(e.Path[0])]
	if len(e.Path) == 1 && item != nil {
		if _, ref := r.in.find(e); r.names || ref != nil {
			q := *r.cut
			q.aliases = nil
			inner := *r
			inner.cut = &q
			x, ref := r.w.over(item, inner.leaf)
			r.takes, r.extras, r.node = inner.takes, inner.extras, q.node
			r.wheres = inner.wheres
			return x, ref == nil, ref
		}
	}
	v, ref := r.w.row(e, &r.in, useDimension)
	if ref == nil {
		ref = r.w.bare(e, &r.in, v, useDimension)
	}
	if ref != nil {
		return Expr{}, false, ref
	}
	return Expr{}, false, ruled("release", "not-grouped", e.Pos, "only keys of GROUP BY and aggregates leave", "group by this column, or leave it out").of(r.w.whose(r.in.tables))
}

func (r *releaser) orderKey(e *query.Expr) (Expr, *Refusal) {
	if e.Kind == query.Ident && len(e.Path) == 1 {
		if item := r.aliases[fold(e.Path[0])]; item != nil {
			e = item
		}
	}
	return r.w.over(e, r.leaf)
}

// grouping(key) is 1 in the sets that leave the key out.
func (r *releaser) grouping(e *query.Expr) (Expr, bool, *Refusal) {
	if len(e.Args) == 1 {
		k, ref := r.cut.keyExpr(e.Args[0])
		if ref != nil {
			return Expr{}, false, ref
		}
		if x, ok := r.key(k); ok {
			return Expr{Op: OpBase, Type: Int64, Index: -1 - x.Index}, true, nil
		}
	}
	return Expr{}, false, ruled("functions", "grouping", e.Pos, "grouping takes one key of GROUP BY", "")
}

// call makes a bare aggregate call part of the release.
func (r *releaser) call(e *query.Expr) (Expr, *Refusal) {
	if e.Text == "count" && e.Distinct && len(e.Args) == 1 && e.Filter == nil {
		o, ref := r.operand(e.Args[0])
		if ref == nil && o.dim != nil && o.when == nil {
			return r.countDistinct(e)
		}
	}
	parts, ref := r.aggregate(e)
	if ref == nil && r.node.Mode == ModeDP {
		parts, ref = r.noisy(e, parts)
	}
	if ref != nil {
		return Expr{}, ref
	}
	var x Expr
	if parts.mean {
		s, n := r.agg(parts.aggs[0]), r.agg(parts.aggs[1])
		digits := ""
		if r.node.Mode != ModeOwn {
			digits = itoa(int(r.node.Guard.ValueDigits))
		}
		a, b := r.take(s, n), r.take(n, s)
		if a.Type.class() == classInt { // a share: its numerator is a count
			a = Expr{Op: OpCast, Type: Decimal(38, 0), Args: []Expr{a}}
		}
		x = Expr{Op: OpMean, Type: Double, Value: digits, Args: []Expr{a, b}}
	} else {
		x = r.take(r.agg(parts.aggs[0]), -1)
	}
	if parts.factor == nil {
		return x, nil
	}
	return typed(e, OpMul, x, *parts.factor)
}

// agg finds or adds an aggregate of the release. In lattice mode the condition stays above it.
func (r *releaser) agg(a Agg) int {
	var where *Expr
	if r.node.Mode == ModeLattice {
		where, a.When = a.When, nil
	}
	i := slices.IndexFunc(r.node.Aggs, func(have Agg) bool { return reflect.DeepEqual(have, a) })
	if i >= 0 && (r.node.Mode != ModeLattice || reflect.DeepEqual(r.wheres[i], where)) {
		return i
	}
	for j := range r.node.Aggs {
		if r.node.Mode == ModeLattice && reflect.DeepEqual(r.node.Aggs[j], a) && reflect.DeepEqual(r.wheres[j], where) {
			return j
		}
	}
	r.node.Aggs, r.wheres = append(r.node.Aggs, a), append(r.wheres, where)
	return len(r.node.Aggs) - 1
}

func (r *releaser) take(agg, with int) Expr {
	t := taken{agg, with}
	i := slices.Index(r.takes, t)
	if i < 0 {
		i = len(r.takes)
		r.takes = append(r.takes, t)
	}
	return Expr{Op: OpBase, Type: r.node.Aggs[agg].Type(), Index: i}
}

// countDistinct is the number of values of a dimension that are shown: a release of its own, counted above it.
func (r *releaser) countDistinct(e *query.Expr) (Expr, *Refusal) {
	if len(r.keys) > 0 || len(r.sets) != 1 {
		return Expr{}, ruled("aggregates", "distinct", e.Pos, "values of a dimension are counted in a query without groups alone", "group by it in a subquery, and count there").of(r.w.whose(r.in.tables))
	}
	count := &query.Expr{Pos: e.Pos, Kind: query.Call, Text: "count", Star: true}
	s := &query.Select{
		Pos: e.Pos, Items: []query.Item{{Expr: e.Args[0], Alias: "value"}, {Expr: count, Alias: "n"}},
		Group: &query.Grouping{Pos: e.Pos, Elems: []query.GroupElem{{Pos: e.Pos, Kind: query.GroupExpr, Sets: [][]*query.Expr{{e.Args[0]}}}}},
	}
	in := r.in
	inner, ref := (&cut{w: r.w, s: s, in: in}).relation()
	if ref != nil {
		return Expr{}, ref
	}
	value, n := inner.fields[0].expr, inner.fields[1].expr
	there := Expr{Op: OpNot, Type: Boolean, Args: []Expr{{Op: OpIsNull, Type: Boolean, Args: []Expr{n}}}}
	scalar := Rel{Op: RelSelect, Inputs: []Rel{inner.rel}, Grouped: true, Where: &there, Select: []Item{
		{Name: "n", Expr: Expr{Op: OpAgg, Type: Int64, Value: "count", Args: []Expr{value}}},
	}}
	r.extras = append(r.extras, scalar)
	return Expr{Op: OpBase, Type: Int64, Index: extraBase + len(r.extras) - 1}, nil
}

// extraBase sets scalars apart from what is taken of the release.
const extraBase = 1 << 20

// table makes the table that the SELECT's items are computed from: the keys, what is taken, and scalars.
func (r *releaser) table() (Rel, *Refusal) {
	if len(r.node.Aggs) == 0 {
		if len(r.extras) > 0 && len(r.keys) == 0 {
			return r.withExtras(nil), nil
		}
		r.agg(Agg{Op: AggCount})
	}
	if r.node.Mode == ModeLattice {
		return r.lattice()
	}
	for _, k := range r.keys {
		r.node.Keys = append(r.node.Keys, Key{Expr: k, Values: r.domainOf(k)})
	}
	i, ref := r.add()
	if ref != nil {
		return Rel{}, ref
	}
	base := Rel{Op: RelRelease, Release: i}
	if len(r.sets) == 1 {
		out := Rel{Op: RelSelect, Inputs: []Rel{base}}
		for k, x := range r.keys {
			out.Select = append(out.Select, Item{Name: "k" + itoa(k), Expr: Expr{Op: OpCol, Type: x.Type, Index: k}})
		}
		for t, k := range r.takes {
			out.Select = append(out.Select, Item{Name: "b" + itoa(t), Expr: r.aggColumn(k.agg, len(r.keys))})
		}
		return r.withExtras(&out), nil
	}
	return r.groupingSets(base, i)
}

// add appends the release, with its groups and its noise where it has some.
func (r *releaser) add() (int, *Refusal) {
	if r.node.Mode == ModeDP {
		return r.addNoisy()
	}
	return r.w.add(r.node, r.s.Pos), nil
}

func (r *releaser) aggColumn(agg, keys int) Expr {
	return Expr{Op: OpCol, Type: r.node.Aggs[agg].Type(), Index: keys + agg}
}

// domainOf is the declared domain of a key that is a bare dimension.
func (r *releaser) domainOf(k Expr) []string {
	if k.Op != OpCol {
		return nil
	}
	for _, f := range r.in.fields {
		if f.ref.view != nil && f.label == labelDim && r.in.step.Op == StepScan && reflect.DeepEqual(f.expr, k) {
			return declaredDomain(f.ref.view, f.ref.column)
		}
	}
	return nil
}

// declaredDomain is that of a column in which no NULL can stand beside it: a key of which every cell is there, rows or not.
func declaredDomain(v *compiler, col Column) []string {
	if col.Nullable {
		return nil
	}
	return v.domain(col)
}

// add appends a release to the program, reading no more columns than it needs.
func (w *wide) add(n ReleaseNode, p query.Pos) int {
	all := n.From
	n.prune()
	if n.From.Op == StepScan && len(n.From.Reads) == 0 && !w.prog.opensUnit(n, n.From) {
		n.From.Reads = append(n.From.Reads, w.counted(all))
	}
	return w.append(n, p)
}

// append takes a release as it is.
func (w *wide) append(n ReleaseNode, p query.Pos) int {
	w.spend(n.weight())
	w.prog.Releases, w.places = append(w.prog.Releases, n), append(w.places, p)
	return len(w.prog.Releases) - 1
}

// withExtras puts scalars beside a table.
func (r *releaser) withExtras(t *Rel) Rel {
	var out Rel
	if t != nil {
		out = *t
	}
	for i, x := range r.extras {
		if t == nil && i == 0 {
			out = x
			continue
		}
		out = Rel{Op: RelJoin, Inputs: []Rel{out, x}}
	}
	return out
}

// lowered replaces keys and what is taken by columns of the table.
func (r *releaser) lowered(s Rel) Rel {
	n := len(r.keys) + len(r.takes)
	flags := len(r.sets) > 1
	if len(r.node.Aggs) == 0 {
		n = 0
	}
	lower := func(x Expr) Expr {
		return x.replaced(func(x Expr) (Expr, bool) {
			switch {
			case x.Op == OpKey:
				return Expr{Op: OpCol, Type: x.Type, Index: x.Index}, true
			case x.Op == OpBase && x.Index < 0 && !flags:
				return Expr{Op: OpConst, Type: Int64, Value: "0"}, true
			case x.Op == OpBase && x.Index < 0:
				return Expr{Op: OpCol, Type: x.Type, Index: n - 1 - x.Index}, true
			case x.Op == OpBase && x.Index >= extraBase:
				return Expr{Op: OpCol, Type: x.Type, Index: n + x.Index - extraBase}, true
			case x.Op == OpBase:
				return Expr{Op: OpCol, Type: x.Type, Index: len(r.keys) + x.Index}, true
			}
			return x, false
		})
	}
	for i := range s.Select {
		s.Select[i].Expr = lower(s.Select[i].Expr)
	}
	for i := range s.OrderBy {
		s.OrderBy[i].Expr = lower(s.OrderBy[i].Expr)
	}
	if s.Where != nil {
		x := lower(*s.Where)
		s.Where = &x
	}
	return s
}

// replaced rebuilds an expression with some nodes replaced.
func (x Expr) replaced(by func(Expr) (Expr, bool)) Expr {
	if y, ok := by(x); ok {
		return y
	}
	var args []Expr
	for _, a := range x.Args {
		args = append(args, a.replaced(by))
	}
	x.Args = args
	if x.Over != nil {
		o := Over{Frame: x.Over.Frame}
		for _, p := range x.Over.Partition {
			o.Partition = append(o.Partition, p.replaced(by))
		}
		for _, k := range x.Over.OrderBy {
			k.Expr = k.Expr.replaced(by)
			o.OrderBy = append(o.OrderBy, k)
		}
		x.Over = &o
	}
	return x
}

// groupingSets unites one table for each set. What adds up is the sum over the cells that are shown, so a total tells
// nothing of the others; what does not is released again over the rows of the shown cells alone.
func (r *releaser) groupingSets(base Rel, release int) (Rel, *Refusal) {
	out := Rel{Op: RelUnion}
	for _, set := range r.sets {
		arm := r.setTable(base, release, set)
		weight, _ := arm.weight(&r.w.prog)
		r.w.spend(weight)
		if len(r.w.prog.Releases) > maxReleases {
			return out, ruled("limits", "too-many", r.s.Pos, "the query has too many parts", "fewer grouping sets, or fewer aggregates that do not add up")
		}
		if ref := r.w.tooHeavy(r.s.Pos); ref != nil {
			return out, ref
		}
		out.Inputs = append(out.Inputs, arm)
	}
	return r.withExtras(&out), nil
}

// setTable is the table of one set, with NULL for keys that are not in it and a flag for each key that says so.
func (r *releaser) setTable(base Rel, release int, set []int) Rel {
	arm := Rel{Op: RelSelect, Inputs: []Rel{base}}
	whole := len(set) == len(r.keys)
	var group []Expr
	at := map[int]int{}
	for _, k := range set {
		at[k] = len(group)
		group = append(group, Expr{Op: OpCol, Type: r.keys[k].Type, Index: k})
	}
	if !whole {
		arm.Grouped, arm.Group = true, group
	}
	for k, x := range r.keys {
		item := Expr{Op: OpCast, Type: x.Type, Args: []Expr{{Op: OpNull, Type: nullType}}}
		if i, in := at[k]; in && whole {
			item = Expr{Op: OpCol, Type: x.Type, Index: k}
		} else if in {
			item = Expr{Op: OpKey, Type: x.Type, Index: i}
		}
		arm.Select = append(arm.Select, Item{Name: "k" + itoa(k), Expr: item})
	}
	var again []int // takes that do not add up
	for t, k := range r.takes {
		a := r.node.Aggs[k.agg]
		x := r.aggColumn(k.agg, len(r.keys))
		switch {
		case whole:
		case a.Op == AggCount || a.Op == AggCountValue || a.Op == AggSum:
			x = summed(x, r.shownWith(k, len(r.keys)))
		default:
			again = append(again, t)
			x = Expr{Op: OpCast, Type: a.Type(), Args: []Expr{{Op: OpNull, Type: nullType}}}
		}
		arm.Select = append(arm.Select, Item{Name: "b" + itoa(t), Expr: x})
	}
	arm = r.releasedAgain(arm, release, set, again)
	for k := range r.keys {
		flag := "1"
		if _, in := at[k]; in {
			flag = "0"
		}
		arm.Select = append(arm.Select, Item{Name: "g" + itoa(k), Expr: Expr{Op: OpConst, Type: Int64, Value: flag}})
	}
	return arm
}

// summed adds up a column over the rows in which a condition holds.
func summed(x Expr, when *Expr) Expr {
	t := x.Type
	if when != nil {
		x = Expr{Op: OpCase, Type: t, Args: []Expr{*when, x, {Op: OpNull, Type: nullType}}}
	}
	s := Expr{Op: OpAgg, Value: "sum", Args: []Expr{x}}
	s.Type, _ = spanType(s)
	if s.Type == t {
		return s
	}
	return Expr{Op: OpCast, Type: t, Args: []Expr{s}}
}

// shownWith is the condition that what goes with an aggregate is shown.
func (r *releaser) shownWith(k taken, keys int) *Expr {
	if k.with < 0 {
		return nil
	}
	return &Expr{Op: OpNot, Type: Boolean, Args: []Expr{{Op: OpIsNull, Type: Boolean, Args: []Expr{r.aggColumn(k.with, keys)}}}}
}

// releasedAgain joins releases over the rows of the shown cells, one for each aggregate that does not add up.
func (r *releaser) releasedAgain(arm Rel, release int, set, takes []int) Rel {
	for _, t := range takes {
		a := r.takes[t].agg
		n := ReleaseNode{Mode: r.node.Mode, From: r.w.prog.Releases[release].From, Guard: r.node.Guard, Keys: []Key{}, Within: &Survivors{Release: release, Agg: a}}
		n.Aggs = []Agg{r.w.prog.Releases[release].Aggs[a]}
		for _, k := range set {
			n.Keys = append(n.Keys, Key{Expr: r.w.prog.Releases[release].Keys[k].Expr})
		}
		again := Rel{Op: RelRelease, Release: r.w.append(n, r.s.Pos)}
		width := len(arm.Select)
		join := Rel{Op: RelJoin, Inputs: []Rel{arm, again}, Outer: true}
		for i, k := range set {
			same := Expr{Op: OpSame, Type: Boolean, Args: []Expr{{Op: OpCol, Type: r.keys[k].Type, Index: k}, {Op: OpCol, Type: r.keys[k].Type, Index: width + i}}}
			join.On = both(join.On, same)
		}
		next := Rel{Op: RelSelect, Inputs: []Rel{join}}
		for i, it := range arm.Select {
			x := Expr{Op: OpCol, Type: it.Expr.Type, Index: i}
			if i == len(r.keys)+t {
				x.Index = width + len(set)
			}
			next.Select = append(next.Select, Item{Name: it.Name, Expr: x})
		}
		arm = next
	}
	return arm
}

// lattice makes the table of a query in lattice mode: the whole set is released, and everything the query says is
// computed above it.
func (r *releaser) lattice() (Rel, *Refusal) {
	if len(r.sets) > 1 {
		return Rel{}, ruled("grammar", "grouping-sets", r.s.Group.Pos, "in lattice mode each set is asked for by itself", "")
	}
	view := r.w.views[r.in.tables[0]]
	where := r.in.step.Where
	used := map[string]bool{}
	exprs := slices.Clone(r.keys)
	for _, x := range append([]*Expr{where}, r.wheres...) {
		if x != nil {
			exprs = append(exprs, *x)
		}
	}
	for _, x := range exprs {
		x.each(func(x Expr) {
			if x.Op == OpCol {
				used[fold(r.in.step.Reads[x.Index].Column)] = true
			}
		})
	}
	set, ref := view.allowedSet(sortedKeys(used))
	if ref != nil {
		ref.Nearest = ""
		ref.Where = at(r.in.at)
		return Rel{}, ref
	}
	n := r.node
	n.From.Where = nil
	place := map[string]int{}
	for i, name := range set {
		col := view.index[name]
		at := slices.IndexFunc(n.From.Reads, func(x Read) bool { return x.Column == col.Name })
		place[name] = i
		n.Keys = append(n.Keys, Key{Expr: Expr{Op: OpCol, Type: col.Type, Index: at}, Values: declaredDomain(view, col)})
	}
	reads := r.in.step.Reads
	above := func(x Expr) Expr {
		return x.mapped(func(i int) int { return place[fold(reads[i].Column)] })
	}
	plain := r.distinctAggs(&n)
	base := Rel{Op: RelRelease, Release: r.w.add(n, r.s.Pos)}
	out := Rel{Op: RelSelect, Inputs: []Rel{base}}
	if where != nil {
		x := above(*where)
		out.Where = &x
	}
	folds := r.folds(set, reads)
	for k, x := range r.keys {
		g := above(x)
		if folds {
			out.Group = append(out.Group, g)
			g = Expr{Op: OpKey, Type: x.Type, Index: k}
		}
		out.Select = append(out.Select, Item{Name: "k" + itoa(k), Expr: g})
	}
	out.Grouped = folds
	for t, k := range r.takes {
		x, ref := r.latticeTake(k, plain, len(set), folds, above)
		if ref != nil {
			return out, ref
		}
		out.Select = append(out.Select, Item{Name: "b" + itoa(t), Expr: x})
	}
	return r.withExtras(&out), nil
}

// distinctAggs keeps each aggregate of the release once, whatever conditions stand above it, and says where each went.
func (r *releaser) distinctAggs(n *ReleaseNode) []int {
	var list []Agg
	to := make([]int, len(n.Aggs))
	for i, a := range n.Aggs {
		at := slices.IndexFunc(list, func(have Agg) bool { return reflect.DeepEqual(have, a) })
		if at < 0 {
			at = len(list)
			list = append(list, a)
		}
		to[i] = at
	}
	n.Aggs = list
	return to
}

// folds reports whether cells are added up: unless the keys are the dims of the set themselves, each cell is a row of its own.
func (r *releaser) folds(set []string, reads []Read) bool {
	bare := map[string]bool{}
	for _, k := range r.keys {
		if k.Op == OpCol {
			bare[fold(reads[k.Index].Column)] = true
		}
	}
	return len(bare) < len(set) || slices.ContainsFunc(r.wheres, func(x *Expr) bool { return x != nil })
}

func (r *releaser) latticeTake(k taken, place []int, keys int, folds bool, above func(Expr) Expr) (Expr, *Refusal) {
	a := r.node.Aggs[k.agg]
	column := func(i int) Expr {
		return Expr{Op: OpCol, Type: r.node.Aggs[i].Type(), Index: keys + place[i]}
	}
	x := column(k.agg)
	if !folds {
		return x, nil
	}
	if a.Op != AggCount && a.Op != AggCountValue && a.Op != AggSum && !(a.Op == AggCountUnits && r.w.units(&r.in).Unique) {
		return x, ruled("aggregates", "units-add-up", r.s.Pos, "this aggregate of several cells can't be added up", "group by all dimensions of the set, and filter on none that is not grouped by").of(r.w.whose(r.in.tables))
	}
	var when *Expr
	if c := r.wheres[k.agg]; c != nil {
		y := above(*c)
		when = &y
	}
	if k.with >= 0 {
		there := Expr{Op: OpNot, Type: Boolean, Args: []Expr{{Op: OpIsNull, Type: Boolean, Args: []Expr{column(k.with)}}}}
		when = andAll(&there, when)
	}
	return summed(x, when), nil
}

// prune drops columns that nothing reads, and renames the others.
func (n *ReleaseNode) prune() {
	need := map[int]bool{}
	for _, k := range n.Keys {
		k.Expr.columns(need)
	}
	for _, a := range n.Aggs {
		a.columns(need)
	}
	from, to := n.From.pruned(need)
	n.From = from
	rename := func(i int) int { return to[i] }
	for i := range n.Keys {
		n.Keys[i].Expr = n.Keys[i].Expr.mapped(rename)
	}
	n.Aggs = mappedAggs(n.Aggs, rename)
}

// counted chooses the column that is opened where a query counts rows and names none: a row count that no page stands behind
// would be its owner's word. It is the first by name that has a role.
func (w *wide) counted(s Step) Read {
	best := -1
	for i, r := range s.Reads {
		l, _, _ := w.views[s.Table].wideLabel(w.views[s.Table].index[fold(r.Column)])
		if l != labelHidden && l != labelUnit && (best < 0 || r.Column < s.Reads[best].Column) {
			best = i
		}
	}
	return s.Reads[max(best, 0)]
}

func (x Expr) columns(need map[int]bool) {
	x.each(func(x Expr) {
		if x.Op == OpCol {
			need[x.Index] = true
		}
	})
}

func (a Agg) columns(need map[int]bool) {
	for _, x := range []*Expr{a.Arg, a.When} {
		if x != nil {
			x.columns(need)
		}
	}
}

func mappedAggs(list []Agg, to func(int) int) []Agg {
	out := []Agg{}
	for _, a := range list {
		a.Arg, a.When = a.Arg.renamed(to), a.When.renamed(to)
		out = append(out, a)
	}
	return out
}

func (x *Expr) renamed(to func(int) int) *Expr {
	if x == nil {
		return nil
	}
	y := x.mapped(to)
	return &y
}

// pruned gives a step that has the needed columns, and what became of each.
func (s Step) pruned(need map[int]bool) (Step, map[int]int) {
	if s.Where != nil {
		s.Where.columns(need)
	}
	to := map[int]int{}
	switch s.Op {
	case StepScan:
		var reads []Read
		for i, r := range s.Reads {
			if need[i] {
				to[i] = len(reads)
				reads = append(reads, r)
			}
		}
		s.Reads = reads
	case StepJoin:
		s, to = s.prunedJoin(need)
	case StepEntity:
		s, to = s.prunedEntity(need)
	}
	s.Where = s.Where.renamed(func(i int) int { return to[i] })
	return s, to
}

func (s Step) prunedJoin(need map[int]bool) (Step, map[int]int) {
	n := s.Inputs[0].width()
	m := s.Inputs[1].width()
	left, right := map[int]bool{}, map[int]bool{}
	for i := range need {
		switch {
		case i < n:
			left[i] = true
		case i < n+m:
			right[i-n] = true
		}
	}
	l, toL := s.Inputs[0].pruned(left)
	r, toR := s.Inputs[1].pruned(right)
	to := map[int]int{n + m: l.width() + r.width()}
	for i, at := range toL {
		to[i] = at
	}
	for i, at := range toR {
		to[n+i] = l.width() + at
	}
	s.Inputs = []Step{l, r}
	return s, to
}

func (s Step) prunedEntity(need map[int]bool) (Step, map[int]int) {
	inner := map[int]bool{}
	to := map[int]int{}
	for i, k := range s.Keys {
		k.columns(inner)
		to[i] = i
	}
	aggs := []Agg{}
	for i, a := range s.Aggs {
		if at := len(s.Keys) + i; need[at] {
			to[at] = len(s.Keys) + len(aggs)
			a.columns(inner)
			aggs = append(aggs, a)
		}
	}
	in, rename := s.Inputs[0].pruned(inner)
	by := func(i int) int { return rename[i] }
	s.Inputs, s.Keys, s.Aggs = []Step{in}, mappedAll(s.Keys, by), mappedAggs(aggs, by)
	if len(s.Aggs) == 0 {
		s.Aggs = nil
	}
	return s, to
}
