package policy

import (
	"fmt"
	"strings"
)

// Pos is a place in a text, counted from 1; the zero Pos is no place. Col counts characters, not bytes.
type Pos struct {
	Line int `json:"line"`
	Col  int `json:"col"`
}

// Refusal says that a query may not run: which rule, where, and whose policy. It follows from policy alone.
type Refusal struct {
	Rule    string   `json:"rule"` // the section of the grammar or the policy: "grammar", "columns", "lattice" ...
	Code    string   `json:"code"` // stable, for programs
	Where   Pos      `json:"where"`
	Whose   []string `json:"whose,omitempty"` // data sets whose policy refuses, as party.dataset; empty: any policy would
	Msg     string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
	Nearest string   `json:"nearest,omitempty"` // a query that would pass, where one is known
}

// Error gives rule, place, whose policy and message in one line.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "refused by rule %s", r.Rule)
	if r.Where.Line > 0 {
		fmt.Fprintf(&b, " at %d:%d", r.Where.Line, r.Where.Col)
	}
	if len(r.Whose) > 0 {
		fmt.Fprintf(&b, " of %s", strings.Join(r.Whose, ", "))
	}
	return b.String() + ": " + r.Msg
}
