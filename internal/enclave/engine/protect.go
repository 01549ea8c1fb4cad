package engine

import (
	"context"
	"math/big"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
)

// released is the protected table: all that what follows may see.
type released struct {
	keys       [][]privacy.Value
	bases      [][]cellValue // by cell, by base of the plan
	suppressed int64
}

type cellValue struct {
	value *big.Int
	shown bool
}

// protect turns contributions into released cells, base by base, and forgets the contributions.
func (j *job) protect(context.Context) error {
	bases := make([]*privacy.Released, len(j.plan.Bases))
	for i, b := range j.plan.Bases {
		base, err := j.base(b)
		if err != nil {
			return err
		}
		if bases[i], err = j.judge(base); err != nil {
			return Error{CodePlan}
		}
	}
	j.released = collect(j.cells, bases)
	if j.plan.Mode == policy.ModeLattice {
		j.released.suppressed = privacy.SuppressedCount(j.rules(), bases...)
	}
	j.cells = nil
	return nil
}

func (j *job) judge(base privacy.Base) (*privacy.Released, error) {
	if j.plan.Mode == policy.ModeOwn {
		return privacy.ReleaseOwn(j.parties, base)
	}
	return privacy.Protect(j.rules(), j.parties, base)
}

// collect leaves out a cell of which nothing is shown, unless its key is declared: the key itself would be data.
func collect(c *cells, bases []*privacy.Released) *released {
	out := &released{}
	for i, key := range c.keys {
		values := make([]cellValue, len(bases))
		some := c.declared
		for b, base := range bases {
			v, shown := base.Value(i)
			values[b] = cellValue{v, shown}
			some = some || shown
		}
		if some {
			out.keys = append(out.keys, key)
			out.bases = append(out.bases, values)
		}
	}
	return out
}

// base arranges the contributions for one aggregate. Every measure of the plan is at hand whatever the bases, so a count
// of values is judged with its complement in every query.
func (j *job) base(b policy.Base) (privacy.Base, error) {
	pick, kind, err := j.picker(b)
	if err != nil {
		return privacy.Base{}, err
	}
	out := privacy.Base{Kind: kind, UniqueUnits: j.plan.Unit.Unique}
	for i, key := range j.cells.keys {
		cell := privacy.Cell{Key: key}
		for _, c := range j.cells.parts[i] {
			part := pick(c)
			part.Owner = j.owners[c.source]
			cell.Parts = append(cell.Parts, part)
			if b.Op == policy.BaseCountValue {
				cell.Complement = append(cell.Complement, without(c, b.Measure, part.Owner))
			}
		}
		out.Cells = append(out.Cells, cell)
	}
	return out, nil
}

func (j *job) picker(b policy.Base) (func(contribution) privacy.Part, privacy.Kind, error) {
	if b.Op == policy.BaseCount || b.Op == policy.BaseCountUnits {
		if b.Measure != -1 {
			return nil, 0, Error{CodePlan}
		}
	} else if b.Measure < 0 || b.Measure >= len(j.plan.Measures) {
		return nil, 0, Error{CodePlan}
	}
	switch b.Op {
	case policy.BaseCount:
		return func(c contribution) privacy.Part { return counted(c.units, c.rows) }, privacy.Count, nil
	case policy.BaseCountUnits:
		return func(c contribution) privacy.Part { return counted(c.units, c.units) }, privacy.Count, nil
	case policy.BaseCountValue:
		return func(c contribution) privacy.Part {
			return counted(c.measures[b.Measure].units, c.measures[b.Measure].rows)
		}, privacy.Count, nil
	case policy.BaseSum:
		return func(c contribution) privacy.Part {
			m := c.measures[b.Measure]
			return privacy.Part{Units: m.units, Value: m.sum, Weight: m.abs}
		}, privacy.Sum, nil
	}
	return nil, 0, Error{CodePlan}
}

func counted(units, n int64) privacy.Part {
	v := big.NewInt(n)
	return privacy.Part{Units: units, Value: v, Weight: v}
}

// without is the part of a cell whose rows have no value. Its units are counted, as those of the rest may have rows there too.
func without(c contribution, measure, owner int) privacy.Part {
	m := c.measures[measure]
	part := counted(m.others, c.rows-m.rows)
	part.Owner = owner
	return part
}
