package policy

import (
	"math/big"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// wideAggregates are allowed in plan/2 beside count, sum and avg, by name.
var wideAggregates = map[string]bool{
	"count_if": true, "countif": true, "median": true, "quantile_cont": true, "stddev": true, "stddev_samp": true,
}

// wideAggregate reports whether an expression holds an aggregate, allowed or not, that is no window.
func wideAggregate(e *query.Expr) bool {
	if e.Kind == query.Call && e.Over == nil && isAggregate(e.Text) {
		return true
	}
	if e.Over != nil {
		return slices.ContainsFunc(e.Over.PartitionBy, wideAggregate) || slices.ContainsFunc(e.Args, wideAggregate) ||
			slices.ContainsFunc(e.Over.OrderBy, func(o query.Order) bool { return wideAggregate(o.Expr) })
	}
	return slices.ContainsFunc(e.Args, wideAggregate)
}

// aggParts is what an aggregate call becomes: one released aggregate, times a constant where factor is not nil, or the quotient
// of the first two.
type aggParts struct {
	aggs    []Agg
	mean    bool
	factor  *Expr
	bins    []Expr   // of what is added up
	allowed []string // what may be computed of a per-unit sum or count
}

// operand is what an aggregate is computed of.
type operand struct {
	arg     *Expr // nil: a constant, or nothing
	scale   int
	konst   *Expr // the constant
	when    *Expr // the rows that take part
	zero    bool  // the others count as 0 instead of being left out
	filter  *Expr // the part of when that FILTER says: it leaves rows out even so
	unit    bool  // the unit itself
	dim     *Expr // a dimension
	null    bool  // may be NULL where when holds
	field   *field
	fields  []*field
	at      query.Pos
	allowed []string
}

// aggregate converts a bare aggregate call. Only names and arities of this list pass.
func (c *cut) aggregate(e *query.Expr) (aggParts, *Refusal) {
	when, ref := c.filterClause(e)
	if ref != nil {
		return aggParts{}, ref
	}
	name, n := e.Text, len(e.Args)
	switch {
	case name == "count" && n == 0 && !e.Distinct: // count(*) or count()
		return c.plain(Agg{Op: AggCount, When: when}), nil
	case (name == "count_if" || name == "countif") && n == 1 && !e.Distinct:
		x, ref := c.condition(e.Args[0])
		if ref != nil {
			return aggParts{}, ref
		}
		return c.plain(Agg{Op: AggCount, When: both(when, x)}), nil
	case e.Star || !isAggregate(name) || singleValues[name] && !wideAggregates[name]:
		return aggParts{}, c.notListed(e)
	case e.Distinct && name != "count":
		return aggParts{}, c.notListed(e)
	case n != 1 && !(name == "quantile_cont" && n == 2):
		return aggParts{}, ruled("aggregates", "arity", e.Pos, name+" takes one argument", "")
	}
	o, ref := c.operand(e.Args[0])
	if ref != nil {
		return aggParts{}, ref
	}
	if o.filter = when; when != nil {
		o.when = andAll(when, o.when)
	}
	switch name {
	case "count":
		return c.countOf(e, o)
	case "sum", "avg":
		return c.sumOf(e, o)
	}
	return c.spread(e, o)
}

func (c *cut) notListed(e *query.Expr) *Refusal {
	return ruled("aggregates", "not-listed", e.Pos, "this aggregate is not allowed: it could show single values or single units",
		"allowed are count, count(DISTINCT unit), count_if, sum, avg, stddev, median and quantile_cont").of(c.w.whose(c.in.tables))
}

func (c *cut) plain(a Agg) aggParts {
	return aggParts{aggs: []Agg{a}, allowed: []string{"count", "sum", "avg"}}
}

func andAll(a, b *Expr) *Expr {
	if b == nil {
		return a
	}
	return both(a, *b)
}

func (c *cut) filterClause(e *query.Expr) (*Expr, *Refusal) {
	if e.Filter == nil {
		return nil, nil
	}
	x, ref := c.condition(e.Filter)
	return &x, ref
}

// condition converts a condition inside an aggregate: over what WHERE may name.
func (c *cut) condition(e *query.Expr) (Expr, *Refusal) {
	v, ref := c.w.row(e, &c.in, useFilter)
	if ref == nil {
		ref = c.w.bare(e, &c.in, v, useFilter)
	}
	if ref == nil && v.expr.Type != Boolean {
		ref = ruled("types", "condition", e.Pos, "this takes a condition", "")
	}
	return v.expr, ref
}

// operand takes apart what an aggregate is computed of: a measure, a product with one, a constant, the unit or a dimension,
// and the condition of a CASE around it.
func (c *cut) operand(e *query.Expr) (operand, *Refusal) {
	if cond, then, zero, ok := branch(e); ok {
		x, ref := c.condition(cond)
		if ref != nil {
			return operand{}, ref
		}
		o, ref := c.operand(then)
		if ref != nil {
			return o, ref
		}
		if o.when != nil && o.zero != zero {
			return o, ruled("aggregates", "expression", e.Pos, "conditions within conditions must agree on what the other rows count as", "")
		}
		o.when, o.zero = andAll(&x, o.when), zero
		return o, nil
	}
	if x, ok, ref := c.w.literal(e); ok {
		if ref == nil && (!x.Type.numeric() && x.Type.class() != classText) {
			ref = ruled("types", "measure", e.Pos, "this can't be aggregated", "")
		}
		return operand{konst: &x, at: e.Pos}, ref
	}
	if e.Kind == query.Binary && e.Text == "*" {
		return c.product(e)
	}
	if e.Kind != query.Ident {
		return c.dimension(e)
	}
	f, ref := c.in.find(e)
	if ref != nil {
		return operand{}, ref
	}
	return c.column(e, f)
}

// column is a bare column as an operand.
func (c *cut) column(e *query.Expr, f *field) (operand, *Refusal) {
	o := operand{at: e.Pos, field: f, fields: []*field{f}}
	switch f.label {
	case labelUnit:
		o.unit = true
		return o, nil
	case labelMeasure:
	case labelDim, labelRaw:
		if own := f.ref.view != nil && f.ref.view.own && f.ref.column.Type.aggregable(18); !own {
			return c.dimension(e)
		}
	default:
		return o, ruled("columns", "no-role", e.Pos, "this column has no role, so it can't be named", "").of(c.w.whoseField(f, &c.in))
	}
	if f.ref.view == nil && f.aggs == nil { // an expression of a subquery
		return o, ruled("aggregates", "expression", e.Pos, "an aggregate is of a measure, or of a product of two", "")
	}
	x := f.expr
	o.arg, o.scale, o.null, o.allowed = &x, f.scale, true, f.aggs
	if f.ref.view != nil {
		o.null = f.ref.column.Nullable || c.in.step.Op == StepJoin && c.in.step.Outer
		m, ref := f.ref.view.bounded(e, f.ref.column)
		if ref != nil {
			return o, ref
		}
		o.scale = m.Scale
	}
	return o, nil
}

// dimension is an expression over dimensions as an operand: it can only be counted.
func (c *cut) dimension(e *query.Expr) (operand, *Refusal) {
	v, ref := c.w.row(e, &c.in, useDimension)
	if ref != nil {
		if e.Kind != query.Ident && ref.Rule == "columns" && ref.Code == "measure" {
			ref = ruled("aggregates", "expression", e.Pos, "an aggregate is of a measure, or of a product of two: other arithmetic inside it goes round the rounding", "aggregate the column and compute with the result").of(c.w.whose(c.in.tables))
		}
		return operand{}, ref
	}
	if ref := c.w.bare(e, &c.in, v, useDimension); ref != nil {
		return operand{}, ref
	}
	return operand{dim: &v.expr, at: e.Pos, null: true, field: v.field}, nil
}

// product is of two measures, or of a measure and a constant.
func (c *cut) product(e *query.Expr) (operand, *Refusal) {
	a, ref := c.operand(e.Args[0])
	if ref != nil {
		return a, ref
	}
	b, ref := c.operand(e.Args[1])
	if ref != nil {
		return b, ref
	}
	if a.arg == nil && a.konst != nil {
		a, b = b, a
	}
	scaled := a.konst != nil || b.arg != nil && b.konst != nil // a product with a constant already
	if scaled || a.arg == nil || a.arg.Op != OpCol || a.when != nil || b.when != nil || b.arg == nil && b.konst == nil || b.arg != nil && b.arg.Op != OpCol {
		return a, ruled("aggregates", "expression", e.Pos, "an aggregate is of a measure, or of a product of two", "aggregate the column and compute with the result").of(c.w.whose(c.in.tables))
	}
	if b.konst != nil {
		return c.multiple(e, a, *b.konst)
	}
	if a.field.ref.view != b.field.ref.view {
		return a, ruled("aggregates", "weights", e.Pos, "measures of two data sets can't be multiplied: one owner's values would weigh the other's, and weights can single out a unit", "aggregate each by itself").of(c.w.whose(c.in.tables))
	}
	if !c.productFits(a.field, b.field) {
		return a, ruled("limits", "product", e.Pos, "the bounds of these measures are so wide that sums of their product might not fit", "narrower clamps")
	}
	x := Expr{Op: OpMul, Type: Hugeint, Args: []Expr{*a.arg, *b.arg}}
	a.arg, a.scale, a.null = &x, a.scale+b.scale, a.null || b.null
	a.fields = append(slices.Clone(a.fields), b.fields...)
	if a.scale > maxAggScale {
		return a, ruled("limits", "scale", e.Pos, "the product has too many decimal places", "")
	}
	return a, nil
}

// maxProductBits leaves room in 127 bits for sums over as many rows as a data set can have.
const maxProductBits = 88

// productFits reports whether two values multiplied stay within maxProductBits. What an entity adds up has no bounds of its
// own, so it is not multiplied.
func (c *cut) productFits(a, b *field) bool {
	bits := 0
	for _, f := range []*field{a, b} {
		if f.ref.view == nil {
			return false
		}
		m, ref := f.ref.view.bounded(&query.Expr{}, f.ref.column)
		if ref != nil {
			return false
		}
		bits += max(big.NewInt(m.Lo).BitLen(), big.NewInt(m.Hi).BitLen())
	}
	return bits <= maxProductBits
}

// multiple of a measure: the constant is taken out of the aggregate, so that rounding can't be scaled away.
func (c *cut) multiple(e *query.Expr, a operand, k Expr) (operand, *Refusal) {
	if !k.Type.numeric() {
		return a, ruled("types", "operands", e.Pos, "a measure is multiplied by numbers", "")
	}
	a.konst = &k
	return a, nil
}

// branch recognises a CASE or IF with one condition: its value, or NULL or 0 otherwise.
func branch(e *query.Expr) (cond, then *query.Expr, zero, ok bool) {
	args := e.Args
	switch {
	case e.Kind == query.Case && !e.Operand && len(args) == 3:
	case e.Kind == query.Call && e.Text == "if" && len(args) == 3 && e.Filter == nil && e.Over == nil:
	default:
		return nil, nil, false, false
	}
	switch other := args[2]; {
	case other.Kind == query.Null:
		return args[0], args[1], false, true
	case other.Kind == query.Number && new(big.Rat).SetInt64(0).String() == ratText(other.Text):
		return args[0], args[1], true, true
	}
	return nil, nil, false, false
}

func ratText(s string) string {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return ""
	}
	return r.String()
}

// countOf is count(x) or count(DISTINCT x).
func (c *cut) countOf(e *query.Expr, o operand) (aggParts, *Refusal) {
	switch {
	case o.zero:
		return aggParts{}, ruled("aggregates", "expression", e.Pos, "this counts every row", "leave out ELSE 0")
	case e.Distinct && o.unit && o.field.ref.outer == nil:
		return c.plain(Agg{Op: AggCountUnits, When: o.when}), nil
	case e.Distinct:
		return aggParts{}, ruled("aggregates", "distinct", e.Pos, "DISTINCT is allowed in count(DISTINCT unit), and in count(DISTINCT dimension) of a query without groups", "").of(c.w.whose(c.in.tables))
	case o.unit:
		if o.field.ref.outer != nil {
			there := negated(*o.field.ref.outer)
			o.when = andAll(&there, o.when)
		}
		return c.plain(Agg{Op: AggCount, When: o.when}), nil
	case o.dim != nil:
		there := Expr{Op: OpNot, Type: Boolean, Args: []Expr{{Op: OpIsNull, Type: Boolean, Args: []Expr{*o.dim}}}}
		if o.field != nil && o.field.ref.view != nil && !o.field.ref.column.Nullable && !(c.in.step.Op == StepJoin && c.in.step.Outer) {
			return c.plain(Agg{Op: AggCount, When: o.when}), nil
		}
		return c.plain(Agg{Op: AggCount, When: andAll(&there, o.when)}), nil
	case o.arg == nil:
		return c.plain(Agg{Op: AggCount, When: o.when}), nil
	}
	if ref := c.permits(e, o, "count"); ref != nil {
		return aggParts{}, ref
	}
	return c.plain(c.valueCount(o)), nil
}

// valueCount counts the rows that an operand has a value in.
func (c *cut) valueCount(o operand) Agg {
	if !o.null {
		return Agg{Op: AggCount, When: o.when}
	}
	return Agg{Op: AggCountValue, Arg: o.arg, When: o.when, Scale: o.scale}
}

// permits checks that every policy permits an aggregate of the columns.
func (c *cut) permits(e *query.Expr, o operand, what string) *Refusal {
	for _, f := range o.fields {
		if f.ref.view == nil {
			if !contains(f.aggs, what) {
				return ruled("aggregates", "not-permitted", e.Pos, what+" of "+query.Quote(f.name)+" is not permitted", "").of(c.w.whose(c.in.tables))
			}
			continue
		}
		if whose := f.ref.view.lacking(f.ref.column.Name, func(r columnRule) bool { return r.measure && contains(r.aggregates, what) }); whose != nil {
			return ruled("aggregates", "not-permitted", e.Pos, what+" of "+query.Quote(f.name)+" is not permitted", "").of(whose)
		}
	}
	return nil
}

// sumOf is sum(x) or avg(x).
func (c *cut) sumOf(e *query.Expr, o operand) (aggParts, *Refusal) {
	if o.unit || o.dim != nil {
		ref := ruled("columns", "not-a-measure", e.Args[0].Pos, "this is a dimension, not a measure", "group by it").of(c.w.whose(c.in.tables))
		if o.unit {
			ref = c.w.bare(e.Args[0], &c.in, value{label: labelUnit}, useDimension)
		}
		return aggParts{}, ref
	}
	if o.arg == nil {
		return c.sumOfConstant(e, o)
	}
	if ref := c.permits(e, o, e.Text); ref != nil {
		return aggParts{}, ref
	}
	sum := Agg{Op: AggSum, Arg: o.arg, When: o.when, Scale: o.scale}
	out := aggParts{aggs: []Agg{sum}, factor: o.konst, allowed: c.perUnit(o)}
	if len(o.fields) == 1 { // a product is of another scale than the bins of what is multiplied
		out.bins = o.field.bins
	}
	if e.Text == "sum" {
		return out, nil
	}
	n := c.valueCount(o)
	if o.zero {
		if o.null {
			return out, ruled("aggregates", "expression", e.Pos, "a measure that may be NULL can't be averaged with zeros for other rows", "leave out ELSE 0").of(c.w.whose(c.in.tables))
		}
		n = Agg{Op: AggCount, When: o.filter}
	}
	out.aggs, out.mean = append(out.aggs, n), true
	return out, nil
}

// perUnit lists what may be computed of a per-unit sum: what may be computed of the measure.
func (c *cut) perUnit(o operand) []string {
	var out []string
	for _, a := range []string{"count", "sum", "avg", "stddev", "median", "quantile_cont"} {
		fits := a != "stddev" || len(o.fields) == 1 && (o.fields[0].ref.view == nil || c.productFits(o.fields[0], o.fields[0])) // squares of sums
		if fits && c.permits(&query.Expr{}, o, a) == nil {
			out = append(out, a)
		}
	}
	return out
}

// sumOfConstant is a count of the rows, times the constant.
func (c *cut) sumOfConstant(e *query.Expr, o operand) (aggParts, *Refusal) {
	if !o.konst.Type.numeric() || o.when == nil {
		return aggParts{}, ruled("aggregates", "expression", e.Pos, "an aggregate is of a measure, not of a constant", "count(*) counts rows").of(c.w.whose(c.in.tables))
	}
	out := aggParts{aggs: []Agg{{Op: AggCount, When: o.when}}, factor: o.konst, allowed: []string{"count", "sum", "avg"}}
	if e.Text == "avg" && o.zero {
		out.aggs, out.mean = append(out.aggs, Agg{Op: AggCount, When: o.filter}), true
	} else if e.Text == "avg" {
		return out, ruled("aggregates", "expression", e.Pos, "this average is the constant itself", "write ELSE 0 for a share")
	}
	return out, nil
}

// spread is a quantile or a standard deviation.
func (c *cut) spread(e *query.Expr, o operand) (aggParts, *Refusal) {
	if o.arg == nil || o.arg.Op != OpCol || o.konst != nil || o.zero {
		return aggParts{}, ruled("aggregates", "expression", e.Pos, e.Text+" is of a measure", "").of(c.w.whose(c.in.tables))
	}
	what := e.Text
	if what == "stddev_samp" {
		what = "stddev"
	}
	if ref := c.permits(e, o, what); ref != nil {
		return aggParts{}, ref
	}
	if what == "stddev" {
		if o.field.ref.view != nil && !c.productFits(o.field, o.field) {
			return aggParts{}, ruled("limits", "product", e.Pos, "the bounds of this measure are so wide that sums of its squares might not fit", "a narrower clamp")
		}
		return aggParts{aggs: []Agg{{Op: AggStddev, Arg: o.arg, When: o.when, Scale: o.scale}}}, nil
	}
	q := "0.5"
	if what == "quantile_cont" {
		x, ok, ref := c.w.literal(last(e.Args))
		if ref != nil {
			return aggParts{}, ref
		}
		r, isRat := new(big.Rat).SetString(x.Value)
		if len(e.Args) != 2 || !ok || !x.Type.numeric() || !isRat || r.Cmp(big.NewRat(1, 20)) < 0 || r.Cmp(big.NewRat(19, 20)) > 0 {
			return aggParts{}, ruled("aggregates", "quantile", e.Pos, "a quantile is at a constant from 0.05 to 0.95: further out it would be somebody's value", "").of(c.w.whose(c.in.tables))
		}
		q = trimZeros(x.Value)
	}
	return aggParts{aggs: []Agg{{Op: AggQuantile, Arg: o.arg, When: o.when, Scale: o.scale, Q: q}}}, nil
}

func last(list []*query.Expr) *query.Expr { return list[len(list)-1] }
