package policy

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// compiler holds one compilation. Its methods return a *Refusal or nil; the first ends the compilation.
type compiler struct {
	req   Request
	ast   *query.Select
	table Table
	own   bool
	index map[string]Column // schema by folded name

	keys     []Expr // the keys of GROUP BY, over dims by name
	aliases  map[string]*query.Expr
	dims     []Dim
	dimIndex map[string]int
	measures []Measure
	bases    []Base
}

func at(p query.Pos) Pos { return Pos{Line: p.Line, Col: p.Col} }

func ruled(rule, code string, p query.Pos, msg, hint string) *Refusal {
	return &Refusal{Rule: rule, Code: code, Where: at(p), Msg: msg, Hint: hint}
}

func (r *Refusal) of(whose []string) *Refusal {
	r.Whose = sortedSet(whose)
	return r
}

func (s Source) name() string { return s.OwnerName + "." + s.Dataset }

// resolve finds what the query reads. Names stand for the request's tables and nothing else.
func (c *compiler) resolve() *Refusal {
	from := c.ast.From
	want := fold(from.Schema) + "." + fold(from.Name)
	var known []string
	for _, t := range c.req.Tables {
		if t.Name == want {
			c.table = t
			return c.checkTable()
		}
		known = append(known, t.Name)
	}
	slices.Sort(known)
	return ruled("tables", "unknown-table", from.Pos, "the contract has no data set "+want, "it has "+strings.Join(known, ", "))
}

func (c *compiler) checkTable() *Refusal {
	t, p := c.table, c.ast.From.Pos
	if len(t.Members) == 0 || len(t.Members) > maxSources || t.Pool == "" && len(t.Members) != 1 {
		return ruled("tables", "members", p, "the data set has no offers to read", "")
	}
	offers := map[string]bool{}
	for _, s := range t.Members {
		if r := s.check(p, t.Members[0].Schema); r != nil {
			return r
		}
		if offers[s.Offer] {
			return ruled("tables", "members", p, "one offer is in the pool twice", "").of([]string{s.name()})
		}
		offers[s.Offer] = true
	}
	for _, s := range t.Members {
		if first := t.Members[0].Policy.unit.column; fold(s.Policy.unit.column) != fold(first) {
			return ruled("unit", "differs", p, "the pool's policies count units by different columns", "").of([]string{t.Members[0].name(), s.name()})
		}
	}
	c.index = map[string]Column{}
	for _, s := range t.Members {
		for _, col := range s.Schema {
			col.Nullable = col.Nullable || c.index[fold(col.Name)].Nullable
			c.index[fold(col.Name)] = col
		}
	}
	return nil
}

// check refuses a source whose policy is missing, does not fit, or whose schema is not that of the others.
func (s Source) check(p query.Pos, schema []Column) *Refusal {
	whose := []string{s.name()}
	if s.Owner == "" || s.OwnerName == "" || s.Dataset == "" || s.Version == "" || s.Offer == "" {
		return ruled("tables", "offer", p, "an offer is incomplete", "").of(whose)
	}
	if s.Policy == nil || s.Policy.dataset != s.Dataset {
		return ruled("tables", "no-policy", p, "the offer has no policy for this data set", "its owner must publish it again").of(whose)
	}
	if err := s.Policy.Validate(s.Schema); err != nil {
		return ruled("tables", "policy-schema", p, "the offer's policy does not fit its schema", "its owner must publish it again").of(whose)
	}
	same := func(a, b Column) bool { return a.Name == b.Name && a.Type == b.Type }
	if !slices.EqualFunc(s.Schema, schema, same) {
		return ruled("tables", "schemas", p, "the pool's data sets differ in their columns", "a pool is made of offers of one schema").of(whose)
	}
	return nil
}

// lacking names the data sets whose rule for the column does not pass. In own mode the rules do not bind.
func (c *compiler) lacking(column string, pass func(columnRule) bool) []string {
	var whose []string
	for _, s := range c.table.Members {
		if !c.own && !pass(s.Policy.columns[fold(column)]) {
			whose = append(whose, s.name())
		}
	}
	return whose
}

// column finds a column by the name that the query gives it: column, alias.column or schema.table.column.
func (c *compiler) column(e *query.Expr) (Column, bool) {
	path, from := e.Path, c.ast.From
	switch n := len(path); {
	case n == 2 && from.Alias != "" && fold(path[0]) == fold(from.Alias):
	case n == 2 && from.Alias == "" && fold(path[0]) == fold(from.Name):
	case n == 3 && from.Alias == "" && fold(path[0]) == fold(from.Schema) && fold(path[1]) == fold(from.Name):
	case n != 1:
		return Column{}, false
	}
	col, ok := c.index[fold(path[len(path)-1])]
	return col, ok
}
