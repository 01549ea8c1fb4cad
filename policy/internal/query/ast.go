package query

import "fmt"

// Pos is a place in the text, counted from 1; Col counts characters.
type Pos struct{ Line, Col int }

// Error says where the text leaves the grammar. Code names the construct.
type Error struct {
	Pos
	Code string
	Msg  string
	Hint string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg) }

// Kind says what an expression is.
type Kind int

// The kinds of expression.
const (
	Ident  Kind = iota + 1 // Path
	Number                 // Text, as written
	String                 // Text
	Bool                   // Text: true or false
	Null
	DateLit // Text
	Param   // Text: digits after $
	Call    // Text: folded name; Args; Distinct; Star
	Unary   // Text: - or not
	Binary  // Text: operator, "and" and "or" included
	Between // Args: value, low, high; Not
	In      // Args: value, candidates; Not
	Like    // Text: like or ilike; Args: value, pattern; Not
	IsNull  // Args: value; Not
	Case    // Args: condition, value, ... [else]; Operand tells whether Args[0] is compared
	Cast    // Text: folded type; Args: value
	Star    // Path: the table it belongs to, or nothing; only as a whole item of SELECT
)

// Expr is one node, at the place where it begins.
type Expr struct {
	Pos
	Kind     Kind
	Text     string
	Path     []string
	Args     []*Expr
	Distinct bool
	Star     bool
	Not      bool
	Operand  bool
	Filter   *Expr   // Call: the condition of FILTER, or nil
	Over     *Window // Call: its window, or nil
}

// Item is a column of the output.
type Item struct {
	Expr  *Expr
	Alias string
}

// Order is one key of ORDER BY.
type Order struct {
	Expr       *Expr
	Desc       bool
	NullsFirst bool
}

// Table names what is read.
type Table struct {
	Pos
	Schema, Name string
	Alias        string
}

// Select is one SELECT. What is marked narrow is set by Parse only, what is marked whole by ParseQuery only.
type Select struct {
	Pos                // whole
	Distinct bool      // whole
	Items    []Item    //
	From     Table     // narrow
	Source   *From     // whole
	Where    *Expr     //
	GroupBy  []*Expr   // narrow
	GroupAll bool      // narrow
	GroupPos Pos       // narrow
	Group    *Grouping // whole; nil without GROUP BY
	Having   *Expr     //
	OrderBy  []Order   // narrow: the whole grammar orders and cuts a Query
	Limit    *Expr     // narrow
	Offset   *Expr     // narrow
}
