package policy

import (
	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// row converts an expression below the release, over columns of rows: a key of GROUP BY or WHERE. Only functions of
// declared dimensions have a label that may stand there. Dims are named by column until the set is chosen.
func (c *compiler) row(e *query.Expr, u use) (Expr, label, *Refusal) {
	if x, ok, r := c.literal(e); ok {
		return x, labelConst, r
	}
	switch {
	case e.Kind == query.Ident:
		return c.rowColumn(e, u)
	case e.Kind == query.Call && isAggregate(e.Text):
		return Expr{}, labelHidden, ruled("aggregates", "misplaced", e.Pos, "an aggregate can't stand here", "conditions on aggregates go into HAVING")
	}
	args, labels := make([]Expr, len(e.Args)), make([]label, len(e.Args))
	for i, a := range e.Args {
		var r *Refusal
		if args[i], labels[i], r = c.row(a, u); r != nil {
			return Expr{}, labelHidden, r
		}
	}
	if e.Kind == query.Cast {
		return c.rowCast(e, args[0], labels[0])
	}
	x, r := operate(e, args)
	if r != nil {
		return Expr{}, labelHidden, r
	}
	l := joinLabels(x.Type == Boolean, labels...)
	if l == labelHidden {
		return Expr{}, l, ruled("columns", "label", e.Pos, "this would show more than declared dimensions", "")
	}
	return x, l, nil
}

// rowCast permits casts of constants alone: on rows, a cast that fails is a condition on data.
func (c *compiler) rowCast(e *query.Expr, arg Expr, l label) (Expr, label, *Refusal) {
	if l != labelConst {
		return Expr{}, labelHidden, ruled("grammar", "cast-of-rows", e.Pos, "columns of rows can't be cast: a failing cast would be a condition on data", "cast released values")
	}
	x, r := castOf(e, arg)
	return x, l, r
}

// rowColumn gives a column its label by its roles in every policy concerned, and refuses all but dimensions.
func (c *compiler) rowColumn(e *query.Expr, u use) (Expr, label, *Refusal) {
	col, r := c.known(e)
	if r != nil {
		return Expr{}, labelHidden, r
	}
	l, r := c.label(e, col)
	if r != nil {
		return Expr{}, l, r
	}
	switch l {
	case labelUnit:
		return Expr{}, l, ruled("unit", "named", e.Pos, "the unit column may only be counted", "count(DISTINCT "+query.Quote(col.Name)+") counts units").of(c.names())
	case labelMeasure:
		return Expr{}, l, ruled("columns", "measure", e.Pos, "a measure can't be grouped by, filtered or shown", "aggregate it: sum, avg or count").of(c.names())
	}
	if whose := c.lacking(col.Name, func(r columnRule) bool { return r.dimension && (u != useFilter || r.filter) }); whose != nil {
		role := "dimension"
		if u == useFilter {
			role = "filter"
		}
		return Expr{}, labelHidden, ruled("columns", "no-role", e.Pos, "this column has no role "+role, "").of(whose)
	}
	if !col.Type.groupable() {
		return Expr{}, labelHidden, ruled("types", "dimension", e.Pos, "a column of type "+string(col.Type)+" can't be a dimension", "")
	}
	return Expr{Op: OpDim, Type: col.Type, Value: col.Name}, labelDim, nil
}

// known finds the column, or refuses a name that is none of the schema's.
func (c *compiler) known(e *query.Expr) (Column, *Refusal) {
	col, ok := c.column(e)
	if !ok {
		return col, ruled("columns", "unknown", e.Pos, "the data set has no such column", "")
	}
	return col, nil
}

// label is Unit or Measure where some policy gives that role, Dim where some policy makes the column a dimension, and
// refused where none gives it a role. In own mode every column but the unit is a dimension when it is named as one.
func (c *compiler) label(e *query.Expr, col Column) (label, *Refusal) {
	if c.own {
		return labelDim, nil
	}
	l := labelHidden
	for _, s := range c.table.Members {
		switch rule := s.Policy.columns[fold(col.Name)]; {
		case rule.unit:
			return labelUnit, nil
		case rule.measure:
			l = labelMeasure
		case rule.dimension && l == labelHidden:
			l = labelDim
		}
	}
	if l == labelHidden {
		return l, ruled("columns", "no-role", e.Pos, "this column has no role, so it can't be named", "").of(c.names())
	}
	return l, nil
}

func (c *compiler) names() (whose []string) {
	for _, s := range c.table.Members {
		whose = append(whose, s.name())
	}
	return whose
}
