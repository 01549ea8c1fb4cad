package result

import "errors"

// ErrTable says that a table breaks a rule of the format. It does not say which value, as the table may be secret.
var ErrTable = errors.New("not a valid result table")

// Table is the answer to one query. The zero Table is refused by Encode: a result has at least one column.
type Table struct {
	Columns    []Column
	Rows       [][]Value
	Suppressed int64    // cells of the release that were suppressed, rounded up; see docs/spec/release-rules.md
	Notes      []string // for people, e.g. what was rounded to what; never from data
}

// Column names a column of the answer.
type Column struct {
	Name string
	Type Type
}

// Value is one cell of the answer. The zero Value is the suppressed one, so a cell that nobody filled shows nothing.
type Value struct {
	state state
	text  string
}

type state uint8

const (
	suppressed state = iota
	null
	present
)

// Suppressed is a cell that the release rules hide. It is not NULL, which is a value that the data really has.
func Suppressed() Value { return Value{} }

// Null is SQL's NULL.
func Null() Value { return Value{state: null} }

// Of is a value in the canonical text of its column's type; Encode refuses any other text.
func Of(text string) Value { return Value{state: present, text: text} }

// IsSuppressed reports whether the cell is hidden.
func (v Value) IsSuppressed() bool { return v.state == suppressed }

// IsNull reports whether the cell is NULL.
func (v Value) IsNull() bool { return v.state == null }

// Text gives the canonical text, or false for a suppressed cell and for NULL.
func (v Value) Text() (string, bool) { return v.text, v.state == present }

func (t *Table) valid() error {
	if t == nil || len(t.Columns) < 1 || len(t.Columns) > MaxColumns || len(t.Rows) > MaxRows || len(t.Notes) > MaxNotes || t.Suppressed < 0 {
		return ErrTable
	}
	if !validColumns(t.Columns) || !validNotes(t.Notes) {
		return ErrTable
	}
	for _, row := range t.Rows {
		if !validRow(row, t.Columns) {
			return ErrTable
		}
	}
	return nil
}

func validColumns(columns []Column) bool {
	seen := make(map[string]bool, len(columns))
	for _, c := range columns {
		if c.Name == "" || !validText(c.Name) || seen[c.Name] || !c.Type.Valid() {
			return false
		}
		seen[c.Name] = true
	}
	return true
}

func validNotes(notes []string) bool {
	for _, n := range notes {
		if n == "" || !validText(n) {
			return false
		}
	}
	return true
}

func validRow(row []Value, columns []Column) bool {
	if len(row) != len(columns) {
		return false
	}
	for i, v := range row {
		if v.state == present && !columns[i].Type.canonical(v.text) {
			return false
		}
	}
	return true
}
