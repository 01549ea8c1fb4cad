package query

// construct is SQL that is recognised to be refused by name.
type construct struct{ msg, hint string }

const later = "not in this version of the grammar"

// The tables below are read, never written. Those of the whole grammar are in constructwhole.go.
var constructs = map[string]construct{
	"statement":          {"only one SELECT is allowed", "a query reads; nothing can be created, changed, attached, copied, set, called or explained here"},
	"several-statements": {"more than one statement", "send one SELECT"},
	"cte":                {"WITH is not allowed: " + later, "write one SELECT over one data set or pool"},
	"subquery":           {"subqueries are not allowed: a private value could steer what is released", "write one SELECT over one data set or pool"},
	"join":               {"joins are not allowed: " + later, "read one data set, or the pool of several"},
	"set-operation":      {"UNION, INTERSECT and EXCEPT are not allowed: literal rows would make up units, and differences isolate them", "read the pool of several data sets"},
	"window":             {"window functions are not allowed: over rows they would show single values", "aggregate with GROUP BY"},
	"distinct":           {"SELECT DISTINCT is not allowed: it would list rows", "use GROUP BY and an aggregate"},
	"star":               {"* is not allowed: every column must be named", "name dimensions and aggregates"},
	"table-function":     {"table functions are not allowed: only data sets of the contract can be read", "read party.dataset or pool.name"},
	"file":               {"files can't be read", "read party.dataset or pool.name"},
	"table-name":         {"a data set is named by two words", "read party.dataset or pool.name"},
	"alias-columns":      {"columns can't be renamed in a table alias: a renamed column would hide its role", "name columns as the data set does"},
	"sample":             {"sampling is not allowed: samples of the same rows can be subtracted", "leave it out"},
	"pivot":              {"PIVOT and UNPIVOT are not allowed: columns would depend on data", "use GROUP BY"},
	"grouping-sets":      {"ROLLUP, CUBE and GROUPING SETS are not allowed: " + later, "ask for each set with its own query"},
	"filter-clause":      {"FILTER is not allowed: the condition makes a cell of its own; " + later, "group by the dimension, or use WHERE"},
	"order-in-aggregate": {"ordered aggregates are not allowed: they would pick single values", "leave out the ordering"},
	"extract":            {"this form of function is not allowed: " + later, ""},
	"row":                {"rows of several values are not allowed: they hide the role of a column", "compare columns one by one with AND"},
	"list":               {"lists, structs and maps are not allowed: they would carry rows", "use IN (...) for several values"},
	"lambda":             {"lambdas are not allowed", ""},
	"operator":           {"this operator is not in the grammar", ""},
	"try-cast":           {"TRY_CAST is not allowed: on rows it is a hidden condition", "casts of released values give NULL where they fail"},
	"interval":           {"intervals are not allowed: " + later, ""},
	"function-name":      {"functions are named by one plain word", "leave out schema and quotes"},
	"qualify":            {"QUALIFY is not allowed: it filters by windows", "use HAVING on released values"},
	"positional":         {"#n is not allowed: columns must be named", "use an ordinal in GROUP BY or ORDER BY"},
	"parameter":          {"parameters are $1, $2 and so on", ""},
	"clause":             {"this clause is not in the grammar", ""},
}

// beginsWord names the construct that a word begins where the grammar has no such word.
var beginsWord = map[string]string{
	"union": "set-operation", "intersect": "set-operation", "except": "set-operation",
	"join": "join", "inner": "join", "left": "join", "right": "join", "full": "join", "cross": "join", "natural": "join",
	"asof": "join", "positional": "join", "semi": "join", "anti": "join", "lateral": "join", "outer": "join",
	"select": "subquery", "exists": "subquery", "any": "subquery", "some": "subquery", "with": "cte", "values": "subquery",
	"tablesample": "sample", "using": "sample", "sample": "sample", "pivot": "pivot", "unpivot": "pivot",
	"rollup": "grouping-sets", "cube": "grouping-sets", "grouping": "grouping-sets",
	"qualify": "qualify", "window": "window", "over": "window", "filter": "filter-clause",
	"try_cast": "try-cast", "interval": "interval", "array": "list", "lambda": "lambda",
	"distinct": "distinct", "fetch": "clause", "for": "clause", "at": "clause", "glob": "operator", "similar": "operator",
	"collate": "operator", "columns": "star",
}

var beginsOp = map[string]string{
	"[": "list", "{": "list", "->": "lambda", "#": "positional", "?": "parameter", "*": "star", "//": "operator",
	"%": "operator", "^": "operator", "**": "operator", "&": "operator", "|": "operator", "~": "operator", "~~": "operator",
	"@": "operator", "!": "operator", ":": "operator",
}

// reserved words can't be names unless they are quoted.
var reserved = map[string]bool{
	"select": true, "from": true, "where": true, "group": true, "by": true, "having": true, "order": true, "limit": true,
	"offset": true, "as": true, "and": true, "or": true, "not": true, "in": true, "like": true, "ilike": true, "is": true,
	"null": true, "true": true, "false": true, "case": true, "when": true, "then": true, "else": true, "end": true,
	"cast": true, "between": true, "asc": true, "desc": true, "nulls": true, "distinct": true, "all": true, "on": true,
	"union": true, "intersect": true, "except": true, "join": true, "inner": true, "left": true, "right": true,
	"full": true, "cross": true, "natural": true, "asof": true, "positional": true, "semi": true, "anti": true,
	"lateral": true, "outer": true, "with": true, "values": true, "tablesample": true, "using": true, "pivot": true,
	"unpivot": true, "qualify": true, "window": true, "over": true, "filter": true, "exists": true, "any": true,
	"some": true, "fetch": true, "for": true, "lambda": true, "escape": true, "collate": true, "glob": true, "similar": true,
	"within": true, "at": true,
}
