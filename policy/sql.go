package policy

import "slices"

// Columns returns the physical columns that the source with that offer digest must release, sorted.
func (p *Plan) Columns(offer string) []string {
	for _, s := range p.Sources {
		if s.Offer == offer {
			return slices.Clone(s.Columns)
		}
	}
	return nil
}

// BaseType is the type of column b{i} of the released table: int64 for counts; for sums, decimal(38,scale).
func (p *Plan) BaseType(i int) Type {
	if b := p.Bases[i]; b.Op == BaseSum {
		return Decimal(38, p.Measures[b.Measure].Scale)
	}
	return Int64
}

// ReadTable is a data set or pool that a plan reads.
type ReadTable struct {
	Name    string
	Pool    string // digest of the pool statement
	Sources []int  // into the plan's sources
}

// Tables lists what the plan reads.
func (p *Plan) Tables() (out []ReadTable) {
	if p.Program == nil {
		t := ReadTable{Name: p.Table, Pool: p.Pool}
		for i := range p.Sources {
			t.Sources = append(t.Sources, i)
		}
		return []ReadTable{t}
	}
	for _, t := range p.Program.Tables {
		out = append(out, ReadTable{Name: t.Name, Pool: t.Pool, Sources: slices.Clone(t.Sources)})
	}
	return out
}
