package canon

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

var comparisons = map[string]string{
	"COMPARE_EQUAL": "=", "COMPARE_NOTEQUAL": "<>", "COMPARE_LESSTHAN": "<", "COMPARE_LESSTHANOREQUALTO": "<=",
	"COMPARE_GREATERTHAN": ">", "COMPARE_GREATERTHANOREQUALTO": ">=", "COMPARE_NOT_DISTINCT_FROM": Same,
}

var operators = map[string]Kind{
	"OPERATOR_NOT": Not, "OPERATOR_IS_NULL": IsNull, "OPERATOR_COALESCE": Coalesce, "COMPARE_IN": In, "COMPARE_NOT_IN": NotIn,
}

// expr reads an expression without alias.
func (o object) expr(depth int) *Expr {
	if o.r.bad || depth > maxNesting {
		o.r.fail()
		return &Expr{}
	}
	depth++
	o.must("alias", "")
	o.location()
	class, kind := o.text("class"), o.text("type")
	e := &Expr{}
	switch class {
	case "COLUMN_REF":
		o.columnRef(e, kind)
	case "CONSTANT":
		o.constant(e, kind)
	case "FUNCTION":
		o.function(e, kind, depth)
	case "CAST":
		o.cast(e, kind, depth)
	case "COMPARISON":
		if e.Kind, e.Name = Compare, comparisons[kind]; e.Name == "" {
			o.r.fail()
		}
		e.Args = []*Expr{o.child("left").expr(depth), o.child("right").expr(depth)}
	case "CONJUNCTION":
		if e.Kind = (map[string]Kind{"CONJUNCTION_AND": And, "CONJUNCTION_OR": Or})[kind]; e.Kind == 0 {
			o.r.fail()
		}
		e.Args = o.exprs("children", 2, depth)
	case "OPERATOR":
		if e.Kind = operators[kind]; e.Kind == 0 {
			o.r.fail()
		}
		e.Args = o.exprs("children", 1, depth)
	case "CASE":
		o.caseExpr(e, kind, depth)
	case "WINDOW":
		o.window(e, kind, depth)
	default:
		o.r.fail()
	}
	o.done()
	return e
}

func (o object) exprs(key string, least, depth int) (out []*Expr) {
	for _, v := range o.list(key) {
		out = append(out, o.r.object(v).expr(depth))
	}
	if len(out) < least {
		o.r.fail()
	}
	return out
}

func (o object) columnRef(e *Expr, kind string) {
	names := o.list("column_names")
	if kind != "COLUMN_REF" || len(names) != 2 {
		o.r.fail()
		return
	}
	var ok1, ok2 bool
	e.Kind = Column
	e.Table, ok1 = names[0].(string)
	e.Name, ok2 = names[1].(string)
	if !ok1 || !ok2 {
		o.r.fail()
	}
}

func (o object) constant(e *Expr, kind string) {
	v := o.child("value")
	t := v.child("type")
	id := t.text("id")
	t.must("type_info", nil)
	t.done()
	switch null := v.flag("is_null"); {
	case kind != "VALUE_CONSTANT":
		o.r.fail()
	case null && id == "NULL":
		e.Kind = Null
	case !null && id == "VARCHAR":
		e.Kind, e.Text = Text, v.text("value")
	default:
		o.r.fail()
	}
	v.done()
}

func (o object) function(e *Expr, kind string, depth int) {
	if kind != "FUNCTION" {
		o.r.fail()
	}
	e.Kind, e.Name, e.Distinct = Func, o.text("function_name"), o.flag("distinct")
	o.must("catalog", "system")
	o.must("schema", "main")
	o.must("is_operator", false)
	o.must("export_state", false)
	o.must("order_bys", map[string]any{"type": "ORDER_MODIFIER", "orders": []any{}})
	e.Args = o.exprs("children", 0, depth)
	e.Filter = o.optional("filter", depth)
}

func (o object) cast(e *Expr, kind string, depth int) {
	if kind != "OPERATOR_CAST" {
		o.r.fail()
	}
	e.Kind = Cast
	if o.flag("try_cast") {
		e.Kind = TryCast
	}
	e.Name = o.child("cast_type").sqlType()
	e.Args = []*Expr{o.child("child").expr(depth)}
}

// sqlType writes a logical type as this package prints it.
func (o object) sqlType() string {
	id := o.text("id")
	if id != "DECIMAL" {
		o.must("type_info", nil)
		o.done()
		return id
	}
	info := o.child("type_info")
	info.must("type", "DECIMAL_TYPE_INFO")
	info.must("alias", "")
	info.must("extension_info", nil)
	width, scale := info.count("width"), info.count("scale")
	info.done()
	o.done()
	return "DECIMAL(" + strconv.Itoa(width) + "," + strconv.Itoa(scale) + ")"
}

func (o object) count(key string) int {
	n, ok := o.take(key).(json.Number)
	i, err := strconv.Atoi(n.String())
	if !ok || err != nil || i < 0 {
		o.r.fail()
	}
	return i
}

func (o object) caseExpr(e *Expr, kind string, depth int) {
	if kind != "CASE_EXPR" {
		o.r.fail()
	}
	e.Kind = Case
	for _, v := range o.list("case_checks") {
		check := o.r.object(v)
		e.Args = append(e.Args, check.child("when_expr").expr(depth), check.child("then_expr").expr(depth))
		check.done()
	}
	if len(e.Args) == 0 {
		o.r.fail()
	}
	e.Args = append(e.Args, o.child("else_expr").expr(depth))
}

var windowKinds = map[string]string{
	"row_number": "WINDOW_ROW_NUMBER", "rank": "WINDOW_RANK", "dense_rank": "WINDOW_RANK_DENSE", "percent_rank": "WINDOW_PERCENT_RANK",
	"cume_dist": "WINDOW_CUME_DIST", "ntile": "WINDOW_NTILE", "lag": "WINDOW_LAG", "lead": "WINDOW_LEAD",
	"first_value": "WINDOW_FIRST_VALUE", "last_value": "WINDOW_LAST_VALUE",
}

func (o object) window(e *Expr, kind string, depth int) {
	e.Kind, e.Name, e.Span = Window, o.text("function_name"), &Span{}
	want := windowKinds[e.Name]
	if want == "" {
		want = "WINDOW_AGGREGATE"
	}
	if kind != want {
		o.r.fail()
	}
	o.must("schema", "main")
	o.must("catalog", "system")
	e.Args = o.exprs("children", 0, depth)
	if x := o.optional("offset_expr", depth); x != nil {
		e.Args = append(e.Args, x)
	}
	for _, absent := range []string{"default_expr", "filter_expr"} {
		o.must(absent, nil)
	}
	for _, no := range []string{"ignore_nulls", "distinct"} {
		o.must(no, false)
	}
	o.must("exclude_clause", "NO_OTHER")
	o.must("arg_orders", []any{})
	e.Span.Partition = o.exprs("partitions", 0, depth)
	for _, v := range o.list("orders") {
		e.Span.OrderBy = append(e.Span.OrderBy, o.r.object(v).order(depth))
	}
	e.Span.Start, e.Span.End = o.frameBound("start", depth), o.frameBound("end", depth)
	if e.Span.Start.Kind == "UNBOUNDED_PRECEDING" && e.Span.End.Kind == "CURRENT_ROW_RANGE" {
		e.Span.Start, e.Span.End = Bound{}, Bound{}
	}
}

var frameKinds = []string{"UNBOUNDED_PRECEDING", "EXPR_PRECEDING_ROWS", "CURRENT_ROW_ROWS", "CURRENT_ROW_RANGE", "EXPR_FOLLOWING_ROWS", "UNBOUNDED_FOLLOWING"}

func (o object) frameBound(end string, depth int) Bound {
	b := Bound{Kind: o.text(end)}
	n := o.optional(end+"_expr", depth)
	has := strings.HasPrefix(b.Kind, "EXPR_")
	if !slices.Contains(frameKinds, b.Kind) || has != (n != nil) {
		o.r.fail()
		return b
	}
	if has {
		if n.Kind != Cast || n.Name != "BIGINT" || n.Args[0].Kind != Text {
			o.r.fail()
			return b
		}
		b.Rows = n.Args[0].Text
	}
	return b
}
