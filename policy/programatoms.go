package policy

import (
	"reflect"
	"slices"

	"github.com/cordon-exchange/cordon/policy/internal/canon"
)

// Several conditions inside the aggregates of one release can be subtracted from each other, and from the whole: what is left is a
// union of atoms, the rows of a cell that agree in which of the conditions they meet. So a conditional aggregate is shown
// only where every atom of its cell holds by itself. With one condition that is the rule on complements.

// Conditions lists the distinct conditions of a release's aggregates, if there are several.
func (n ReleaseNode) conditions() (out []Expr) {
	for _, a := range n.Aggs {
		if a.When != nil && !slices.ContainsFunc(out, func(have Expr) bool { return reflect.DeepEqual(have, *a.When) }) {
			out = append(out, *a.When)
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// args lists the distinct arguments of a release's aggregates.
func (n ReleaseNode) args() (out []Agg) {
	for _, a := range n.Aggs {
		if a.Arg != nil && !slices.ContainsFunc(out, func(have Agg) bool { return reflect.DeepEqual(have.Arg, a.Arg) }) {
			out = append(out, Agg{Op: AggSum, Arg: a.Arg, Scale: a.Scale})
		}
	}
	return out
}

// AtomArg is the place of an aggregate's argument among those that AtomText adds up, or -1.
func (n ReleaseNode) AtomArg(agg int) int {
	return slices.IndexFunc(n.args(), func(have Agg) bool {
		return n.Aggs[agg].Arg != nil && reflect.DeepEqual(have.Arg, n.Aggs[agg].Arg)
	})
}

// Columns that an atom has for each argument, behind keys, conditions, src, rows and units.
const (
	AtomRows    = iota // in which the argument is not NULL
	AtomUnits          // that have such a row
	AtomSum            // NULL where no row has a value, as is the next
	AtomAbs            //
	AtomColumns        // how many there are
)

// AtomText computes the atoms of a release: d{i} of the keys, w{i} BOOLEAN of the conditions, src, rows, units, then AtomColumns for
// each argument. It is false where the release has not several conditions.
func (p *Plan) AtomText(release int, refs []string) (Text, int, bool) {
	n := p.Program.Releases[release]
	conditions := n.conditions()
	if conditions == nil || n.Mode != ModeGuard {
		return Text{}, 0, false
	}
	var q canon.Query
	for _, s := range p.Program.readers(release) {
		q = append(q, p.Program.atoms(release, s, refs, conditions))
	}
	return p.Program.programText(q, refs), len(conditions), true
}

func (p *Program) atoms(release, source int, refs []string, conditions []Expr) *canon.Select {
	n := p.Releases[release]
	columns, units, most := p.stepColumns(n.From), p.opensAnyUnit(n), p.unitCap(release)
	s := &canon.Select{From: p.withSurvivors(n, canon.From{Sub: p.stepSelect(n, n.From, source, refs), Alias: "s"})}
	add := func(name string, e *canon.Expr) { s.Items = append(s.Items, canon.Item{Expr: e, Alias: name}) }
	for i, k := range n.Keys {
		e := stepWriter().sql(k.Expr)
		add("d"+itoa(i), e)
		s.Group = append(s.Group, e)
	}
	for i, x := range conditions {
		e := canon.Op(canon.Coalesce, stepWriter().sql(x), canon.Const("false", "BOOLEAN"))
		add("w"+itoa(i), e)
		s.Group = append(s.Group, e)
	}
	add("src", canon.Const(itoa(source), "INTEGER"))
	sums := p.atomSums(release)
	rows := sums.rowsOfAll()
	add("rows", rows)
	add("units", countUnits(rows, units, nil, most, sums))
	for i, a := range n.args() {
		part, _ := a.takesPart(columns)
		with := contributing{sums, sums.found[i], units, most}
		count, counted := with.counts(part, nil)
		sum, abs := with.exact(a, columns, part, nil)
		for k, e := range []*canon.Expr{count, counted, sum, abs} {
			add("m"+itoa(i)+"_"+itoa(k), e)
		}
	}
	return s
}
