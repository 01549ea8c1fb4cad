package canon

import (
	"encoding/json"
	"strconv"
)

// ParseSerialized reads the answer of json_serialize_sql for a canonical text. Whatever the tree can't say is refused.
func ParseSerialized(b []byte) (Query, error) {
	r := &reader{}
	top := r.parse(b)
	top.must("error", false)
	statements := top.list("statements")
	top.done()
	if r.bad || len(statements) != 1 {
		return nil, ErrForm
	}
	st := r.object(statements[0])
	node := st.child("node")
	st.must("named_param_map", []any{})
	st.done()
	q := node.query(0)
	if r.bad {
		return nil, ErrForm
	}
	return q, nil
}

// query reads a SELECT or a left-deep chain of UNION ALL.
func (o object) query(depth int) Query {
	if o.r.bad || depth > maxNesting {
		o.r.fail()
		return nil
	}
	if t, _ := o.fields["type"].(string); t == "SELECT_NODE" {
		return Query{o.selectNode(depth)}
	}
	o.must("type", "SET_OPERATION_NODE")
	o.must("setop_type", "UNION")
	o.must("setop_all", true)
	o.must("modifiers", []any{})
	o.must("cte_map", map[string]any{"map": []any{}})
	o.must("children", []any{})
	left, right := o.child("left"), o.child("right")
	o.done()
	return append(left.query(depth+1), right.selectNode(depth+1))
}

func (o object) selectNode(depth int) *Select {
	s := &Select{}
	o.must("type", "SELECT_NODE")
	o.must("cte_map", map[string]any{"map": []any{}})
	o.must("aggregate_handling", "STANDARD_HANDLING")
	for _, absent := range []string{"having", "sample", "qualify"} {
		o.must(absent, nil)
	}
	for _, v := range o.list("select_list") {
		item := o.r.object(v)
		alias, _ := item.fields["alias"].(string)
		item.fields["alias"] = ""
		s.Items = append(s.Items, Item{Expr: item.expr(depth), Alias: alias})
	}
	s.From = o.child("from_table").from(depth)
	s.Where = o.optional("where_clause", depth)
	for _, v := range o.list("group_expressions") {
		s.Group = append(s.Group, o.r.object(v).expr(depth))
	}
	o.groupSets(len(s.Group))
	for _, v := range o.list("modifiers") {
		o.r.object(v).modifier(s, depth)
	}
	o.done()
	return s
}

// groupSets must say one set of all keys, or none.
func (o object) groupSets(n int) {
	if n == 0 {
		o.must("group_sets", []any{})
		return
	}
	var set []any
	for i := range n {
		set = append(set, json.Number(strconv.Itoa(i)))
	}
	o.must("group_sets", []any{set})
}

func (o object) optional(key string, depth int) *Expr {
	v := o.take(key)
	if v == nil {
		return nil
	}
	return o.r.object(v).expr(depth)
}

func (o object) from(depth int) From {
	if t, _ := o.fields["type"].(string); t == "JOIN" {
		return From{Join: o.join(depth)}
	}
	f := From{Alias: o.text("alias")}
	o.must("sample", nil)
	o.location()
	o.must("column_name_alias", []any{})
	switch o.text("type") {
	case "BASE_TABLE":
		f.Table = o.text("table_name")
		o.must("schema_name", "main")
		o.must("catalog_name", "memory")
		o.must("at_clause", nil)
	case "TABLE_FUNCTION":
		f.File = o.readParquet(depth)
		o.must("with_ordinality", "WITHOUT_ORDINALITY")
	case "SUBQUERY":
		sub := o.child("subquery")
		if q := sub.child("node").query(depth + 1); len(q) == 1 {
			f.Sub = q[0]
		} else {
			f.Union = q
		}
		sub.must("named_param_map", []any{})
		sub.done()
	default:
		o.r.fail()
	}
	o.done()
	return f
}

func (o object) join(depth int) *Join {
	if depth > maxNesting {
		o.r.fail()
		return nil
	}
	j := &Join{}
	o.must("type", "JOIN")
	o.must("alias", "")
	o.must("sample", nil)
	o.location()
	j.Left, j.Right = o.child("left").from(depth+1), o.child("right").from(depth+1)
	j.On = o.optional("condition", depth)
	switch o.text("join_type") {
	case "LEFT":
		j.Outer = true
	case "INNER":
	default:
		o.r.fail()
	}
	o.must("ref_type", map[bool]string{false: "REGULAR", true: "CROSS"}[j.On == nil])
	for _, k := range []string{"using_columns", "duplicate_eliminated_columns"} {
		o.must(k, []any{})
	}
	o.must("delim_flipped", false)
	o.done()
	return j
}

func (o object) readParquet(depth int) string {
	e := o.child("function").expr(depth)
	if o.r.bad || e.Kind != Func || e.Name != "read_parquet" || e.Distinct || e.Filter != nil || len(e.Args) != 1 || e.Args[0].Kind != Text {
		o.r.fail()
		return ""
	}
	return e.Args[0].Text
}

func (o object) modifier(s *Select, depth int) {
	switch o.text("type") {
	case "DISTINCT_MODIFIER":
		if s.Unique || s.OrderBy != nil || s.Limit != "" || s.Offset != "" {
			o.r.fail()
		}
		s.Unique = true
		o.must("distinct_on_targets", []any{})
	case "ORDER_MODIFIER":
		if s.OrderBy != nil || s.Limit != "" || s.Offset != "" {
			o.r.fail()
		}
		for _, v := range o.list("orders") {
			s.OrderBy = append(s.OrderBy, o.r.object(v).order(depth))
		}
	case "LIMIT_MODIFIER":
		s.Limit, s.Offset = o.bound("limit"), o.bound("offset")
	default:
		o.r.fail()
	}
	o.done()
}

func (o object) order(depth int) Order {
	k := Order{}
	switch o.text("type") {
	case "ASCENDING":
	case "DESCENDING":
		k.Desc = true
	default:
		o.r.fail()
	}
	switch o.text("null_order") {
	case "NULLS LAST":
	case "NULLS FIRST":
		k.First = true
	default:
		o.r.fail()
	}
	k.Expr = o.child("expression").expr(depth)
	o.done()
	return k
}

// bound reads the constant of LIMIT or OFFSET.
func (o object) bound(key string) string {
	v := o.take(key)
	if v == nil {
		return ""
	}
	c := o.r.object(v)
	c.must("class", "CONSTANT")
	c.must("type", "VALUE_CONSTANT")
	c.must("alias", "")
	c.location()
	val := c.child("value")
	t := val.child("type")
	if id := t.text("id"); id != "INTEGER" && id != "BIGINT" {
		o.r.fail()
	}
	t.must("type_info", nil)
	t.done()
	val.must("is_null", false)
	n, ok := val.take("value").(json.Number)
	if !ok {
		o.r.fail()
	}
	val.done()
	c.done()
	return n.String()
}
