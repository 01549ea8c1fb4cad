package query

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// read holds one query for each construct of the whole grammar, and how its tree is written; "" says as the query.
var read = map[string]struct{ sql, want string }{
	"one select":             {"SELECT a FROM p.t", ""},
	"semicolon":              {"select a from p.t;", "SELECT a FROM p.t"},
	"every clause":           {"SELECT a, count(*) AS n FROM p.t WHERE b GROUP BY a HAVING c ORDER BY a DESC NULLS FIRST LIMIT 3 OFFSET $1", ""},
	"limit after offset":     {"SELECT a FROM p.t OFFSET 1 LIMIT 2", "SELECT a FROM p.t LIMIT 2 OFFSET 1"},
	"distinct":               {"SELECT DISTINCT a, b FROM p.t", ""},
	"all":                    {"SELECT ALL a FROM p.t", "SELECT a FROM p.t"},
	"star":                   {"SELECT * FROM p.t", ""},
	"star among others":      {"SELECT a, *, b FROM p.t", ""},
	"star of a table":        {`SELECT x.*, "Y".* FROM p.t AS x CROSS JOIN p.u AS "Y"`, ""},
	"star of a schema":       {"SELECT p.t.* FROM p.t", ""},
	"star multiplies":        {"SELECT a * b FROM p.t", "SELECT (a * b) FROM p.t"},
	"cte":                    {"WITH x AS (SELECT a FROM p.t) SELECT a FROM x", ""},
	"ctes":                   {"WITH x AS (SELECT a FROM p.t), y AS (SELECT a FROM x) SELECT a FROM y AS z", ""},
	"cte materialized":       {"WITH x AS MATERIALIZED (SELECT a FROM p.t), y AS NOT MATERIALIZED (SELECT a FROM x) SELECT a FROM y", "WITH x AS (SELECT a FROM p.t), y AS (SELECT a FROM x) SELECT a FROM y"},
	"cte called so":          {"WITH materialized AS (SELECT a FROM p.t) SELECT a FROM materialized", ""},
	"cte in quotes":          {`WITH "select" AS (SELECT a FROM p.t) SELECT a FROM "select"`, ""},
	"cte within":             {"SELECT a FROM (WITH x AS (SELECT a FROM p.t) SELECT a FROM x)", ""},
	"cte ordered":            {"WITH x AS (SELECT a FROM p.t ORDER BY a LIMIT 3) SELECT a FROM x", ""},
	"subquery":               {"SELECT a FROM (SELECT a FROM p.t) t", "SELECT a FROM (SELECT a FROM p.t) AS t"},
	"subquery without alias": {"SELECT a FROM (SELECT a FROM p.t ORDER BY a LIMIT 1 OFFSET 2)", ""},
	"subquery twice":         {"SELECT a FROM ((SELECT a FROM p.t))", "SELECT a FROM (SELECT a FROM p.t)"},
	"union all":              {"SELECT a FROM p.t UNION ALL SELECT b FROM p.u UNION ALL SELECT c FROM p.v", ""},
	"union all ordered":      {"SELECT a FROM p.t UNION ALL SELECT b FROM p.u ORDER BY 1 LIMIT 2", ""},
	"union all within":       {"SELECT a FROM (SELECT a FROM p.t UNION ALL SELECT a FROM p.u) AS x", ""},
	"join":                   {"SELECT a FROM p.t JOIN p.u ON t.k = u.k", "SELECT a FROM p.t JOIN p.u ON (t.k = u.k)"},
	"inner join":             {"SELECT a FROM p.t AS x INNER JOIN p.u y ON k", "SELECT a FROM p.t AS x JOIN p.u AS y ON k"},
	"join using":             {"SELECT a FROM p.t JOIN p.u USING (k, l)", ""},
	"left join":              {"SELECT a FROM p.t LEFT JOIN p.u USING (k) LEFT OUTER JOIN v ON k", "SELECT a FROM p.t LEFT JOIN p.u USING (k) LEFT JOIN v ON k"},
	"cross join":             {"SELECT a FROM x CROSS JOIN y", ""},
	"comma join":             {"SELECT a FROM p.t x, p.u y", "SELECT a FROM p.t AS x CROSS JOIN p.u AS y"},
	"comma binds less":       {"SELECT a FROM x, y JOIN z ON k", "SELECT a FROM x CROSS JOIN (y JOIN z ON k)"},
	"comma before":           {"SELECT a FROM x JOIN y ON k, z", "SELECT a FROM x JOIN y ON k CROSS JOIN z"},
	"join in parentheses":    {"SELECT a FROM (x JOIN y ON k) JOIN (z CROSS JOIN w) ON l", "SELECT a FROM x JOIN y ON k JOIN (z CROSS JOIN w) ON l"},
	"join of subqueries":     {"SELECT a FROM (SELECT a FROM x) AS s JOIN (SELECT b FROM y) AS t ON a", ""},
	"left is a function":     {"SELECT left(a, 3) FROM x LEFT JOIN y ON left(a, 1)", ""},
	"group by all":           {"SELECT a FROM p.t GROUP BY ALL", ""},
	"group by":               {"SELECT a FROM p.t GROUP BY a, 2, (a + b)", ""},
	"group by nothing":       {"SELECT count(*) FROM p.t GROUP BY ()", "SELECT count(*) FROM p.t GROUP BY GROUPING SETS (())"},
	"rollup":                 {"SELECT a FROM p.t GROUP BY ROLLUP (a, (b, c), (a + b) * 2, (a + b))", "SELECT a FROM p.t GROUP BY ROLLUP ((a), (b, c), (((a + b) * 2)), ((a + b)))"},
	"cube":                   {"SELECT a FROM p.t GROUP BY cube(a, b)", "SELECT a FROM p.t GROUP BY CUBE ((a), (b))"},
	"grouping sets":          {"SELECT a FROM p.t GROUP BY GROUPING SETS ((a, b), a, (), (a), upper(b))", "SELECT a FROM p.t GROUP BY GROUPING SETS ((a, b), (a), (), (a), (upper(b)))"},
	"group by several":       {"SELECT a FROM p.t GROUP BY a, ROLLUP ((b)), CUBE ((c))", ""},
	"grouping":               {"SELECT grouping(a, b), grouping_id(a) FROM p.t GROUP BY ROLLUP ((a))", ""},
	"filter":                 {"SELECT sum(a) FILTER (WHERE b) FROM p.t", ""},
	"window":                 {"SELECT sum(a) OVER (PARTITION BY b, c ORDER BY d DESC, e) FROM x", ""},
	"window of nothing":      {"SELECT sum(count(*)) OVER () FROM x", ""},
	"filter and window":      {"SELECT count(*) FILTER (WHERE a) OVER (ORDER BY b) FROM x", ""},
	"frame":                  {"SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM x", ""},
	"frame of one bound":     {"SELECT sum(a) OVER (rows 007 preceding) FROM x", "SELECT sum(a) OVER (ROWS BETWEEN 7 PRECEDING AND CURRENT ROW) FROM x"},
	"frame of range":         {"SELECT sum(a) OVER (RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM x", ""},
	"frame of this row":      {"SELECT sum(a) OVER (ROWS CURRENT ROW) FROM x", "SELECT sum(a) OVER (ROWS BETWEEN CURRENT ROW AND CURRENT ROW) FROM x"},
	"frame of zero":          {"SELECT sum(a) OVER (ROWS BETWEEN 0 FOLLOWING AND 00 FOLLOWING) FROM x", "SELECT sum(a) OVER (ROWS BETWEEN 0 FOLLOWING AND 0 FOLLOWING) FROM x"},
	"within group":           {"SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a ASC) FILTER (WHERE b) FROM p.t", "SELECT quantile_cont(a, 0.5) FILTER (WHERE b) FROM p.t"},
	"quantile_cont":          {"SELECT quantile_cont(a, 0.5) FROM p.t", ""},
	"extract":                {"SELECT extract(YEAR FROM a), extract('month' FROM b) FROM p.t", "SELECT extract('year', a), extract('month', b) FROM p.t"},
	"count_if":               {"SELECT count_if(a), countif(b) FROM p.t", ""},
	"count distinct":         {"SELECT count(DISTINCT a) FROM p.t", ""},
	"is true":                {"SELECT a IS NOT TRUE FROM p.t", "SELECT (NOT coalesce((a = true), false)) FROM p.t"},
	"statements as names":    {"WITH recursive AS (SELECT table FROM p.t) SELECT into, a AS isnull FROM show CROSS JOIN (recursive JOIN show.table ON k)", ""},
	"words as names":         {"SELECT rows, range, ignore, partition, over_x FROM p.t", ""},
	"quoted words":           {`SELECT "where", "select" AS "union", "date", "grouping" FROM "filter"."from" AS "left"`, ""},
	"parameter":              {"SELECT a FROM p.t WHERE b = $2", "SELECT a FROM p.t WHERE (b = $2)"},
}

func TestQueryIsRead(t *testing.T) {
	for name, c := range read {
		q, err := ParseQuery(c.sql)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.want == "" {
			c.want = c.sql
		}
		if got := q.Format(); got != c.want {
			t.Errorf("%s is read as\n%s, want\n%s", name, got, c.want)
		}
		readsAgain(t, q)
	}
}

// readsAgain: what is written reads as the same tree.
func readsAgain(t *testing.T, q *Query) {
	t.Helper()
	text := q.Format()
	again, err := ParseQuery(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	unplace(reflect.ValueOf(q))
	unplace(reflect.ValueOf(again))
	if !reflect.DeepEqual(again, q) {
		t.Fatalf("%s\nreads as\n%s", text, again.Format())
	}
}

// unplace removes every place of a tree.
func unplace(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			unplace(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			unplace(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Pos]() {
			v.SetZero()
			return
		}
		for i := range v.NumField() {
			unplace(v.Field(i))
		}
	}
}

// refused holds every construct that is refused by name; the place is marked by ^ in the text, or is the first.
var refused = map[string]struct{ code, sql string }{
	"nothing":                 {"syntax", "^"},
	"a comment":               {"syntax", "-- nothing^"},
	"insert":                  {"statement", "^INSERT INTO p.t SELECT a FROM p.t"},
	"explain":                 {"statement", "^EXPLAIN SELECT a FROM p.t"},
	"describe":                {"statement", "^DESCRIBE p.t"},
	"describe within":         {"statement", "SELECT a FROM (^DESCRIBE p.t)"},
	"summarize within":        {"statement", "SELECT a FROM (^SUMMARIZE SELECT a FROM p.t)"},
	"insert within":           {"statement", "WITH x AS (^INSERT INTO p.t SELECT a FROM p.t) SELECT a FROM x"},
	"show tables":             {"statement", "SELECT a FROM (^SHOW TABLES)"},
	"table":                   {"statement", "SELECT a FROM ^TABLE p.t"},
	"select into":             {"statement", "SELECT a ^INTO x FROM p.t"},
	"from first":              {"statement", "^FROM p.t SELECT a"},
	"from first within":       {"statement", "SELECT a FROM (^FROM p.t)"},
	"several statements":      {"several-statements", "SELECT a FROM p.t; ^SELECT a FROM p.t"},
	"no from":                 {"syntax", "SELECT 1^"},
	"no from in union":        {"syntax", "SELECT 1 ^UNION ALL SELECT a FROM p.t"},
	"no from within":          {"syntax", "SELECT a FROM (SELECT 1^)"},
	"values":                  {"subquery", "^VALUES (1)"},
	"values within":           {"subquery", "SELECT a FROM (^VALUES (1)) AS x"},
	"values in from":          {"subquery", "SELECT a FROM ^VALUES (1) x"},
	"parentheses":             {"subquery", "^(SELECT a FROM p.t)"},
	"arm in parentheses":      {"subquery", "SELECT a FROM p.t UNION ALL ^(SELECT a FROM p.t)"},
	"recursive":               {"cte", "WITH ^RECURSIVE x AS (SELECT a FROM p.t) SELECT a FROM x"},
	"cte columns":             {"alias-columns", "WITH x^(a) AS (SELECT a FROM p.t) SELECT a FROM x"},
	"cte twice":               {"cte", `WITH x AS (SELECT a FROM p.t), ^"X" AS (SELECT a FROM p.t) SELECT a FROM x`},
	"cte in an arm":           {"cte", "SELECT a FROM p.t UNION ALL ^WITH x AS (SELECT a FROM p.t) SELECT a FROM x"},
	"cte in the middle":       {"cte", "SELECT a ^WITH x"},
	"in subquery":             {"subquery", "SELECT a FROM p.t WHERE b IN (^SELECT b FROM p.u)"},
	"in subquery of cte":      {"subquery", "SELECT a FROM p.t WHERE b IN (^WITH x AS (SELECT b FROM p.u) SELECT b FROM x)"},
	"exists":                  {"subquery", "SELECT a FROM p.t WHERE ^EXISTS (SELECT b FROM p.u)"},
	"not exists":              {"subquery", "SELECT a FROM p.t WHERE NOT ^EXISTS (SELECT b FROM p.u)"},
	"any":                     {"subquery", "SELECT a FROM p.t WHERE a = ^ANY (SELECT b FROM p.u)"},
	"all":                     {"subquery", "SELECT a FROM p.t WHERE a = ^ALL (SELECT b FROM p.u)"},
	"scalar subquery":         {"subquery", "SELECT ^(SELECT a FROM p.t) FROM p.t"},
	"scalar subquery in call": {"subquery", "SELECT abs(^SELECT a FROM p.t) FROM p.t"},
	"limit of a subquery":     {"subquery", "SELECT a FROM p.t LIMIT ^(SELECT a FROM p.t)"},
	"lateral":                 {"join", "SELECT a FROM p.t, ^LATERAL (SELECT a FROM p.t)"},
	"join lateral":            {"join", "SELECT a FROM p.t JOIN ^LATERAL (SELECT a FROM p.t) ON a"},
	"natural join":            {"join", "SELECT a FROM p.t ^NATURAL JOIN p.u"},
	"semi join":               {"join", "SELECT a FROM p.t ^SEMI JOIN p.u USING (k)"},
	"anti join":               {"join", "SELECT a FROM p.t ^ANTI JOIN p.u USING (k)"},
	"left semi join":          {"join", "SELECT a FROM p.t LEFT ^SEMI JOIN p.u USING (k)"},
	"full join":               {"join", "SELECT a FROM p.t ^FULL OUTER JOIN p.u USING (k)"},
	"right join":              {"join", "SELECT a FROM p.t ^RIGHT JOIN p.u USING (k)"},
	"asof join":               {"join", "SELECT a FROM p.t ^ASOF JOIN p.u USING (k)"},
	"asof left join":          {"join", "SELECT a FROM p.t ^ASOF LEFT JOIN p.u USING (k)"},
	"positional join":         {"join", "SELECT a FROM p.t ^POSITIONAL JOIN p.u"},
	"join without a key":      {"syntax", "SELECT a FROM p.t JOIN p.u^"},
	"cross join with a key":   {"syntax", "SELECT a FROM x CROSS JOIN y ^ON k"},
	"keys at the end":         {"join", "SELECT a FROM x JOIN y ^JOIN z ON k ON l"},
	"alias of a join":         {"syntax", "SELECT a FROM (x JOIN y ON k) ^AS z"},
	"intersect":               {"set-operation", "SELECT a FROM p.t ^INTERSECT SELECT a FROM p.u"},
	"except":                  {"set-operation", "SELECT a FROM p.t ^EXCEPT ALL SELECT a FROM p.u"},
	"union":                   {"set-operation", "SELECT a FROM p.t ^UNION SELECT a FROM p.u"},
	"union distinct":          {"set-operation", "SELECT a FROM p.t ^UNION DISTINCT SELECT a FROM p.u"},
	"union by name":           {"set-operation", "SELECT a FROM p.t ^UNION BY NAME SELECT a FROM p.u"},
	"union all by name":       {"set-operation", "SELECT a FROM p.t ^UNION ALL BY NAME SELECT a FROM p.u"},
	"union after order":       {"set-operation", "SELECT a FROM p.t ORDER BY a ^UNION ALL SELECT a FROM p.u"},
	"alias columns":           {"alias-columns", "SELECT a FROM p.t AS x^(a, b)"},
	"subquery columns":        {"alias-columns", "SELECT a FROM (SELECT a FROM p.t) x^(b)"},
	"table function":          {"table-function", "SELECT a FROM ^range(3)"},
	"table function joined":   {"table-function", "SELECT a FROM p.t, ^unnest(a)"},
	"qualified function":      {"table-function", "SELECT a FROM ^p.f(1)"},
	"file":                    {"file", "SELECT a FROM ^'x.csv'"},
	"file in quotes":          {"file", `SELECT a FROM ^"x.csv"`},
	"three words":             {"table-name", "SELECT a FROM ^c.p.t"},
	"sample":                  {"sample", "SELECT a FROM p.t ^TABLESAMPLE 10%"},
	"using sample":            {"sample", "SELECT a FROM p.t ^USING SAMPLE 10"},
	"join using sample":       {"sample", "SELECT a FROM p.t JOIN p.u USING ^SAMPLE 10"},
	"pivot":                   {"pivot", "^PIVOT p.t ON a USING sum(b)"},
	"pivot within":            {"pivot", "SELECT a FROM (^PIVOT p.t ON a USING sum(b))"},
	"pivot of a table":        {"pivot", "SELECT a FROM p.t ^PIVOT (sum(a) FOR b IN (1))"},
	"unpivot":                 {"pivot", "SELECT a FROM p.t ^UNPIVOT (a FOR b IN (c))"},
	"at":                      {"clause", "SELECT a FROM p.t ^AT (VERSION => 1)"},
	"fetch":                   {"clause", "SELECT a FROM p.t ^FETCH FIRST 1 ROWS ONLY"},
	"for update":              {"clause", "SELECT a FROM p.t ^FOR UPDATE"},
	"distinct on":             {"distinct", "SELECT DISTINCT ^ON (a) a FROM p.t"},
	"sum distinct":            {"distinct", "SELECT sum(^DISTINCT a) FROM p.t"},
	"distinct alone":          {"distinct", "SELECT a + ^DISTINCT FROM p.t"},
	"star exclude":            {"star", "SELECT * ^EXCLUDE (a) FROM p.t"},
	"star alias":              {"star", "SELECT x.* ^AS y FROM p.t"},
	"star sum":                {"star", "SELECT * ^+ 1 FROM p.t"},
	"star in an expression":   {"star", "SELECT 1 + x.^* FROM p.t"},
	"star in a call":          {"star", "SELECT count(x.^*) FROM p.t"},
	"count distinct star":     {"star", "SELECT count(DISTINCT ^*) FROM p.t"},
	"columns":                 {"star", "SELECT ^COLUMNS(*) FROM p.t"},
	"qualify":                 {"qualify", "SELECT a FROM p.t ^QUALIFY a"},
	"window clause":           {"window", "SELECT a FROM p.t ^WINDOW w AS ()"},
	"named window":            {"window", "SELECT sum(a) OVER ^w FROM p.t"},
	"window from a name":      {"window", "SELECT sum(a) OVER (^w ORDER BY b) FROM p.t"},
	"window of a column":      {"window", "SELECT a + 1 ^OVER () FROM p.t"},
	"frame of groups":         {"window", "SELECT sum(a) OVER (ORDER BY b ^GROUPS 1 PRECEDING) FROM p.t"},
	"frame excludes":          {"window", "SELECT sum(a) OVER (^ROWS 1 PRECEDING EXCLUDE TIES) FROM p.t"},
	"frame turned round":      {"window", "SELECT sum(a) OVER (^ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM p.t"},
	"frame from the end":      {"window", "SELECT sum(a) OVER (^ROWS BETWEEN UNBOUNDED FOLLOWING AND UNBOUNDED FOLLOWING) FROM p.t"},
	"frame to the start":      {"window", "SELECT sum(a) OVER (^ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED PRECEDING) FROM p.t"},
	"frame of a parameter":    {"window", "SELECT sum(a) OVER (ROWS ^$1 PRECEDING) FROM p.t"},
	"frame of a fraction":     {"window", "SELECT sum(a) OVER (ROWS ^1.5 PRECEDING) FROM p.t"},
	"frame without a side":    {"window", "SELECT sum(a) OVER (ROWS ^1) FROM p.t"},
	"ignore nulls":            {"order-in-aggregate", "SELECT lag(a ^IGNORE NULLS) OVER () FROM p.t"},
	"ignore nulls outside":    {"order-in-aggregate", "SELECT lag(a) ^IGNORE NULLS OVER () FROM p.t"},
	"respect nulls":           {"order-in-aggregate", "SELECT lag(a ^RESPECT NULLS) FROM p.t"},
	"order in aggregate":      {"order-in-aggregate", "SELECT first(a ^ORDER BY b) FROM p.t"},
	"percentile_disc":         {"order-in-aggregate", "SELECT percentile_disc(0.5) ^WITHIN GROUP (ORDER BY a) FROM p.t"},
	"percentile of two":       {"order-in-aggregate", "SELECT percentile_cont(0.5, 1) ^WITHIN GROUP (ORDER BY a) FROM p.t"},
	"percentile from above":   {"order-in-aggregate", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a ^DESC) FROM p.t"},
	"percentile of two keys":  {"order-in-aggregate", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a^, b) FROM p.t"},
	"filter without where":    {"syntax", "SELECT sum(a) FILTER (^a) FROM p.t"},
	"filter of a column":      {"filter-clause", "SELECT (a) ^FILTER (WHERE b) FROM p.t"},
	"rollup in sets":          {"grouping-sets", "SELECT a FROM p.t GROUP BY GROUPING SETS (^ROLLUP (a), b)"},
	"sets in sets":            {"grouping-sets", "SELECT a FROM p.t GROUP BY GROUPING SETS (^GROUPING SETS (a), b)"},
	"rollup as a column":      {"grouping-sets", "SELECT ^ROLLUP (a) FROM p.t"},
	"rollup of nothing":       {"syntax", "SELECT a FROM p.t GROUP BY ROLLUP (^)"},
	"rollup of empty sets":    {"syntax", "SELECT a FROM p.t GROUP BY ROLLUP (a, (^))"},
	"group by a row":          {"row", "SELECT a FROM p.t GROUP BY ^(a, b)"},
	"row":                     {"row", "SELECT a FROM p.t WHERE ^(a, b) = (1, 2)"},
	"list":                    {"list", "SELECT ^[1, 2] FROM p.t"},
	"list index":              {"list", "SELECT a^[1] FROM p.t"},
	"array":                   {"list", "SELECT ^ARRAY(SELECT a FROM p.t) FROM p.t"},
	"struct":                  {"list", "SELECT ^{'a': 1} FROM p.t"},
	"map":                     {"list", "SELECT MAP ^{'a': 1} FROM p.t"},
	"lambda":                  {"lambda", "SELECT f(x ^-> 1) FROM p.t"},
	"lambda in words":         {"lambda", "SELECT f(^lambda x: 1) FROM p.t"},
	"whole division":          {"operator", "SELECT a ^// 2 FROM p.t"},
	"remainder":               {"operator", "SELECT a ^% 2 FROM p.t"},
	"power":                   {"operator", "SELECT a ^** 2 FROM p.t"},
	"glob":                    {"operator", "SELECT a ^GLOB 'x' FROM p.t"},
	"collate":                 {"operator", "SELECT a ^COLLATE nocase FROM p.t"},
	"notnull":                 {"operator", "SELECT a ^NOTNULL FROM p.t"},
	"named argument":          {"operator", "SELECT f(^a := 1) FROM p.t"},
	"named argument by arrow": {"operator", "SELECT f(1, ^a => 1) FROM p.t"},
	"is distinct from":        {"is", "SELECT a FROM p.t WHERE a ^IS DISTINCT FROM b"},
	"is not distinct from":    {"is", "SELECT a FROM p.t WHERE a ^IS NOT DISTINCT FROM b"},
	"try_cast":                {"try-cast", "SELECT ^TRY_CAST(a AS int) FROM p.t"},
	"interval":                {"interval", "SELECT a + ^INTERVAL 1 DAY FROM p.t"},
	"substring from":          {"extract", "SELECT substring(a ^FROM 2) FROM p.t"},
	"function in a schema":    {"function-name", "SELECT ^main.sum(a) FROM p.t"},
	"function in quotes":      {"function-name", `SELECT ^"sum"(a) FROM p.t`},
	"position":                {"positional", "SELECT ^#1 FROM p.t"},
	"named parameter":         {"parameter", "SELECT ^$a FROM p.t"},
	"parameter without name":  {"parameter", "SELECT ^? FROM p.t"},
	"order by all":            {"order-all", "SELECT a FROM p.t ORDER BY ^ALL"},
	"limit percent":           {"limit", "SELECT a FROM p.t LIMIT ^10%"},
	"limit all":               {"limit", "SELECT a FROM p.t LIMIT ^ALL"},
	"places":                  {"lambda", "SELECT\n  a,\n\tf('é', x ^-> 1) FROM p.t"},
}

func TestQueryIsRefused(t *testing.T) {
	for name, c := range refused {
		before, after, ok := strings.Cut(c.sql, "^")
		if !ok {
			t.Fatalf("%s has no mark", name)
		}
		line := strings.Count(before, "\n")
		at := Pos{line + 1, len([]rune(before[strings.LastIndex(before, "\n")+1:])) + 1}
		q, err := ParseQuery(before + after)
		if err == nil {
			t.Errorf("%s is read as %s", name, q.Format())
		} else if q != nil || err.Code != c.code || err.Pos != at || err.Msg == "" {
			t.Errorf("%s is refused at %v as %s, want %v as %s: %v", name, err.Pos, err.Code, at, c.code, err)
		}
	}
}

// Every construct that is refused by name has a text, and none says that what is in the grammar will come later.
func TestWholeConstructs(t *testing.T) {
	for name := range wholeConstructs {
		if _, ok := constructs[name]; !ok && wholeCodes[name] == "" && name != "ignore-nulls" {
			t.Errorf("%s is a code that the narrow grammar does not have", name)
		}
	}
	for name, code := range wholeCodes {
		if wholeConstructs[name].msg == "" {
			t.Errorf("%s has no text", name)
		}
		if _, ok := constructs[code]; !ok && code != "syntax" && code != "is" {
			t.Errorf("%s has the unknown code %s", name, code)
		}
	}
	for name, c := range constructs {
		if _, ok := wholeConstructs[name]; !ok && strings.Contains(c.msg, later) {
			t.Errorf("%s says that it is not in this version", name)
		}
	}
	for word, name := range wholeBegins {
		if wholeConstructs[name].msg == "" && constructs[name].msg == "" {
			t.Errorf("%s begins the unknown %s", word, name)
		}
	}
}

func TestQueryPlaces(t *testing.T) {
	q, err := ParseQuery("WITH\n x AS (SELECT a FROM p.t)\nSELECT sum(a) OVER (ORDER BY b)\nFROM x, y\n JOIN z ON k\nGROUP BY a, ROLLUP (b)")
	if err != nil {
		t.Fatal(err)
	}
	s, in := q.Arms[0], q.With[0].Query
	for name, c := range map[string]struct{ got, want Pos }{
		"query":     {q.Pos, Pos{1, 1}},
		"cte":       {q.With[0].Pos, Pos{2, 2}},
		"its query": {in.Pos, Pos{2, 8}},
		"its table": {in.Arms[0].Source.Pos, Pos{2, 22}},
		"select":    {s.Pos, Pos{3, 1}},
		"window":    {s.Items[0].Expr.Over.Pos, Pos{3, 15}},
		"comma":     {s.Source.Pos, Pos{4, 7}},
		"join":      {s.Source.Right.Pos, Pos{5, 2}},
		"joined":    {s.Source.Right.Right.Table.Pos, Pos{5, 7}},
		"grouping":  {s.Group.Pos, Pos{6, 1}},
		"rollup":    {s.Group.Elems[1].Pos, Pos{6, 13}},
	} {
		if c.got != c.want {
			t.Errorf("%s stands at %v, want %v", name, c.got, c.want)
		}
	}
}

func TestQueryTree(t *testing.T) {
	q, err := ParseQuery("SELECT DISTINCT a FROM x LEFT JOIN p.t AS u USING (k) GROUP BY (), CUBE (a, (b, c))")
	if err != nil {
		t.Fatal(err)
	}
	s := q.Arms[0]
	if f := s.Source; !s.Distinct || f.Kind != FromJoin || f.Join != JoinLeft || f.Left.Kind != FromTable || f.Left.Table.Schema != "" ||
		f.Left.Table.Name != "x" || f.Right.Alias != "u" || f.Right.Table.Alias != "" || !reflect.DeepEqual(f.Using, []string{"k"}) {
		t.Errorf("%+v", f)
	}
	g := s.Group.Elems
	if g[0].Kind != GroupSets || len(g[0].Sets) != 1 || len(g[0].Sets[0]) != 0 || g[1].Kind != GroupCube || len(g[1].Sets) != 2 || len(g[1].Sets[1]) != 2 {
		t.Errorf("%+v", g)
	}
}

// Bombs end in a refusal, soon.
func TestQueryLimits(t *testing.T) {
	for name, c := range map[string]struct{ code, sql string }{
		"subqueries":      {"too-deep", strings.Repeat("SELECT a FROM (", 1000) + "SELECT a FROM p.t" + strings.Repeat(")", 1000)},
		"ctes in ctes":    {"too-deep", strings.Repeat("WITH x AS (", 500) + "SELECT a FROM p.t" + strings.Repeat(") SELECT a FROM x", 500)},
		"parentheses":     {"too-deep", "SELECT a FROM " + strings.Repeat("(", 8000)},
		"windows":         {"too-deep", "SELECT " + strings.Repeat("f() OVER (ORDER BY ", 1000) + "a FROM p.t"},
		"filters":         {"too-deep", "SELECT " + strings.Repeat("f() FILTER (WHERE ", 1000) + "a FROM p.t"},
		"sets":            {"too-deep", "SELECT a FROM p.t GROUP BY GROUPING SETS (" + strings.Repeat("(", 5000)},
		"mixed":           {"too-deep", strings.Repeat("SELECT f() OVER (ORDER BY (a)) FROM (", 100)},
		"ctes":            {"too-long", "WITH x" + ctes(64) + " SELECT a FROM x"},
		"joins":           {"too-long", "SELECT a FROM x" + strings.Repeat(" CROSS JOIN x", 33)},
		"commas":          {"too-long", "SELECT a FROM x" + strings.Repeat(", x", 33)},
		"joins in all":    {"too-long", "SELECT a FROM x, x" + strings.Repeat(" UNION ALL SELECT a FROM x, x", 32)},
		"arms":            {"too-long", "SELECT a FROM x" + strings.Repeat(" UNION ALL SELECT a FROM x", 256)},
		"group elements":  {"too-long", "SELECT a FROM x GROUP BY a" + strings.Repeat(", ROLLUP (a)", 64)},
		"grouping sets":   {"too-long", "SELECT a FROM x GROUP BY GROUPING SETS (()" + strings.Repeat(", ()", 64) + ")"},
		"keys of a set":   {"too-long", "SELECT a FROM x GROUP BY CUBE ((a" + strings.Repeat(", a", 64) + "))"},
		"partitions":      {"too-long", "SELECT f() OVER (PARTITION BY a" + strings.Repeat(", a", 64) + ") FROM x"},
		"keys of a join":  {"too-long", "SELECT a FROM x JOIN y USING (k" + strings.Repeat(", k", 64) + ")"},
		"words":           {"too-long", "SELECT a FROM " + strings.Repeat("x,", 9000)},
		"bytes":           {"too-long", "SELECT '" + strings.Repeat("x", 65<<10) + "' FROM x"},
		"frame too large": {"window", "SELECT f() OVER (ROWS 1234567890 PRECEDING) FROM x"},
	} {
		start := time.Now()
		if q, err := ParseQuery(c.sql); err == nil || q != nil || err.Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
	for name, sql := range map[string]string{
		"ctes":  "WITH x" + ctes(63) + " SELECT a FROM x",
		"joins": "SELECT a FROM x" + strings.Repeat(" CROSS JOIN x", 32),
		"arms":  "SELECT a FROM x" + strings.Repeat(" UNION ALL SELECT a FROM x", 255),
	} {
		if _, err := ParseQuery(sql); err != nil {
			t.Errorf("as many %s as are allowed: %v", name, err)
		}
	}
}

// ctes writes one more than n common table expressions, of which the first has its name already.
func ctes(n int) string {
	s := " AS (SELECT a FROM p.t)"
	for i := range n {
		s += ", x" + strings.Repeat("i", i+1) + " AS (SELECT a FROM p.t)"
	}
	return s
}

// corpus reads the queries of the corpus, which is described beside it.
func corpus(t testing.TB) (lines []struct{ ID, SQL, Expect string }) {
	t.Helper()
	f, err := os.Open("../../testdata/queries-dev.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var l struct{ ID, SQL, Expect string }
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) < 200 {
		t.Fatalf("%d queries", len(lines))
	}
	return lines
}

// What the corpus allows is in the grammar. What it denies may be too: the compiler refuses it.
func TestCorpusIsRead(t *testing.T) {
	denied := 0
	for _, l := range corpus(t) {
		q, err := ParseQuery(l.SQL)
		switch {
		case err == nil:
			readsAgain(t, q)
		case l.Expect == "deny":
			denied++
		default:
			t.Errorf("%s: %v\n%s", l.ID, err, l.SQL)
		}
	}
	t.Logf("%d are refused by the grammar", denied)
}

// What the narrow grammar has, the whole one reads with the same parts.
func TestNarrowIsWhole(t *testing.T) {
	for _, sql := range samples {
		s, err := Parse(sql)
		q, wide := ParseQuery(sql)
		if err != nil || wide != nil {
			t.Errorf("%v, %v\n%s", err, wide, sql)
			continue
		}
		if a := q.Arms[0]; !reflect.DeepEqual(a.Items, s.Items) || !reflect.DeepEqual(a.Where, s.Where) || !reflect.DeepEqual(q.OrderBy, s.OrderBy) {
			t.Errorf("%s\nis read as\n%s", s.Format(), q.Format())
		}
	}
}

// FuzzParseQuery: what is accepted is written so that it reads as the same tree; nothing takes more than linear time by much.
func FuzzParseQuery(f *testing.F) {
	for _, l := range corpus(f) {
		f.Add(l.SQL)
	}
	for _, c := range read {
		f.Add(c.sql)
	}
	for _, c := range refused {
		f.Add(strings.Replace(c.sql, "^", "", 1))
	}
	f.Fuzz(func(t *testing.T, sql string) {
		start := time.Now()
		q, err := ParseQuery(sql)
		if d := time.Since(start); d > 5*time.Second {
			t.Fatalf("%v for %d bytes", d, len(sql))
		}
		if err == nil {
			// Parentheses and quotes make the text longer and deeper.
			if _, err := ParseQuery(q.Format()); err == nil || err.Code != "too-long" && err.Code != "too-deep" {
				readsAgain(t, q)
			}
			return
		}
		if q != nil || err.Line < 1 || err.Col < 1 || err.Code == "" || err.Msg == "" {
			t.Fatalf("%+v", err)
		}
	})
}
