package query

// Query is the statement, the body of a common table expression or a subquery: one SELECT, or several joined by UNION ALL.
type Query struct {
	Pos
	With    []CTE
	Arms    []*Select // at least one; more are the arms of UNION ALL
	OrderBy []Order   // of the whole
	Limit   *Expr     // Number or Param, or nil
	Offset  *Expr     // Number or Param, or nil
}

// CTE is one named query of WITH. No two of one WITH have the same name, whatever the case.
type CTE struct {
	Pos
	Name  string
	Query *Query
}

// FromKind says what a part of FROM is.
type FromKind int

// The kinds of From.
const (
	FromTable FromKind = iota + 1 // Table, Alias
	FromSub                       // Sub, Alias
	FromJoin                      // Join, Left, Right, and On or Using
)

// JoinKind says which rows a join keeps.
type JoinKind int

// The kinds of join.
const (
	JoinInner JoinKind = iota + 1
	JoinLeft
	JoinCross // a comma too
)

// From is what a SELECT reads. A join stands at the place of the word, or comma, that makes it one.
type From struct {
	Pos
	Kind  FromKind
	Table Table // Schema is empty where one name stands: then it can only be a CTE's; Table.Alias is not used
	Sub   *Query
	Alias string
	Join  JoinKind
	Left  *From
	Right *From
	On    *Expr
	Using []string
}

// Grouping is GROUP BY.
type Grouping struct {
	Pos
	All   bool // GROUP BY ALL; then Elems is empty
	Elems []GroupElem
}

// GroupKind says what an element of GROUP BY is.
type GroupKind int

// The kinds of GroupElem.
const (
	GroupExpr   GroupKind = iota + 1 // Sets: one set of one expression
	GroupRollup                      // Sets: its elements; (a, b) is one element of two expressions
	GroupCube                        // Sets: its elements, as in ROLLUP
	GroupSets                        // Sets: the sets, of which some may be empty; GROUP BY () is one empty set
)

// GroupElem is one element of GROUP BY. The grouping sets of a query are the product of its elements.
type GroupElem struct {
	Pos
	Kind GroupKind
	Sets [][]*Expr
}

// Window is what stands after OVER.
type Window struct {
	Pos
	PartitionBy []*Expr
	OrderBy     []Order
	Frame       string // "", or "rows between 2 preceding and current row": lower case, always with between
}
