package engine

import (
	"database/sql/driver"
	"math/big"
	"strconv"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
)

// atoms are the parts into which the conditions of a release divide its cells, with what each source gives to them.
type atoms struct {
	conditions int
	cells      []int // the cell of each atom
	keys       []string
	parts      [][]atom
	index      map[string]int
}

// atom is one source's part of an atom.
type atom struct {
	source      int
	rows, units int64
	args        [][policy.AtomColumns]*big.Int
}

// takeAtom reads a row of an AtomText.
func (r *releasing) takeAtom(row []driver.Value) error {
	n, args := len(r.node.Keys), len(row)
	at := n + r.atoms.conditions + fixedColumns
	if args < at || (args-at)%policy.AtomColumns != 0 {
		return errUnexpected
	}
	key, err := r.key(row)
	if err != nil {
		return err
	}
	cell, known := r.cells.index[identity(key)]
	fixed, err := counts(row[n+r.atoms.conditions : at])
	if err != nil {
		return err
	}
	if fixed[1] == 0 { // the one row of a release without keys over no rows
		return nil
	}
	if !known {
		return errUnexpected
	}
	id := identity(key)
	for _, v := range row[n : n+r.atoms.conditions] {
		met, ok := v.(bool)
		if !ok {
			return errUnexpected
		}
		id += "," + strconv.FormatBool(met)
	}
	got := atom{source: int(fixed[0]), rows: fixed[1], units: fixed[2]}
	for ; at < args; at += policy.AtomColumns {
		var c [policy.AtomColumns]*big.Int
		for i := range c {
			if c[i] = new(big.Int); row[at+i] == nil {
				continue
			}
			v, ok := integer(row[at+i])
			if !ok {
				return errUnexpected
			}
			c[i] = v
		}
		got.args = append(got.args, c)
	}
	i, ok := r.atoms.index[id]
	if !ok {
		i = len(r.atoms.keys)
		r.atoms.index[id] = i
		r.atoms.keys, r.atoms.cells, r.atoms.parts = append(r.atoms.keys, id), append(r.atoms.cells, cell), append(r.atoms.parts, nil)
		if i >= maxCells {
			return errTooMany
		}
	}
	r.atoms.parts[i] = append(r.atoms.parts[i], got)
	return nil
}

// judgeAtoms takes away the conditional aggregates of cells in which an atom does not hold.
func (r *releasing) judgeAtoms(p *privacy.Parties, owner map[int]int) error {
	if r.atoms == nil {
		return nil
	}
	for j, a := range r.node.Aggs {
		if a.When == nil {
			continue
		}
		base := r.atomBase(a, r.node.AtomArg(j), owner)
		released, err := r.judge(p, base)
		if err != nil {
			return Error{CodePlan}
		}
		for i, cell := range r.atoms.cells {
			if _, holds := released.Value(i); !holds && len(base.Cells[i].Parts)+len(base.Cells[i].Complement) > 0 {
				r.values[cell][j] = nil
			}
		}
	}
	return nil
}

// atomBase arranges the atoms for what an aggregate adds up.
func (r *releasing) atomBase(a policy.Agg, arg int, owner map[int]int) privacy.Base {
	out := privacy.Base{Kind: privacy.Count, UniqueUnits: r.plan.UniqueUnits(r.index)}
	if a.Op == policy.AggSum {
		out.Kind = privacy.Sum
	}
	for i, id := range r.atoms.keys {
		cell := privacy.Cell{Key: []privacy.Value{{Text: id}}}
		for _, x := range r.atoms.parts[i] {
			all := big.NewInt(x.rows)
			part := privacy.Part{Owner: owner[x.source], Units: x.units, Value: all, Weight: all}
			if arg >= 0 {
				c := x.args[arg]
				part.Units, part.Value, part.Weight = c[policy.AtomUnits].Int64(), c[policy.AtomRows], c[policy.AtomRows]
				if a.Op == policy.AggSum {
					part.Value, part.Weight = c[policy.AtomSum], c[policy.AtomAbs]
				}
			}
			if part.Units > 0 {
				cell.Parts = append(cell.Parts, part)
			}
		}
		out.Cells = append(out.Cells, cell)
	}
	return out
}
