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
