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
	Compare                  // Name: = <> < <= > >=; two arguments
	And                      // two or more arguments, none an And
	Or                       // two or more arguments, none an Or
	Not                      // one argument
	IsNull                   // one argument
	In                       // a value and candidates
	NotIn                    // the same, negated
	Case                     // condition, value, ..., else
	Coalesce                 // one or more arguments
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

// From is what a SELECT reads: one of File, Table and Sub.
type From struct {
	File  string  // read_parquet of this path
	Table string  // memory.main.<Table>
	Sub   *Select // a derived table
	Alias string
}

// Select is one SELECT.
type Select struct {
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

var opposite = map[string]string{"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

func negate(e *Expr) *Expr {
	switch e.Kind {
	case Compare:
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
