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

// Render shows the refusal to the author of the query, with a caret under the place.
func (r *Refusal) Render(sql string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "refused: %s\n", r.Msg)
	if w := r.Where; w.Line > 0 {
		if caret := r.Caret(sql); caret != "" {
			fmt.Fprintf(&b, "  at %d:%d\n%s", w.Line, w.Col, caret)
		}
	}
	return b.String() + r.renderRest()
}

// Caret shows the line of the query with a mark under the place, or nothing where there is no place in it.
func (r *Refusal) Caret(sql string) string {
	lines, w := strings.Split(sql, "\n"), r.Where
	if w.Line < 1 || w.Line > len(lines) || w.Col < 1 {
		return ""
	}
	line := []rune(strings.TrimSuffix(lines[w.Line-1], "\r"))
	pad := make([]rune, 0, w.Col)
	for i := 0; i < w.Col-1 && i < len(line); i++ {
		if line[i] == '\t' {
			pad = append(pad, '\t')
		} else {
			pad = append(pad, ' ')
		}
	}
	return fmt.Sprintf("  | %s\n  | %s^\n", string(line), string(pad))
}

func (r *Refusal) renderRest() string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule: %s (%s)\n", r.Rule, r.Code)
	if len(r.Whose) > 0 {
		fmt.Fprintf(&b, "policy of: %s\n", strings.Join(r.Whose, ", "))
	}
	if r.Hint != "" {
		fmt.Fprintf(&b, "hint: %s\n", r.Hint)
	}
	if r.Nearest != "" {
		fmt.Fprintf(&b, "nearest: %s\n", r.Nearest)
	}
	return b.String()
}
