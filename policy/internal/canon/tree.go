package canon

// Kind says what an expression is.
type Kind int

// The kinds of expression.
const (
	Column   Kind = iota + 1 // Table, Name
	Text                     // Text: a VARCHAR constant
	Null                     // without type; always inside a Cast
	Func                     // Name in system.main; Args, Distinct, Filter
	Cast                     // Name: SQL type; one argument
	TryCast                  // the same, NULL where it fails
	Compare                  // Name: = <> < <= > >=, or IS NOT DISTINCT FROM; two arguments
	And                      // two or more arguments, none an And
	Or                       // two or more arguments, none an Or
	Not                      // one argument
	IsNull                   // one argument
	In                       // a value and candidates
	NotIn                    // the same, negated
	Case                     // condition, value, ..., else
	Coalesce                 // one or more arguments
	Window                   // Name in system.main; Args; Span
)

// Expr is a node of an expression.
type Expr struct {
	Kind     Kind
	Table    string
	Name     string
	Text     string
	Distinct bool
	Filter   *Expr
	Args     []*Expr
	Span     *Span // of a Window
}

// Span is what a window function sees.
type Span struct {
	Partition  []*Expr
	OrderBy    []Order
	Start, End Bound // both empty: from the first row to the last that is ordered like this one
}

// Bound is an end of a window's frame.
type Bound struct {
	Kind string // UNBOUNDED_PRECEDING, EXPR_PRECEDING_ROWS, CURRENT_ROW_ROWS, CURRENT_ROW_RANGE, EXPR_FOLLOWING_ROWS, UNBOUNDED_FOLLOWING
	Rows string // of EXPR_: decimal digits
}

// Item is an output column.
type Item struct {
	Expr  *Expr
	Alias string
}

// Order is a key of ORDER BY; NULLs come last unless First.
type Order struct {
	Expr  *Expr
	Desc  bool
	First bool
}

// From is what a SELECT reads: one of File, Table, Sub, Union and Join.
type From struct {
	File  string  // read_parquet of this path
	Table string  // memory.main.<Table>
	Sub   *Select // a derived table
	Union Query   // a derived table of two or more
	Join  *Join   // has no alias
	Alias string
}

// Join is of two that have an alias.
type Join struct {
	Outer       bool // keeps rows of the left that have no partner
	Left, Right From
	On          *Expr // none: all pairs
}

// Select is one SELECT.
type Select struct {
	Unique  bool // SELECT DISTINCT
	Items   []Item
	From    From
	Where   *Expr
	Group   []*Expr
	OrderBy []Order
	Limit   string // decimal digits, or none
	Offset  string
}

// Query is a UNION ALL of one or more.
type Query []*Select

// Col names a column of a table alias.
func Col(table, name string) *Expr { return &Expr{Kind: Column, Table: table, Name: name} }

// Call is a function of system.main.
func Call(name string, args ...*Expr) *Expr { return &Expr{Kind: Func, Name: name, Args: args} }

// Const is a constant of an SQL type.
func Const(text, sqlType string) *Expr { return CastTo(&Expr{Kind: Text, Text: text}, sqlType) }

// NullOf is the NULL of an SQL type.
func NullOf(sqlType string) *Expr { return CastTo(&Expr{Kind: Null}, sqlType) }

// CastTo is CAST(e AS sqlType).
func CastTo(e *Expr, sqlType string) *Expr { return &Expr{Kind: Cast, Name: sqlType, Args: []*Expr{e}} }

// Op is a node of that kind over arguments. And and Or are flattened and Not is pushed into comparisons, as the engine's
// parser does, so that each tree has one text and each text one tree.
func Op(kind Kind, args ...*Expr) *Expr {
	switch kind {
	case And, Or:
		return &Expr{Kind: kind, Args: flatten(kind, args)}
	case Not:
		return negate(args[0])
	}
	return &Expr{Kind: kind, Args: args}
}

func flatten(kind Kind, args []*Expr) []*Expr {
	var flat []*Expr
	for _, a := range args {
		if a.Kind == kind {
			flat = append(flat, a.Args...)
		} else {
			flat = append(flat, a)
		}
	}
	return flat
}

// Same is what two NULLs are, too.
const Same = "IS NOT DISTINCT FROM"

var opposite = map[string]string{"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

func negate(e *Expr) *Expr {
	switch e.Kind {
	case Compare:
		if e.Name == Same {
			break
		}
		return &Expr{Kind: Compare, Name: opposite[e.Name], Args: e.Args}
	case In:
		return &Expr{Kind: NotIn, Args: e.Args}
	case NotIn:
		return &Expr{Kind: In, Args: e.Args}
	}
	return &Expr{Kind: Not, Args: []*Expr{e}}
}

// Cmp compares by one of = <> < <= > >=.
func Cmp(op string, a, b *Expr) *Expr { return &Expr{Kind: Compare, Name: op, Args: []*Expr{a, b}} }
