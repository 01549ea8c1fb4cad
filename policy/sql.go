package policy

// Columns returns the physical columns that the source with that offer digest must release, sorted.
func (p *Plan) Columns(offer string) []string {
	for _, s := range p.Sources {
		if s.Offer == offer {
			return append([]string(nil), s.Columns...)
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

// ScanSQL gives the SQL that computes contributions: one row for each key of Dims and source, with columns in this order:
// d0.. (the Dims), src INTEGER, rows BIGINT, units BIGINT, and for each measure i: n{i} BIGINT (rows that are not NULL),
// u{i} BIGINT (units with a row that is not NULL), s{i} HUGEINT (sum of scaled integers), a{i} HUGEINT (sum of their
// absolute values), lo{i}, hi{i} HUGEINT (their bounds, NULL where n is 0). s, a, lo and hi are NULL where n{i} is 0. The
// caller must refuse bounds outside the clamp and keys outside a declared domain.
//
// refs holds one path for each source; each is read by read_parquet.
func (p *Plan) ScanSQL(refs []string) string { return "" }

// PostSQL gives the SQL over the released table, which the caller has made under that name in the schema main of the
// catalog memory with columns d0.. (types of Dims; NULL is the NULL key) and b0.. (see BaseType; NULL means suppressed).
//
// The result has the columns of Post.Select in their order, then as many BOOLEAN columns: where one is true, a base that
// the item reads is suppressed, so that a NULL in the item is a suppressed cell and not a NULL.
func (p *Plan) PostSQL(released string) string { return "" }
