package policy

import (
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy/internal/query"
)

// chooseSet finds the smallest set of the lattice that holds all dimensions which the query groups or filters by. The whole
// set is scanned, whatever is asked of it, so that no sequence of queries says more than its one protected table.
func (c *compiler) chooseSet(where *Expr) *Refusal {
	used := map[string]bool{}
	for _, k := range c.keys {
		columnsOf(k, used)
	}
	if where != nil {
		columnsOf(*where, used)
	}
	set := sortedKeys(used)
	if !c.own {
		allowed, r := c.allowedSet(set)
		if r != nil {
			return r
		}
		set = allowed
	}
	c.dims = []Dim{}
	for i, name := range set {
		col := c.index[name]
		c.dimIndex[name] = i
		c.dims = append(c.dims, Dim{Column: col.Name, Type: col.Type, Nullable: col.Nullable, Values: c.domain(col)})
	}
	for i := range c.keys {
		c.keys[i] = c.numbered(c.keys[i])
	}
	if where != nil {
		*where = c.numbered(*where)
	}
	return nil
}

// columnsOf collects the folded names of the dims in an expression.
func columnsOf(x Expr, used map[string]bool) {
	if x.Op == OpDim {
		used[fold(x.Value)] = true
	}
	for _, a := range x.Args {
		columnsOf(a, used)
	}
}

// numbered replaces names of dims by their indices.
func (c *compiler) numbered(x Expr) Expr {
	if x.Op == OpDim && x.Value != "" {
		x.Index, x.Value = c.dimIndex[fold(x.Value)], ""
	}
	args := make([]Expr, 0, len(x.Args))
	for _, a := range x.Args {
		args = append(args, c.numbered(a))
	}
	if len(args) > 0 {
		x.Args = args
	}
	return x
}

// allowedSet is the first of the smallest sets, in the order of the first policy, that every policy lists and that holds
// the used dimensions.
func (c *compiler) allowedSet(used []string) ([]string, *Refusal) {
	var best []string
	for _, set := range c.table.Members[0].Policy.lattice {
		if holds(set, used) && (best == nil || len(set) < len(best)) && c.everyPolicyLists(set) {
			best = set
		}
	}
	if best == nil {
		return nil, c.noSet(used)
	}
	return best, nil
}

func holds(set, used []string) bool {
	return !slices.ContainsFunc(used, func(d string) bool { return !contains(set, d) })
}

func (c *compiler) noSet(used []string) *Refusal {
	var whose []string
	for _, s := range c.table.Members {
		if !slices.ContainsFunc(s.Policy.lattice, func(set []string) bool { return holds(set, used) }) {
			whose = append(whose, s.name())
		}
	}
	if whose == nil {
		whose = c.names()
	}
	r := ruled("lattice", "no-set", c.placeOf(used), "no allowed GROUP BY set holds "+strings.Join(used, " and "), "allowed sets: "+c.allSets()).of(whose)
	r.Nearest = c.nearestInLattice()
	return r
}

// allSets lists the sets that every policy allows.
func (c *compiler) allSets() string {
	var out []string
	for _, set := range c.table.Members[0].Policy.lattice {
		if c.everyPolicyLists(set) {
			out = append(out, "{"+strings.Join(set, ", ")+"}")
		}
	}
	if out == nil {
		return "none, as the policies share none"
	}
	return strings.Join(out, ", ")
}

// crosses tells that a set of several columns may be asked for. Rows and rows with a value are then two tables that bound
// each other cell by cell, which no protection of each by itself can take into account.
func (c *compiler) crosses() bool {
	return slices.ContainsFunc(c.table.Members[0].Policy.lattice, func(set []string) bool { return len(set) > 1 && c.everyPolicyLists(set) })
}

func (c *compiler) everyPolicyLists(set []string) bool {
	for _, s := range c.table.Members {
		if !slices.ContainsFunc(s.Policy.lattice, func(o []string) bool { return slices.Equal(o, set) }) {
			return false
		}
	}
	return true
}

// placeOf is where the query names the dimension with which the set no longer fits.
func (c *compiler) placeOf(used []string) query.Pos {
	var found []*query.Expr
	for _, k := range c.ast.GroupBy {
		if e, r := c.groupKey(k); r == nil {
			found = c.idents(e, found)
		}
	}
	if c.ast.GroupAll {
		for _, it := range c.ast.Items {
			found = c.idents(it.Expr, found)
		}
	}
	if c.ast.Where != nil {
		found = c.idents(c.ast.Where, found)
	}
	var sofar []string
	for _, e := range found {
		col, _ := c.column(e)
		sofar = sortedSet(append(sofar, fold(col.Name)))
		if !slices.ContainsFunc(c.table.Members[0].Policy.lattice, func(set []string) bool { return holds(set, sofar) && c.everyPolicyLists(set) }) {
			return e.Pos
		}
	}
	return c.ast.GroupPos
}

func (c *compiler) idents(e *query.Expr, out []*query.Expr) []*query.Expr {
	if e.Kind == query.Ident {
		if _, ok := c.column(e); ok {
			out = append(out, e)
		}
	}
	for _, a := range e.Args {
		out = c.idents(a, out)
	}
	return out
}

// domain is the union of the declared values, if every policy declares them. In own mode none binds.
func (c *compiler) domain(col Column) []string {
	var all []string
	for _, s := range c.table.Members {
		values := s.Policy.columns[fold(col.Name)].values
		if c.own || len(values) == 0 {
			return nil
		}
		for _, v := range values {
			text, _ := col.Type.canonical(v.text)
			all = append(all, text)
		}
	}
	return sortedSet(all)
}

// lattices refuses what plan/1 has no words for.
func (c *compiler) lattices() *Refusal {
	var whose []string
	for _, s := range c.table.Members {
		if s.Policy.output != outputLattice && !c.own {
			whose = append(whose, s.name())
		}
	}
	if whose == nil {
		return nil
	}
	return ruled("output", "mode", c.ast.From.Pos, "this kind of output needs a contract over plan/2", "propose a new contract: it will name plan/2").of(whose)
}
