package policy

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (r *reader) output(n *yaml.Node, p *Policy) {
	if r.err != nil || p.output != outputLattice {
		return
	}
	s := r.section(n, "output", "lattice")
	sets := r.items(r.need(s, "lattice", "lattice: [[size], [phase]] lists the GROUP BY sets that may be asked for"), "lattice")
	for _, set := range sets {
		if r.err != nil {
			return
		}
		r.latticeSet(set, p)
	}
	r.crossing(sets, p)
}

func (r *reader) latticeSet(n *yaml.Node, p *Policy) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "each set of the lattice must be a list of columns", "write [[size], [phase]]; [] is the grand total")
		return
	}
	if len(n.Content) > maxSetColumns {
		r.fail(n, "a set of more than "+strconv.Itoa(maxSetColumns)+" columns", "cells of so many dimensions have few contributors each: list smaller sets")
		return
	}
	set := []string{}
	for _, c := range n.Content {
		name := fold(r.text(c, "a column of the lattice"))
		if r.err == nil && !p.columns[name].dimension {
			r.fail(c, "not a dimension: "+strconv.Quote(c.Value), "the lattice is made of columns with role dimension")
		}
		if slices.Contains(set, name) {
			r.fail(c, "this column is there twice", "keep one of them")
		}
		set = append(set, name)
	}
	slices.Sort(set)
	if len(set) > 1 && !p.unit.rowsAreUnits {
		r.fail(n, "sets of more than one column need units that are rows", "unit: {..., rows_are_units: true}; units that have rows in several cells can't be added up along a margin")
	}
	for _, have := range p.lattice {
		if slices.Equal(have, set) {
			r.fail(n, "this set is there twice", "keep one of them")
		}
	}
	p.lattice = append(p.lattice, set)
}

// crossing refuses sets of several columns whose tables would say more together than each does. Each table is safe with
// the totals of its single columns known, and with those of its first columns, in the order of names, which are made the
// same way. Two tables that share one column meet in its totals only, unless a circle of tables closes.
// SPEC: docs/spec/policy.md, section 3.1. Proof: docs/decisions/011-crossing-margins.md.
func (r *reader) crossing(nodes []*yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	joined := map[string]int{} // columns that tables connect have one number
	for i, set := range p.lattice {
		if len(set) < 2 || r.isPartOfAnother(nodes[i], set, p) {
			continue
		}
		seen := map[int]bool{}
		for _, column := range set {
			if c, ok := joined[column]; ok && seen[c] {
				r.fail(nodes[i], "tables that say more together than apart: {"+strings.Join(set, ", ")+"} shares columns with others in more than one way", "two sets of more than one column may share one column, without closing a circle")
				return
			} else if ok {
				seen[c] = true
			}
		}
		for column, c := range joined {
			if seen[c] {
				joined[column] = i
			}
		}
		for _, column := range set {
			joined[column] = i
		}
	}
}

// isPartOfAnother tells whether a set is the beginning of a larger one; any other part of one is refused.
func (r *reader) isPartOfAnother(n *yaml.Node, set []string, p *Policy) (part bool) {
	for _, other := range p.lattice {
		if len(other) <= len(set) || !holds(other, set) {
			continue
		}
		part = true
		if !slices.Equal(other[:len(set)], set) {
			r.fail(n, "{"+strings.Join(set, ", ")+"} is a part of {"+strings.Join(other, ", ")+"}, but not its beginning", "beside it the lattice may have its first columns in the order of their names, or single columns")
		}
	}
	return part
}
