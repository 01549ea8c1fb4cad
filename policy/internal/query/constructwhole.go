package query

const where = "a private value could steer what is released"

// wholeConstructs is what the whole grammar says where the narrow one says something else.
var wholeConstructs = map[string]construct{
	"statement":          {"only one SELECT is allowed, beginning with SELECT or WITH", "a query reads; nothing can be created, changed, attached, copied, set, called or explained here"},
	"into":               {"SELECT INTO is not allowed: it would create a table", "leave it out"},
	"from-first":         {"FROM before SELECT is not in the grammar", "begin with SELECT"},
	"no-from":            {"a SELECT without FROM is not in the grammar: literal rows would make up units", "read a data set, a pool, a subquery or a common table expression"},
	"values":             {"VALUES is not allowed: literal rows would make up units", "compare with IN (...)"},
	"cte":                {"WITH begins a query or subquery, as WITH name AS (SELECT ...)", ""},
	"cte-twice":          {"two common table expressions have this name", "rename one"},
	"recursive":          {"WITH RECURSIVE is not allowed: it would make rows", "leave out RECURSIVE"},
	"subquery":           {"a subquery stands in FROM only: elsewhere " + where, "name it with WITH and join it"},
	"parentheses":        {"parentheses around a whole SELECT stand in FROM only", "leave them out"},
	"join":               {"a join is [INNER] JOIN or LEFT JOIN with ON or USING, CROSS JOIN, or a comma", ""},
	"join-kind":          {"this kind of join is not allowed: RIGHT, FULL, NATURAL, SEMI, ANTI, ASOF and POSITIONAL joins pair or test rows by more than the declared key", "use JOIN or LEFT JOIN with ON or USING"},
	"lateral":            {"LATERAL is not allowed: " + where, "use JOIN with ON or USING"},
	"set-operation":      {"only UNION ALL joins SELECTs: UNION, INTERSECT and EXCEPT isolate single rows, BY NAME hides which column is which", "use UNION ALL of SELECTs"},
	"window":             {"a window is written in place, as OVER (PARTITION BY ... ORDER BY ...) after a function", "repeat it instead of naming it"},
	"frame":              {"a frame is ROWS or RANGE with bounds in their order: UNBOUNDED PRECEDING, n PRECEDING, CURRENT ROW, n FOLLOWING, UNBOUNDED FOLLOWING", "write it without GROUPS and EXCLUDE"},
	"distinct":           {"DISTINCT stands after SELECT or inside count(...) only", ""},
	"distinct-on":        {"DISTINCT ON is not allowed: it would pick single rows", "use GROUP BY and an aggregate"},
	"distinct-aggregate": {"DISTINCT stands in no aggregate but count: it would make repeated values stand out", "leave it out"},
	"star":               {"* is a whole column of SELECT only, as * or table.*, without EXCLUDE, REPLACE or COLUMNS", "name the columns"},
	"table-name":         {"a data set is named by two words, a common table expression by one", "read party.dataset or pool.name"},
	"table-function":     {"table functions are not allowed: only data sets of the contract can be read", "read party.dataset or pool.name"},
	"grouping-sets":      {"ROLLUP, CUBE and GROUPING SETS stand in GROUP BY only, and not in each other", ""},
	"filter-clause":      {"FILTER (WHERE ...) follows a function only", ""},
	"within-group":       {"WITHIN GROUP follows percentile_cont(q) only, with one ascending key: others would pick single values", "write percentile_cont(0.5) WITHIN GROUP (ORDER BY x)"},
	"ignore-nulls":       {"IGNORE NULLS and RESPECT NULLS are not in the grammar", "leave them out"},
	"named-argument":     {"arguments have no names", "write them in their order"},
	"extract":            {"this form of function is not in the grammar", "write its arguments with commas"},
	"is-distinct":        {"IS DISTINCT FROM is not in the grammar: it would pair rows without a key", "use = and IS NULL"},
	"interval":           {"intervals are not in the grammar", "compare with a DATE"},
	"qualify":            {"QUALIFY is not allowed: it filters by windows", "filter in an outer SELECT"},
}

// wholeCodes gives the codes of constructs that share one with a wider construct.
var wholeCodes = map[string]string{
	"into": "statement", "from-first": "statement", "no-from": "syntax", "values": "subquery", "parentheses": "subquery",
	"cte-twice": "cte", "recursive": "cte", "join-kind": "join", "lateral": "join", "frame": "window",
	"distinct-on": "distinct", "distinct-aggregate": "distinct", "within-group": "order-in-aggregate",
	"ignore-nulls": "order-in-aggregate", "named-argument": "operator", "is-distinct": "is",
}

// wholeBegins is asked before beginsWord.
var wholeBegins = map[string]string{
	"into": "into", "values": "values", "lateral": "lateral", "all": "subquery",
	"right": "join-kind", "full": "join-kind", "natural": "join-kind", "asof": "join-kind", "positional": "join-kind",
	"semi": "join-kind", "anti": "join-kind", "outer": "join-kind",
	"isnull": "operator", "notnull": "operator",
}

// wholeNoAlias are words that can't be an alias without AS. They stay names elsewhere: to reserve more words would change
// how Quote writes, and with it names in plan/1.
var wholeNoAlias = map[string]bool{"into": true, "isnull": true, "notnull": true}

// wholeStatements begin a statement that the engine takes in FROM when more words follow.
var wholeStatements = map[string]bool{"table": true, "describe": true, "show": true, "summarize": true}
