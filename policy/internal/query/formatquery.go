package query

import "strings"

// Format writes the query on one line so that ParseQuery reads the same tree.
func (q *Query) Format() string {
	var b strings.Builder
	q.format(&b)
	return b.String()
}

func (q *Query) format(b *strings.Builder) {
	for i, c := range q.With {
		if i == 0 {
			b.WriteString("WITH ")
		}
		comma(b, i)
		b.WriteString(Quote(c.Name) + " AS (")
		c.Query.format(b)
		b.WriteByte(')')
	}
	if len(q.With) > 0 {
		b.WriteByte(' ')
	}
	for i, s := range q.Arms {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		s.formatArm(b)
	}
	formatOrder(b, q.OrderBy)
	clause(b, " LIMIT ", q.Limit)
	clause(b, " OFFSET ", q.Offset)
}

func (s *Select) formatArm(b *strings.Builder) {
	b.WriteString("SELECT ")
	if s.Distinct {
		b.WriteString("DISTINCT ")
	}
	formatItems(b, s.Items)
	b.WriteString(" FROM ")
	s.Source.format(b)
	clause(b, " WHERE ", s.Where)
	if s.Group != nil {
		s.Group.format(b)
	}
	clause(b, " HAVING ", s.Having)
}

func (f *From) format(b *strings.Builder) {
	switch f.Kind {
	case FromTable:
		if f.Table.Schema != "" {
			b.WriteString(Quote(f.Table.Schema) + ".")
		}
		b.WriteString(Quote(f.Table.Name))
	case FromSub:
		b.WriteByte('(')
		f.Sub.format(b)
		b.WriteByte(')')
	case FromJoin:
		f.formatJoin(b)
	}
	if f.Alias != "" {
		b.WriteString(" AS " + Quote(f.Alias))
	}
}

func (f *From) formatJoin(b *strings.Builder) {
	f.Left.format(b)
	b.WriteString(map[JoinKind]string{JoinInner: " JOIN ", JoinLeft: " LEFT JOIN ", JoinCross: " CROSS JOIN "}[f.Join])
	if f.Right.Kind == FromJoin {
		b.WriteByte('(')
		f.Right.format(b)
		b.WriteByte(')')
	} else {
		f.Right.format(b)
	}
	clause(b, " ON ", f.On)
	for i, c := range f.Using {
		if i == 0 {
			b.WriteString(" USING (")
		}
		comma(b, i)
		b.WriteString(Quote(c))
	}
	if len(f.Using) > 0 {
		b.WriteByte(')')
	}
}

func (g *Grouping) format(b *strings.Builder) {
	b.WriteString(" GROUP BY ")
	if g.All {
		b.WriteString("ALL")
	}
	for i, e := range g.Elems {
		comma(b, i)
		if e.Kind == GroupExpr {
			list(b, e.Sets[0])
		} else {
			e.formatSets(b)
		}
	}
}

func (e GroupElem) formatSets(b *strings.Builder) {
	b.WriteString(map[GroupKind]string{GroupRollup: "ROLLUP (", GroupCube: "CUBE (", GroupSets: "GROUPING SETS ("}[e.Kind])
	for i, set := range e.Sets {
		comma(b, i)
		b.WriteByte('(')
		list(b, set)
		b.WriteByte(')')
	}
	b.WriteByte(')')
}

func (w *Window) format(b *strings.Builder) {
	var in strings.Builder
	for i, e := range w.PartitionBy {
		if i == 0 {
			in.WriteString(" PARTITION BY ")
		}
		comma(&in, i)
		e.format(&in)
	}
	formatOrder(&in, w.OrderBy)
	if w.Frame != "" {
		in.WriteString(" " + strings.ToUpper(w.Frame))
	}
	b.WriteString(" OVER (" + strings.TrimPrefix(in.String(), " ") + ")")
}
