package policy

import (
	"math"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// singleValues are aggregates that show values of single units, or more moments than a guard can hold; they are known in
// order to be refused by name. Whatever is not listed anywhere is refused as well.
var singleValues = map[string]bool{
	"min": true, "max": true, "arg_min": true, "arg_max": true, "argmin": true, "argmax": true, "min_by": true, "max_by": true,
	"first": true, "last": true, "any_value": true, "arbitrary": true, "mode": true, "string_agg": true, "group_concat": true,
	"listagg": true, "list": true, "array_agg": true, "histogram": true, "approx_top_k": true, "reservoir_quantile": true,
	"bit_and": true, "bit_or": true, "bit_xor": true, "bool_and": true, "bool_or": true, "product": true, "entropy": true,
	"median": true, "quantile": true, "quantile_cont": true, "quantile_disc": true, "percentile_cont": true,
	"percentile_disc": true, "stddev": true, "stddev_samp": true, "stddev_pop": true, "variance": true, "var_samp": true,
	"var_pop": true, "skewness": true, "kurtosis": true, "corr": true, "covar_samp": true, "covar_pop": true, "mad": true,
	"count_if": true, "countif": true, "approx_count_distinct": true, "approx_quantile": true, "favg": true, "fsum": true,
	"kahan_sum": true, "sumkahan": true, "mean": true, "json_group_array": true, "json_group_object": true,
}

func isAggregate(name string) bool {
	return name == "count" || name == "sum" || name == "avg" || singleValues[name]
}

func hasAggregate(e *query.Expr) bool {
	if e.Kind == query.Call && isAggregate(e.Text) {
		return true
	}
	for _, a := range e.Args {
		if hasAggregate(a) {
			return true
		}
	}
	return false
}

// aggregate makes a bare aggregate call part of the release. Only names and arities of this list pass.
func (c *compiler) aggregate(e *query.Expr) (Expr, *Refusal) {
	switch {
	case e.Text == "count" && e.Star && !e.Distinct:
		return c.base(BaseCount, -1), nil
	case e.Text == "count" && e.Distinct && len(e.Args) == 1:
		return c.countUnits(e)
	case e.Star || e.Distinct || singleValues[e.Text]:
		return Expr{}, ruled("aggregates", "not-listed", e.Pos, "this aggregate is not allowed: it could show single values or single units", "allowed are count(*), count(x), count(DISTINCT unit), sum(x), avg(x)").of(c.names())
	case len(e.Args) != 1:
		return Expr{}, ruled("aggregates", "arity", e.Pos, e.Text+" takes one argument", "")
	}
	col, r := c.aggregated(e)
	if r != nil {
		return Expr{}, r
	}
	if e.Text == "count" && !c.isMeasure(col) {
		return c.countColumn(e, col)
	}
	if whose := c.lacking(col.Name, func(r columnRule) bool { return r.measure && contains(r.aggregates, e.Text) }); whose != nil {
		return Expr{}, ruled("aggregates", "not-permitted", e.Pos, e.Text+" of "+query.Quote(col.Name)+" is not permitted", "").of(whose)
	}
	if e.Text != "sum" && col.Nullable && !c.own && c.crosses() {
		return Expr{}, ruled("aggregates", "count-nullable", e.Pos, query.Quote(col.Name)+" may be NULL, and the policies allow sets of more than one column: counts of rows and of values together could show a cell of either", "sum("+query.Quote(col.Name)+") is allowed; publish the column without NULL to count it").of(c.names())
	}
	m, r := c.measure(e, col)
	if r != nil {
		return Expr{}, r
	}
	switch e.Text {
	case "count":
		return c.base(BaseCountValue, m), nil
	case "sum":
		return c.base(BaseSum, m), nil
	}
	return Expr{Op: OpAvg, Type: Double, Args: []Expr{c.base(BaseSum, m), c.base(BaseCountValue, m)}}, nil
}

// aggregated finds the one column that an aggregate is of.
func (c *compiler) aggregated(e *query.Expr) (Column, *Refusal) {
	arg := e.Args[0]
	if arg.Kind != query.Ident {
		return Column{}, ruled("aggregates", "expression", arg.Pos, "an aggregate is of a column, not of an expression: conditions and arithmetic inside make cells of their own", "aggregate the column and compute with the result")
	}
	col, r := c.known(arg)
	if r != nil {
		return col, r
	}
	l, r := c.label(arg, col)
	if r != nil {
		return col, r
	}
	if l == labelUnit {
		return col, ruled("unit", "named", arg.Pos, "the unit column may only be counted", "count(DISTINCT "+query.Quote(col.Name)+") counts units").of(c.names())
	}
	if l == labelDim && !c.own && e.Text != "count" {
		return col, ruled("columns", "not-a-measure", arg.Pos, "this column is a dimension, not a measure", "group by it").of(c.names())
	}
	return col, nil
}

func (c *compiler) isMeasure(col Column) bool {
	return c.own && col.Type.aggregable(18) || c.lacking(col.Name, func(r columnRule) bool { return !r.measure }) != nil
}

// countColumn is count(dimension): all rows, if there is no NULL to leave out.
func (c *compiler) countColumn(e *query.Expr, col Column) (Expr, *Refusal) {
	if col.Nullable {
		return Expr{}, ruled("aggregates", "count-dimension", e.Pos, "a dimension that may be NULL can't be counted", "group by it, or write count(*) with WHERE ... IS NOT NULL").of(c.names())
	}
	return c.base(BaseCount, -1), nil
}

func (c *compiler) countUnits(e *query.Expr) (Expr, *Refusal) {
	arg := e.Args[0]
	if arg.Kind == query.Ident {
		if col, ok := c.column(arg); ok && fold(col.Name) == fold(c.unit().Column) {
			return c.base(BaseCountUnits, -1), nil
		}
	}
	return Expr{}, ruled("aggregates", "distinct", e.Pos, "DISTINCT is allowed in count(DISTINCT "+query.Quote(c.unit().Column)+") alone: over other columns it tells whether a value is there", "").of(c.names())
}

// unit is the unit of all sources: they have one schema, and must name one column. Only if every owner says so is each
// row a unit of its own.
func (c *compiler) unit() Unit {
	u := Unit{Unique: true}
	for _, s := range c.table.Members {
		col := c.index[fold(s.Policy.unit.column)]
		u.Column, u.Unique = col.Name, u.Unique && s.Policy.unit.rowsAreUnits
	}
	return u
}

// base returns a reference to the base, which is released once however often it is named.
func (c *compiler) base(op BaseOp, measure int) Expr {
	b := Base{Op: op, Measure: measure}
	for i, have := range c.bases {
		if have == b {
			return Expr{Op: OpBase, Type: c.baseType(i), Index: i}
		}
	}
	c.bases = append(c.bases, b)
	return Expr{Op: OpBase, Type: c.baseType(len(c.bases) - 1), Index: len(c.bases) - 1}
}

func (c *compiler) baseType(i int) Type {
	p := Plan{Release: Release{Bases: c.bases, Measures: c.measures}}
	return p.BaseType(i)
}

// measure registers a column as integers of 10^-scale within a clamp on which all policies agree.
func (c *compiler) measure(e *query.Expr, col Column) (int, *Refusal) {
	for i, m := range c.measures {
		if m.Column == col.Name {
			return i, nil
		}
	}
	m := Measure{Column: col.Name, Type: col.Type, Nullable: col.Nullable}
	first := c.table.Members[0].Policy.columns[fold(col.Name)]
	if c.own && !first.measure {
		first = wholeRange(col.Type)
	}
	m.Scale, m.Lo, m.Hi = first.scale, first.clamp[0], first.clamp[1]
	same := func(r columnRule) bool { return r.scale == m.Scale && r.clamp == first.clamp }
	if whose := c.lacking(col.Name, same); whose != nil {
		return 0, ruled("columns", "clamp", e.Pos, "the policies differ in clamp or scale of "+query.Quote(col.Name), "the pool's members must agree on them").of(whose)
	}
	if !col.Type.aggregable(m.Scale) {
		return 0, ruled("types", "measure", e.Pos, "a column of type "+string(col.Type)+" can't be aggregated", "publish it as whole numbers or as decimal(p,s) with p at most 18")
	}
	c.measures = append(c.measures, m)
	return len(c.measures) - 1, nil
}

// wholeRange clamps an owner's own column, for which no rule is written, to what its type holds.
func wholeRange(t Type) columnRule {
	if _, s, ok := t.Decimal(); ok {
		return columnRule{scale: s, clamp: [2]int64{-maxClampAbs, maxClampAbs}}
	}
	if t == Int32 {
		return columnRule{clamp: [2]int64{math.MinInt32, math.MaxInt32}}
	}
	return columnRule{clamp: [2]int64{-math.MaxInt64, math.MaxInt64}}
}
