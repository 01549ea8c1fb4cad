package policy

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// value is an expression below the boundary with its label; field is set where it is a bare column.
type value struct {
	expr  Expr
	label label
	field *field
}

// find looks a name up among the fields of a relation.
func (r *relation) find(e *query.Expr) (*field, *Refusal) {
	name := fold(e.Path[len(e.Path)-1])
	qual := fold(strings.Join(e.Path[:len(e.Path)-1], "."))
	var found *field
	for i := range r.fields {
		f := &r.fields[i]
		if fold(f.name) != name || qual != "" && !contains(f.quals, qual) || qual == "" && f.qualified {
			continue
		}
		if found != nil {
			return nil, ruled("columns", "ambiguous", e.Pos, "several columns have this name", "put the table's name before it")
		}
		found = f
	}
	if found == nil {
		return nil, ruled("columns", "unknown", e.Pos, "there is no such column here", "")
	}
	return found, nil
}

// row converts an expression over rows: a key, a condition, or an item of a subquery.
func (w *wide) row(e *query.Expr, r *relation, u use) (value, *Refusal) {
	if x, ok, ref := w.literal(e); ok {
		return value{expr: x, label: labelConst}, ref
	}
	if e.Over != nil {
		return value{}, ruled("grammar", "window", e.Pos, "window functions over rows would show single values", "aggregate with GROUP BY; windows go over released values")
	}
	switch {
	case e.Kind == query.Ident:
		return w.rowColumn(e, r, u)
	case e.Kind == query.Call && (isAggregate(e.Text) || wideAggregates[e.Text]):
		return value{}, ruled("aggregates", "misplaced", e.Pos, "an aggregate can't stand here", "conditions on aggregates go into HAVING")
	case e.Kind == query.IsNull && e.Args[0].Kind == query.Ident:
		if v, ok, ref := w.partner(e, r); ok || ref != nil {
			return v, ref
		}
	}
	if v, ok, ref := w.coarser(e, r, u); ok || ref != nil {
		return v, ref
	}
	args, labels := make([]value, len(e.Args)), make([]label, len(e.Args))
	exprs := make([]Expr, len(e.Args))
	for i, a := range e.Args {
		v, ref := w.row(a, r, u)
		if ref != nil {
			return v, ref
		}
		args[i], labels[i], exprs[i] = v, v.label, v.expr
	}
	if v, ok, ref := w.compared(e, r, args); ok || ref != nil {
		return v, ref
	}
	for i, a := range args {
		if ref := w.bare(e.Args[i], r, a, u); ref != nil {
			return value{}, ref
		}
	}
	if e.Kind == query.Cast {
		if labels[0] != labelConst {
			return value{}, ruled("grammar", "cast-of-rows", e.Pos, "columns of rows can't be cast: a failing cast would be a condition on data", "cast released values")
		}
		x, ref := castOf(e, exprs[0])
		return value{expr: x, label: labelConst}, ref
	}
	x, ref := operate(e, exprs)
	if ref != nil {
		return value{}, ref
	}
	l := joinLabels(x.Type == Boolean, labels...)
	if l == labelHidden {
		return value{}, ruled("columns", "label", e.Pos, "this would show more than declared dimensions", "")
	}
	return value{expr: x, label: l}, nil
}

func (w *wide) literal(e *query.Expr) (Expr, bool, *Refusal) {
	c := compiler{req: w.req}
	return c.literal(e)
}

// rowColumn gives a column's value. What may be made of it is decided where it is used.
func (w *wide) rowColumn(e *query.Expr, r *relation, u use) (value, *Refusal) {
	f, ref := r.find(e)
	if ref != nil {
		return value{}, ref
	}
	if f.label == labelHidden {
		return value{}, ruled("columns", "no-role", e.Pos, "this column has no role, so it can't be named", "").of(w.whoseField(f, r))
	}
	if f.label == labelDim || f.label == labelRaw {
		if ref := w.role(e, f, u); ref != nil {
			return value{}, ref
		}
	}
	return value{expr: f.expr, label: f.label, field: f}, nil
}

func (w *wide) whoseField(f *field, r *relation) []string {
	if f.ref.view != nil {
		return f.ref.view.names()
	}
	return w.whose(r.tables)
}

// role checks that every policy lets a dimension be used like this.
func (w *wide) role(e *query.Expr, f *field, u use) *Refusal {
	if f.ref.view == nil {
		return nil
	}
	pass := func(r columnRule) bool { return u == useFilter && r.filter || u == useDimension && r.dimension }
	if u == usePassed {
		pass = func(r columnRule) bool { return r.filter || r.dimension }
	}
	if whose := f.ref.view.lacking(f.ref.column.Name, pass); whose != nil {
		return ruled("columns", "no-role", e.Pos, "this column has no role "+map[use]string{useFilter: "filter", useDimension: "dimension", usePassed: "dimension"}[u], "").of(whose)
	}
	if !f.ref.column.Type.groupable() {
		return ruled("types", "dimension", e.Pos, "a column of type "+string(f.ref.column.Type)+" can't be a dimension", "")
	}
	return nil
}

// bare refuses a column that may not stand as it is among the arguments of a function.
func (w *wide) bare(e *query.Expr, r *relation, v value, u use) *Refusal {
	switch v.label {
	case labelUnit:
		return ruled("unit", "named", e.Pos, "the unit column may only be counted", "count(DISTINCT "+query.Quote(e.Format())+") counts units").of(w.whose(r.tables))
	case labelMeasure:
		return ruled("columns", "measure", e.Pos, "a measure can't be grouped by, filtered or shown, but by its declared bins", w.binsHint(v.field)).of(w.whose(r.tables))
	case labelRaw:
		return ruled("columns", "grain", e.Pos, "this column may only be used in a coarser form", w.coarserHint(v.field)).of(w.whoseField(v.field, r))
	}
	return nil
}

func (w *wide) binsHint(f *field) string {
	if f == nil || len(f.bins) == 0 {
		return "aggregate it"
	}
	var list []string
	for _, b := range f.bins {
		list = append(list, b.Value)
	}
	return "aggregate it, or compare it with " + strings.Join(list, ", ")
}

func (w *wide) coarserHint(f *field) string {
	grain, only := f.ref.view.coarsest(f.ref.column.Name)
	switch {
	case grain != "":
		return "date_trunc('" + grain + "', ...) or coarser"
	case only.kind == "left":
		return "left(" + f.name + ", " + itoa(int(only.n)) + ")"
	case only.kind == "floor":
		n := itoa(int(only.n))
		return "floor(" + f.name + " / " + n + ") * " + n
	}
	return ""
}

// partner reads key IS NULL on the outer side of a left join: the one test of a unit that is permitted.
func (w *wide) partner(e *query.Expr, r *relation) (value, bool, *Refusal) {
	f, ref := r.find(e.Args[0])
	if ref == nil && f.label == labelMeasure && f.ref.outer != nil {
		x := Expr{Op: OpIsNull, Type: Boolean, Args: []Expr{f.expr}}
		if e.Not {
			x = Expr{Op: OpNot, Type: Boolean, Args: []Expr{x}}
		}
		return value{expr: x, label: labelPred}, true, nil
	}
	if ref != nil || f.label != labelUnit {
		return value{}, false, ref
	}
	if f.ref.outer == nil {
		if w.units(r).Unique {
			return value{}, false, nil
		}
		// Rows without a unit are left out of everything, so no row is there in which it is NULL.
		return value{expr: Expr{Op: OpConst, Type: Boolean, Value: map[bool]string{false: "false", true: "true"}[e.Not]}, label: labelPred}, true, nil
	}
	x := *f.ref.outer
	if e.Not {
		x = negated(x)
	}
	return value{expr: x, label: labelPred}, true, nil
}

// negated is NOT of a condition.
func negated(x Expr) Expr {
	if x.Op == OpNot {
		return x.Args[0]
	}
	return Expr{Op: OpNot, Type: Boolean, Args: []Expr{x}}
}

// units of the table that a relation's units come from.
func (w *wide) units(r *relation) Unit { return w.views[r.tables[0]].unit() }

var grains = []string{"week", "month", "quarter", "year"}

// coarser reads the forms in which a date or a dimension with only_as may be named: date_trunc, year, quarter, month,
// extract, left, and floor(x / n) * n.
func (w *wide) coarser(e *query.Expr, r *relation, u use) (value, bool, *Refusal) {
	if n, arg, ok := bandOf(e); ok {
		return w.band(arg, n, r, u)
	}
	if e.Kind != query.Call || e.Star || e.Distinct || e.Filter != nil {
		return value{}, false, nil
	}
	switch {
	case (e.Text == "year" || e.Text == "quarter" || e.Text == "month") && len(e.Args) == 1:
		return w.datePart(e, e.Text, e.Args[0], r, u)
	case (e.Text == "extract" || e.Text == "date_part") && len(e.Args) == 2 && e.Args[0].Kind == query.String:
		return w.datePart(e, strings.ToLower(e.Args[0].Text), e.Args[1], r, u)
	case e.Text == "date_trunc" && len(e.Args) == 2 && e.Args[0].Kind == query.String:
		return w.dateTrunc(e, strings.ToLower(e.Args[0].Text), e.Args[1], r, u)
	case e.Text == "left" && len(e.Args) == 2 && e.Args[1].Kind == query.Number:
		return w.left(e, r, u)
	}
	return value{}, false, nil
}

func (w *wide) date(e *query.Expr, arg *query.Expr, r *relation, u use) (value, *Refusal) {
	v, ref := w.row(arg, r, u)
	if ref != nil {
		return v, ref
	}
	if v.label != labelRaw && v.label != labelDim || v.expr.Type != Date {
		if ref := w.bare(arg, r, v, u); ref != nil && v.label != labelRaw {
			return v, ref
		}
		return v, ruled("types", "date", e.Pos, "this function takes a date that is a dimension", "")
	}
	return v, nil
}

// fine reports whether a grain forbids a form as fine as that.
func (w *wide) fine(v value, form string) bool {
	if v.label != labelRaw {
		return false
	}
	grain, only := v.field.ref.view.coarsest(v.field.ref.column.Name)
	return grain == "" || only.kind != "" || slices.Index(grains, form) < slices.Index(grains, grain)
}

func (w *wide) datePart(e *query.Expr, part string, arg *query.Expr, r *relation, u use) (value, bool, *Refusal) {
	v, ref := w.date(e, arg, r, u)
	if ref != nil {
		return v, false, ref
	}
	if !contains([]string{"year", "quarter", "month"}, part) || w.fine(v, part) {
		return v, false, ruled("columns", "grain", e.Pos, "this part of a date is not in the grammar, or finer than the policy lets it be", "year, quarter or month").of(w.whose(r.tables))
	}
	return value{expr: Expr{Op: OpPart, Type: Int64, Value: part, Args: []Expr{v.expr}}, label: labelDim}, true, nil
}

func (w *wide) dateTrunc(e *query.Expr, form string, arg *query.Expr, r *relation, u use) (value, bool, *Refusal) {
	v, ref := w.date(e, arg, r, u)
	if ref != nil {
		return v, false, ref
	}
	if !contains(grains, form) || w.fine(v, form) {
		return v, false, ruled("columns", "grain", e.Pos, "dates are cut to the week, month, quarter or year, and no finer than the policy lets them be", "").of(w.whose(r.tables))
	}
	return value{expr: Expr{Op: OpTrunc, Type: Date, Value: form, Args: []Expr{v.expr}}, label: labelDim}, true, nil
}

// left is the first characters of a text: of a column with only_as, no more than it says.
func (w *wide) left(e *query.Expr, r *relation, u use) (value, bool, *Refusal) {
	v, ref := w.row(e.Args[0], r, u)
	if ref != nil {
		return v, false, ref
	}
	n := e.Args[1].Text
	if v.label == labelRaw {
		_, only := v.field.ref.view.coarsest(v.field.ref.column.Name)
		if only.kind != "left" || n != itoa(int(only.n)) {
			return v, false, w.bare(e.Args[0], r, v, u)
		}
	} else if ref := w.bare(e.Args[0], r, v, u); ref != nil {
		return v, false, ref
	}
	if v.expr.Type != Varchar || len(n) > 3 || !isDecimal(n) || strings.Contains(n, ".") {
		return v, false, ruled("types", "operands", e.Pos, "left takes a text and a whole number", "")
	}
	l := v.label
	if l == labelRaw {
		l = labelDim
	}
	return value{expr: Expr{Op: OpLeft, Type: Varchar, Value: n, Args: []Expr{v.expr}}, label: l}, true, nil
}

// bandOf recognises floor(x / n) * n.
func bandOf(e *query.Expr) (n string, arg *query.Expr, ok bool) {
	if e.Kind != query.Binary || e.Text != "*" || e.Args[1].Kind != query.Number {
		return "", nil, false
	}
	f := e.Args[0]
	if f.Kind != query.Call || f.Text != "floor" || len(f.Args) != 1 || f.Filter != nil || f.Over != nil {
		return "", nil, false
	}
	d := f.Args[0]
	if d.Kind != query.Binary || d.Text != "/" || d.Args[1].Kind != query.Number || d.Args[0].Kind != query.Ident || d.Args[1].Text != e.Args[1].Text {
		return "", nil, false
	}
	return e.Args[1].Text, d.Args[0], true
}

func (w *wide) band(arg *query.Expr, n string, r *relation, u use) (value, bool, *Refusal) {
	f, ref := r.find(arg)
	if ref != nil || f.label != labelRaw && f.label != labelDim || f.expr.Type.class() != classInt {
		return value{}, false, nil
	}
	if ref := w.role(arg, f, u); ref != nil {
		return value{}, false, ref
	}
	if f.label == labelRaw {
		_, only := f.ref.view.coarsest(f.ref.column.Name)
		if only.kind != "floor" || n != itoa(int(only.n)) {
			return value{}, false, w.bare(arg, r, value{expr: f.expr, label: f.label, field: f}, u)
		}
	}
	if text, ok := Int64.canonical(n); !ok || text != n || n == "0" {
		return value{}, false, nil
	}
	return value{expr: Expr{Op: OpBand, Type: Int64, Value: n, Args: []Expr{f.expr}}, label: labelDim}, true, nil
}

// compared reads comparisons of measures with their bins, and of dates with constants that their grain permits.
func (w *wide) compared(e *query.Expr, r *relation, args []value) (value, bool, *Refusal) {
	special := slices.IndexFunc(args, func(v value) bool { return v.label == labelMeasure || v.label == labelRaw })
	if special < 0 || e.Kind != query.Binary && e.Kind != query.Between {
		return value{}, false, nil
	}
	op := e.Text
	if e.Kind == query.Binary && binaryOps[op] != OpLt && binaryOps[op] != OpLe && binaryOps[op] != OpGt && binaryOps[op] != OpGe {
		return value{}, false, nil
	}
	v := args[special]
	exprs := make([]Expr, len(args))
	for i, a := range args {
		exprs[i] = a.expr
		if i == special {
			continue
		}
		if a.label != labelConst {
			return value{}, false, nil
		}
		x, ref := w.permitted(e.Args[i], v, a.expr, boundary(op, special))
		if ref != nil {
			return value{}, false, ref.of(w.whoseField(v.field, r))
		}
		exprs[i] = x
	}
	x, ref := operate(e, exprs)
	return value{expr: x, label: labelPred}, ref == nil, ref
}

// boundary reports whether a comparison cuts between two values of a band: below its lower end and from there on.
func boundary(op string, special int) bool {
	if special == 1 {
		return op == ">" || op == "<="
	}
	return op == "<" || op == ">="
}

// permitted checks a constant that a measure or a restricted dimension is compared with.
func (w *wide) permitted(e *query.Expr, v value, c Expr, boundary bool) (Expr, *Refusal) {
	if v.label == labelMeasure {
		return w.bin(e, v, c)
	}
	grain, only := v.field.ref.view.coarsest(v.field.ref.column.Name)
	x, ok := coerce(c, v.expr.Type)
	switch {
	case !ok:
	case grain == "week" && only.kind == "":
		return x, nil
	case grain != "" && only.kind == "" && startOf(grain, x.Value):
		return x, nil
	case only.kind == "floor" && boundary && multipleOf(x.Value, only.n):
		return x, nil
	}
	return x, ruled("columns", "grain", e.Pos, "this column may be compared only with constants that its grain permits", w.coarserHint(v.field))
}

// bin: measures are compared with their declared bins alone.
func (w *wide) bin(e *query.Expr, v value, c Expr) (Expr, *Refusal) {
	f := v.field
	if f != nil {
		for _, b := range f.bins {
			if sameNumber(b, c) {
				return f.scaledConst(b)
			}
		}
	}
	return c, ruled("columns", "bins", e.Pos, "a measure may be compared only with its declared bins", w.binsHint(f))
}

// scaledConst is a bin as the constant that the field's own type compares with: per-unit sums are whole numbers of 10^-scale.
func (f *field) scaledConst(b Expr) (Expr, *Refusal) {
	if f.ref.view != nil {
		x, _ := coerce(b, f.expr.Type)
		return x, nil
	}
	n, ok := scaleDecimal(b.Value, f.scale)
	if !ok {
		return b, &Refusal{Rule: "columns", Code: "bins", Msg: "a bin does not fit the measure's scale"}
	}
	return Expr{Op: OpConst, Type: Int64, Value: itoa64(n)}, nil
}

func sameNumber(a, b Expr) bool {
	return b.Op == OpConst && b.Type.numeric() && trimZeros(a.Value) == trimZeros(b.Value)
}

// startOf reports whether a date begins a month, quarter or year.
func startOf(grain, date string) bool {
	if len(date) != len("2006-01-02") || date[8:] != "01" {
		return false
	}
	month := date[5:7]
	switch grain {
	case "quarter":
		return contains([]string{"01", "04", "07", "10"}, month)
	case "year":
		return month == "01"
	}
	return grain == "month"
}
