package publish

import (
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/statement"
)

// Request says what to publish.
type Request struct {
	Path    string   // required: CSV, Parquet or Arrow file
	Dataset string   // required
	Version string   // default: the next free number
	Policy  []byte   // required: the policy file
	Terms   []byte   // the file of terms; none: the policy's price alone
	Schema  []Typed  // types that override inference
	Columns []Rename // columns to publish, in order; default: all, under their own names
	Where   []Equal  // only rows that match all
	RowID   string   // name of an added column that numbers the rows from 1

	EvenIfUnchanged bool // publish rows that the newest version has already

	plain       []byte               // instead of Path: a Parquet file in memory
	numbered    string               // a column of it that publishing had added once: RowID
	terms       *statement.Terms     // instead of Terms
	contentsKey *dataset.ContentsKey // of the data set; default: a fresh one, where rows are compared with no version
}

func (r *Request) open() (tabular.Reader, error) {
	if r.plain != nil {
		return tabular.OpenParquet(r.plain)
	}
	return tabular.Open(r.Path)
}

// Typed gives a published column a type.
type Typed struct {
	Column  string
	Type    policy.Type
	NotNull bool
}

// Rename publishes a column of the file under a name.
type Rename struct {
	From string
	To   string
}

// Equal keeps the rows whose column has that text.
type Equal struct {
	Column string // of the file
	Text   string
}

// ParseSchema reads "size:varchar,cost:decimal(18,2)!"; "!" means never NULL.
func ParseSchema(s string) ([]Typed, error) {
	var out []Typed
	for _, part := range splitOutside(s) {
		name, t, ok := strings.Cut(part, ":")
		typed := Typed{Column: strings.TrimSpace(name), Type: policy.Type(strings.TrimSpace(t))}
		if bare, found := strings.CutSuffix(string(typed.Type), "!"); found {
			typed.Type, typed.NotNull = policy.Type(bare), true
		}
		if !ok || !statement.ValidColumn(typed.Column) || !validType(typed.Type) {
			return nil, usage("not a column of a schema: "+part, "write column:type, with boolean, int64, decimal(p,s), varchar, date, timestamp or double")
		}
		out = append(out, typed)
	}
	return out, nil
}

// splitOutside splits at commas that stand outside of parentheses.
func splitOutside(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				out, start = append(out, s[start:i]), i+1
			}
		}
	}
	if rest := s[start:]; rest != "" || len(out) > 0 {
		out = append(out, rest)
	}
	return out
}

func validType(t policy.Type) bool {
	switch t {
	case "boolean", "int64", "varchar", "date", "timestamp", "double":
		return true
	}
	precision, _, ok := result.Type(t).Decimal()
	return ok && precision <= 18
}

// ParseRename reads "Wildlife Size=size", or "size" for a column that keeps its name.
func ParseRename(s string) (Rename, error) {
	from, to, ok := cutLast(s)
	if !ok {
		from, to = s, s
	}
	if from == "" || !statement.ValidColumn(to) {
		return Rename{}, usage("not a column: "+s, "write --column \"Name in the file=name\"; names are lower-case letters, digits and _")
	}
	return Rename{From: from, To: to}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '=')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// ParseEqual reads "Aircraft Airline Operator=DELTA AIR LINES".
func ParseEqual(s string) (Equal, error) {
	column, text, ok := strings.Cut(s, "=")
	if !ok || column == "" {
		return Equal{}, usage("not a condition: "+s, "write --where-equals \"Column=Text\"")
	}
	return Equal{Column: column, Text: text}, nil
}

func usage(msg, hint string) error { return fault.New(fault.Usage, msg, hint, nil) }

func input(msg, hint string) error { return fault.New(fault.Input, msg, hint, nil) }

func (r *Request) valid() error {
	if !statement.ValidName(r.Dataset) {
		return usage("not a name for a data set: "+r.Dataset, "use lower-case letters, digits and _, at most 32")
	}
	if r.Version != "" && !statement.ValidVersion(r.Version) {
		return usage("not a version: "+r.Version, "use lower-case letters, digits, '.', '-' and _")
	}
	if r.RowID != "" && !statement.ValidColumn(r.RowID) {
		return usage("not a name for a column: "+r.RowID, "use lower-case letters, digits and _")
	}
	for _, t := range r.Schema {
		if !statement.ValidColumn(t.Column) || !validType(t.Type) {
			return usage(fmt.Sprintf("column %s can't have type %s", t.Column, t.Type), "use boolean, int64, decimal(p,s), varchar, date, timestamp or double")
		}
	}
	return nil
}
