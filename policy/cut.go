package policy

import (
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// selects compiles one SELECT. q is the query whose ORDER BY and LIMIT are its own, or nil for an arm of a union.
func (w *wide) selects(s *query.Select, q *query.Query, v *env) (relation, *Refusal) {
	if s.Source == nil {
		return relation{}, ruled("grammar", "from", s.Pos, "a query reads from a data set, a pool or what was made of them", "")
	}
	in, ref := w.from(s.Source, v)
	if ref != nil {
		return in, ref
	}
	if ref := w.weighSelect(s, q, &in); ref != nil {
		return in, ref
	}
	if in.level == levelReleased {
		return w.above(s, q, in)
	}
	c := &cut{w: w, s: s, q: q, in: in}
	return c.relation()
}

// cut compiles a SELECT over rows or entities: to rows, to entities, or to a release.
type cut struct {
	w       *wide
	s       *query.Select
	q       *query.Query
	in      relation
	aliases map[string]*query.Expr

	keys []Expr  // what rows are grouped by: all keys of all grouping sets
	sets [][]int // the grouping sets, into keys
	unit bool    // the unit is among the keys

	node ReleaseNode
}

func (c *cut) relation() (relation, *Refusal) {
	if ref := c.filter(); ref != nil {
		return c.in, ref
	}
	if c.in.step.Op == StepJoin && !c.in.keyed {
		return c.in, ruled("joins", "key", c.in.at, "data sets are joined by the equality of their unit columns", "ON a.unit = b.unit").of(c.w.whose(c.in.tables))
	}
	c.aliases = map[string]*query.Expr{}
	for _, it := range c.s.Items {
		if it.Alias != "" && c.aliases[fold(it.Alias)] == nil {
			c.aliases[fold(it.Alias)] = it.Expr
		}
	}
	aggregates := slices.ContainsFunc(c.s.Items, func(it query.Item) bool { return wideAggregate(it.Expr) })
	if c.s.Group == nil && !aggregates && c.s.Having == nil {
		return c.ungrouped()
	}
	if c.s.Distinct {
		return c.in, ruled("grammar", "distinct", c.s.Pos, "DISTINCT is not allowed beside aggregates", "")
	}
	if ref := c.group(); ref != nil {
		return c.in, ref
	}
	if c.unit {
		return c.entity()
	}
	return c.release()
}

// filter adds WHERE to the step. In a join that was written with a comma, the equality of the keys stands here.
func (c *cut) filter() *Refusal {
	if c.s.Where == nil {
		return nil
	}
	for _, e := range conjuncts(c.s.Where) {
		if c.in.equatesUnits(e) {
			c.in.keyed = true
			continue
		}
		v, ref := c.w.row(e, &c.in, useFilter)
		if ref == nil {
			ref = c.w.bare(e, &c.in, v, useFilter)
		}
		if ref != nil {
			return ref
		}
		if v.expr.Type != Boolean {
			return ruled("types", "condition", e.Pos, "WHERE takes a condition", "")
		}
		c.in.step.Where = both(c.in.step.Where, v.expr)
	}
	return nil
}

func conjuncts(e *query.Expr) []*query.Expr {
	if e.Kind == query.Binary && e.Text == "and" {
		return append(conjuncts(e.Args[0]), conjuncts(e.Args[1])...)
	}
	return []*query.Expr{e}
}

// ungrouped is a SELECT without aggregates: rows go on as rows, and distinct units are entities.
func (c *cut) ungrouped() (relation, *Refusal) {
	if ref := c.cutsBelow(); ref != nil {
		return c.in, ref
	}
	out := c.in
	out.fields = nil
	for _, it := range c.s.Items {
		if it.Expr.Kind == query.Star {
			fields, ref := c.star(it.Expr)
			if ref != nil {
				return out, ref
			}
			out.fields = append(out.fields, fields...)
			continue
		}
		v, ref := c.passed(it.Expr)
		if ref != nil {
			return out, ref
		}
		f := field{name: c.itemName(it), expr: v.expr, label: v.label}
		if v.field != nil {
			f.ref, f.bins, f.scale, f.aggs = v.field.ref, v.field.bins, v.field.scale, v.field.aggs
		}
		out.fields = append(out.fields, f)
	}
	if !c.s.Distinct {
		return out, nil
	}
	if len(out.fields) != 1 || out.fields[0].label != labelUnit {
		return out, ruled("grammar", "distinct", c.s.Pos, "SELECT DISTINCT would list rows", "use GROUP BY and an aggregate; SELECT DISTINCT unit makes one row a unit").of(c.w.whose(c.in.tables))
	}
	unit := out.fields[0]
	if unit.ref.outer != nil {
		return out, c.w.bare(c.s.Items[0].Expr, &c.in, value{label: labelUnit}, useDimension)
	}
	out.level, out.step = levelEntity, Step{Op: StepEntity, Inputs: []Step{c.in.step}}
	out.fields = []field{unit}
	return out, nil
}

// passed converts an item that goes on to a query above. A bare column keeps its roles; what is made of columns may be grouped
// and filtered by above, so the columns need both roles here.
func (c *cut) passed(e *query.Expr) (value, *Refusal) {
	v, ref := c.w.row(e, &c.in, usePassed)
	if ref != nil || v.field != nil || v.label == labelConst {
		return v, ref
	}
	return v, c.bothRoles(e)
}

func (c *cut) bothRoles(e *query.Expr) *Refusal {
	for _, u := range []use{useDimension, useFilter} {
		if _, ref := c.w.row(e, &c.in, u); ref != nil {
			return ref
		}
	}
	return nil
}

// star expands * to the columns that have a role.
func (c *cut) star(e *query.Expr) (out []field, ref *Refusal) {
	for _, f := range c.in.fields {
		if len(e.Path) > 0 && !contains(f.quals, fold(e.Path[len(e.Path)-1])) || f.label == labelHidden {
			continue
		}
		f.quals = nil
		out = append(out, f)
	}
	if out == nil {
		return nil, ruled("columns", "unknown", e.Pos, "* stands for no column here", "")
	}
	return out, nil
}

func (c *cut) cutsBelow() *Refusal {
	if c.q == nil {
		return nil
	}
	for _, o := range c.q.OrderBy {
		return innerLimit(o.Expr.Pos)
	}
	for _, e := range []*query.Expr{c.q.Limit, c.q.Offset} {
		if e != nil {
			return innerLimit(e.Pos)
		}
	}
	return nil
}

func (c *cut) itemName(it query.Item) string {
	if it.Alias != "" {
		return it.Alias
	}
	if it.Expr.Kind == query.Ident {
		return it.Expr.Path[len(it.Expr.Path)-1]
	}
	return it.Expr.Format()
}

// group converts GROUP BY to keys and grouping sets.
func (c *cut) group() *Refusal {
	c.sets = [][]int{{}}
	g := c.s.Group
	if g == nil {
		return nil
	}
	if g.All {
		for _, it := range c.s.Items {
			if wideAggregate(it.Expr) {
				continue
			}
			if ref := c.extend([][]*query.Expr{{it.Expr}}, g.Pos); ref != nil {
				return ref
			}
		}
		return nil
	}
	for _, e := range g.Elems {
		if ref := c.extend(setsOf(e), e.Pos); ref != nil {
			return ref
		}
	}
	return nil
}

// setsOf lists the grouping sets of an element: the prefixes of ROLLUP, all subsets of CUBE.
func setsOf(e query.GroupElem) [][]*query.Expr {
	switch e.Kind {
	case query.GroupRollup:
		var out [][]*query.Expr
		for n := len(e.Sets); n >= 0; n-- {
			out = append(out, slices.Concat(e.Sets[:n]...))
		}
		return out
	case query.GroupCube:
		out := [][]*query.Expr{{}}
		for _, s := range e.Sets {
			for _, have := range slices.Clone(out) {
				out = append(out, slices.Concat(have, s))
			}
			if len(out) > maxGroupingSets {
				break
			}
		}
		return out
	}
	return e.Sets
}

// extend takes the product of the grouping sets so far and those of another element.
func (c *cut) extend(sets [][]*query.Expr, p query.Pos) *Refusal {
	var next [][]int
	for _, have := range c.sets {
		for _, s := range sets {
			set := slices.Clone(have)
			for _, e := range s {
				k, ok, ref := c.key(e)
				if ref != nil {
					return ref
				}
				if ok && !slices.Contains(set, k) {
					set = append(set, k)
				}
			}
			next = append(next, set)
		}
	}
	if len(next) > maxGroupingSets {
		return ruled("limits", "grouping-sets", p, "more than 32 grouping sets", "")
	}
	c.sets = next
	return nil
}

// key converts a key and finds or adds it; a constant is none. Columns go before aliases.
func (c *cut) key(e *query.Expr) (int, bool, *Refusal) {
	at := e.Pos
	e, ref := c.keyExpr(e)
	if ref != nil {
		return 0, false, ref
	}
	v, ref := c.w.row(e, &c.in, useDimension)
	if ref != nil {
		ref.Where = Pos{Line: at.Line, Col: at.Col}
		return 0, false, ref
	}
	if v.label == labelUnit {
		if v.field.ref.outer != nil {
			return 0, false, c.w.bare(e, &c.in, v, useDimension)
		}
		c.unit = true
		return 0, false, nil
	}
	if ref := c.w.bare(e, &c.in, v, useDimension); ref != nil {
		return 0, false, ref
	}
	if v.label == labelConst {
		return 0, false, nil
	}
	if !v.expr.Type.groupable() {
		return 0, false, ruled("types", "dimension", at, "a value of type "+string(v.expr.Type)+" can't be grouped by", "group by the columns that it is made of").of(c.w.whose(c.in.tables))
	}
	for i, k := range c.keys {
		if reflect.DeepEqual(k, v.expr) {
			return i, true, nil
		}
	}
	c.keys = append(c.keys, v.expr)
	return len(c.keys) - 1, true, nil
}

// keyExpr replaces an ordinal or an alias by the item that it stands for.
func (c *cut) keyExpr(e *query.Expr) (*query.Expr, *Refusal) {
	if e.Kind == query.Number {
		for i, it := range c.s.Items {
			if e.Text == itoa(i+1) {
				return it.Expr, nil
			}
		}
		return nil, ruled("grammar", "ordinal", e.Pos, "there is no such output column", "ordinals count from 1")
	}
	if e.Kind == query.Ident && len(e.Path) == 1 {
		if _, ref := c.in.find(e); ref != nil && ref.Code == "unknown" {
			if item := c.aliases[fold(e.Path[0])]; item != nil {
				return item, nil
			}
		}
	}
	return e, nil
}

// entity compiles GROUP BY unit: sums and counts of each unit, to be filtered and aggregated further.
func (c *cut) entity() (relation, *Refusal) {
	if len(c.sets) != 1 {
		return c.in, ruled("grammar", "grouping-sets", c.s.Group.Pos, "units have no subtotals", "")
	}
	if ref := c.cutsBelow(); ref != nil {
		return c.in, ref
	}
	if c.s.Having != nil {
		return c.in, ruled("grammar", "having-below", c.s.Having.Pos, "HAVING below a release is not in the grammar", "filter by a declared bin in the query above")
	}
	e := Step{Op: StepEntity, Inputs: []Step{c.in.step}, Keys: c.keys}
	out := relation{level: levelEntity, tables: c.in.tables, domain: c.in.domain, at: c.in.at}
	for _, it := range c.s.Items {
		f, ref := c.entityItem(it, &e)
		if ref != nil {
			return out, ref
		}
		out.fields = append(out.fields, f)
	}
	out.step = e
	return out, nil
}

func (c *cut) entityItem(it query.Item, e *Step) (field, *Refusal) {
	f := field{name: c.itemName(it)}
	if it.Expr.Kind == query.Star {
		return f, ruled("grammar", "star", it.Expr.Pos, "* can't stand beside GROUP BY", "name the columns")
	}
	if it.Expr.Kind == query.Call && wideAggregate(it.Expr) {
		return c.entityAgg(it.Expr, f, e)
	}
	x, ref := c.keyExpr(it.Expr)
	if ref != nil {
		return f, ref
	}
	v, ref := c.w.row(x, &c.in, useDimension)
	if ref != nil {
		return f, ref
	}
	if v.label == labelUnit && v.field.ref.outer == nil {
		f.label, f.ref, f.expr = labelUnit, v.field.ref, v.expr
		return f, nil
	}
	if i := slices.IndexFunc(c.keys, func(k Expr) bool { return reflect.DeepEqual(k, v.expr) }); i >= 0 {
		f.label, f.expr = labelDim, Expr{Op: OpCol, Type: v.expr.Type, Index: i}
		return f, c.bothRoles(x)
	}
	return f, ruled("release", "not-grouped", it.Expr.Pos, "only the unit, keys of GROUP BY and sums and counts go on", "group by this column too").of(c.w.whose(c.in.tables))
}

// entityAgg is a sum or a count of each unit: a measure of entities, compared by the bins of what it adds up.
func (c *cut) entityAgg(e *query.Expr, f field, s *Step) (field, *Refusal) {
	parts, ref := c.aggregate(e)
	if ref != nil {
		return f, ref
	}
	if len(parts.aggs) != 1 || parts.mean || parts.factor != nil || parts.aggs[0].Op != AggSum && parts.aggs[0].Op != AggCount && parts.aggs[0].Op != AggCountValue {
		return f, ruled("aggregates", "entity", e.Pos, "of each unit there are sums and counts alone", "sum(x), count(x) or count(*)").of(c.w.whose(c.in.tables))
	}
	a := parts.aggs[0]
	i := slices.IndexFunc(s.Aggs, func(have Agg) bool { return reflect.DeepEqual(have, a) })
	if i < 0 {
		i = len(s.Aggs)
		s.Aggs = append(s.Aggs, a)
	}
	f.label, f.bins, f.scale, f.aggs = labelMeasure, parts.bins, a.Scale, parts.allowed
	f.expr = Expr{Op: OpCol, Type: a.entityType(), Index: len(s.Keys) + i}
	return f, nil
}
