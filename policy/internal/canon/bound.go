package canon

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// Field is a column that a leaf of a bound plan reads, with the engine's type.
type Field struct{ Name, Type string }

// Leaf is a LOGICAL_GET of a bound plan: the files of read_parquet, or a table.
type Leaf struct {
	Files  []string
	Table  string
	Fields []Field // in the order of the file or table
}

var planOperators = []string{
	"LOGICAL_PROJECTION", "LOGICAL_FILTER", "LOGICAL_AGGREGATE_AND_GROUP_BY", "LOGICAL_UNION", "LOGICAL_ORDER_BY",
	"LOGICAL_LIMIT", "LOGICAL_GET",
}

var planExpressions = []string{
	"BOUND_REF", "BOUND_CONSTANT", "BOUND_CAST", "BOUND_COMPARISON", "BOUND_CONJUNCTION", "BOUND_OPERATOR", "BOUND_CASE",
	"BOUND_FUNCTION", "BOUND_AGGREGATE",
}

// allowed lists what the bound plan of a query may hold beside that: what goes with a construct that the query has.
func (q Query) allowed() (operators, expressions []string) {
	operators, expressions = slices.Clone(planOperators), slices.Clone(planExpressions)
	q.eachSelect(func(s *Select) {
		if s.Unique {
			operators = append(operators, "LOGICAL_DISTINCT")
		}
		s.From.eachJoin(func(j *Join) {
			if j.On == nil {
				operators = append(operators, "LOGICAL_CROSS_PRODUCT")
			} else {
				operators = append(operators, "LOGICAL_COMPARISON_JOIN", "LOGICAL_ANY_JOIN")
			}
		})
		s.ownExpr(func(e *Expr) {
			if e.Kind == Window {
				operators, expressions = append(operators, "LOGICAL_WINDOW"), append(expressions, "BOUND_WINDOW")
			}
		})
	})
	return operators, expressions
}

// eachSelect visits all SELECTs of a query, derived tables included.
func (q Query) eachSelect(visit func(*Select)) {
	for _, s := range q {
		visit(s)
		s.From.eachSelect(visit)
	}
}

func (f From) eachSelect(visit func(*Select)) {
	switch {
	case f.Sub != nil:
		Query{f.Sub}.eachSelect(visit)
	case f.Union != nil:
		f.Union.eachSelect(visit)
	case f.Join != nil:
		f.Join.Left.eachSelect(visit)
		f.Join.Right.eachSelect(visit)
	}
}

func (f From) eachJoin(visit func(*Join)) {
	if f.Join != nil {
		visit(f.Join)
		f.Join.Left.eachJoin(visit)
		f.Join.Right.eachJoin(visit)
	}
}

// ParseBound reads the answer of json_serialize_plan for a canonical query and gives what it reads, in order. Operators,
// kinds of expression and functions that the query can't need are refused.
func ParseBound(q Query, b []byte) ([]Leaf, error) {
	r := &reader{}
	top := r.parse(b)
	top.must("error", false)
	plans := top.list("plans")
	top.done()
	if r.bad || len(plans) != 1 {
		return nil, ErrForm
	}
	w := &walker{r: r, functions: q.functions()}
	w.operators, w.expressions = q.allowed()
	w.walk(plans[0], 0)
	if r.bad {
		return nil, ErrForm
	}
	return w.leaves, nil
}

// functions lists the functions that the query names.
func (q Query) functions() map[string]bool {
	out := map[string]bool{}
	q.eachSelect(func(s *Select) {
		s.ownExpr(func(e *Expr) {
			if e.Kind == Func || e.Kind == Window {
				out[e.Name] = true
			}
		})
	})
	return out
}

// ownExpr visits the expressions of a SELECT, without those of its derived tables.
func (s *Select) ownExpr(visit func(*Expr)) {
	for _, it := range s.Items {
		it.Expr.each(visit)
	}
	if s.Where != nil {
		s.Where.each(visit)
	}
	for _, g := range s.Group {
		g.each(visit)
	}
	for _, o := range s.OrderBy {
		o.Expr.each(visit)
	}
	s.From.eachJoin(func(j *Join) {
		if j.On != nil {
			j.On.each(visit)
		}
	})
}

func (e *Expr) each(visit func(*Expr)) {
	visit(e)
	if e.Filter != nil {
		e.Filter.each(visit)
	}
	for _, a := range e.Args {
		a.each(visit)
	}
	if e.Span != nil {
		for _, p := range e.Span.Partition {
			p.each(visit)
		}
		for _, o := range e.Span.OrderBy {
			o.Expr.each(visit)
		}
	}
}

type walker struct {
	r                      *reader
	functions              map[string]bool
	operators, expressions []string
	leaves                 []Leaf
}

// walk visits every object of the plan, operators and expressions alike. A list is walked in order, so that leaves come in
// the order of the query; of an object only "children" holds operators.
func (w *walker) walk(v any, depth int) {
	if w.r.bad || depth > maxNesting {
		w.r.fail()
		return
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			w.walk(x, depth+1)
		}
	case map[string]any:
		w.object(v)
		for _, x := range v {
			if _, isText := x.(string); !isText {
				w.walk(x, depth+1)
			}
		}
	}
}

func (w *walker) object(m map[string]any) {
	if t, ok := m["type"].(string); ok && strings.HasPrefix(t, "LOGICAL_") {
		if !slices.Contains(w.operators, t) {
			w.r.fail()
		}
		if t == "LOGICAL_GET" {
			w.get(m)
		}
	}
	class, ok := m["expression_class"]
	if !ok {
		return
	}
	name, _ := class.(string)
	if !slices.Contains(w.expressions, name) {
		w.r.fail()
	}
	_, named := m["name"] // windows that are no aggregates have none
	if name == "BOUND_FUNCTION" || name == "BOUND_AGGREGATE" || name == "BOUND_WINDOW" && named {
		f, _ := m["name"].(string)
		if !w.functions[f] || !anyOf(m["catalog_name"], "", "system") || !anyOf(m["schema_name"], "", "main") {
			w.r.fail()
		}
	}
}

func anyOf(v any, texts ...string) bool {
	s, ok := v.(string)
	return ok && slices.Contains(texts, s)
}

// get reads a leaf. Filters and samples pushed into it are refused: the canonical text has none there.
func (w *walker) get(m map[string]any) {
	leaf := Leaf{}
	data, _ := m["function_data"].(map[string]any)
	extra, _ := m["extra_info"].(map[string]any)
	if !reflect.DeepEqual(m["table_filters"], map[string]any{"filters": []any{}}) || extra["file_filters"] != "" || extra["sample_options"] != nil {
		w.r.fail()
	}
	switch m["name"] {
	case "read_parquet":
		leaf.Files = texts(w.r, data["files"])
		options, _ := data["parquet_options"].(map[string]any)
		if options["encryption_config"] != nil || !reflect.DeepEqual(data["names"], m["names"]) || !reflect.DeepEqual(data["types"], m["returned_types"]) {
			w.r.fail()
		}
	case "seq_scan":
		leaf.Table, _ = data["table"].(string)
		if data["catalog"] != "memory" || data["schema"] != "main" || leaf.Table == "" {
			w.r.fail()
		}
	default:
		w.r.fail()
	}
	leaf.Fields = w.fields(m)
	w.leaves = append(w.leaves, leaf)
}

// emptyColumn is what the engine reads where it needs the number of rows alone.
const emptyColumn = "18446744073709551614"

func (w *walker) fields(m map[string]any) []Field {
	names, types := texts(w.r, m["names"]), list(w.r, m["returned_types"])
	var out []Field
	for _, c := range list(w.r, m["column_indexes"]) {
		index, _ := c.(map[string]any)
		n, ok := index["index"].(json.Number)
		if !ok || !reflect.DeepEqual(index["child_indexes"], []any{}) {
			w.r.fail()
			return nil
		}
		if n.String() == emptyColumn {
			continue
		}
		i, err := n.Int64()
		if err != nil || i < 0 || int(i) >= len(names) || len(names) != len(types) {
			w.r.fail()
			return nil
		}
		out = append(out, Field{Name: names[i], Type: w.r.object(cloneType(types[i])).sqlType()})
	}
	return out
}

// cloneType copies a type's description, since reading takes its fields and columns may share it.
func cloneType(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, x := range m {
		out[k] = cloneType(x)
	}
	return out
}

func list(r *reader, v any) []any {
	l, ok := v.([]any)
	if !ok {
		r.fail()
	}
	return l
}

func texts(r *reader, v any) (out []string) {
	for _, x := range list(r, v) {
		s, ok := x.(string)
		if !ok {
			r.fail()
		}
		out = append(out, s)
	}
	return out
}

// EachColumn visits the names of the columns that a SELECT reads from a file.
func (s *Select) EachColumn(visit func(name string)) {
	s.ownExpr(func(e *Expr) {
		if e.Kind == Column {
			visit(e.Name)
		}
	})
}
