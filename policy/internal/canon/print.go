package canon

import "strings"

// String is the canonical text.
func (q Query) String() string {
	var b strings.Builder
	for i, s := range q {
		if i > 0 {
			b.WriteString("\nUNION ALL\n")
		}
		s.print(&b)
	}
	return b.String()
}

func ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (s *Select) print(b *strings.Builder) {
	b.WriteString("SELECT ")
	if s.Unique {
		b.WriteString("DISTINCT ")
	}
	for i, it := range s.Items {
		sep(b, i)
		it.Expr.print(b)
		b.WriteString(" AS " + ident(it.Alias))
	}
	b.WriteString(" FROM ")
	s.From.print(b)
	if s.Where != nil {
		b.WriteString(" WHERE ")
		s.Where.print(b)
	}
	for i, g := range s.Group {
		if i == 0 {
			b.WriteString(" GROUP BY ")
		}
		sep(b, i)
		g.print(b)
	}
	s.printTail(b)
}

func (f From) print(b *strings.Builder) {
	switch {
	case f.Join != nil:
		f.Join.print(b)
		return
	case f.Sub != nil:
		b.WriteByte('(')
		f.Sub.print(b)
		b.WriteByte(')')
	case f.Union != nil:
		b.WriteString("(" + f.Union.String() + ")")
	case f.File != "":
		b.WriteString(`"system"."main"."read_parquet"(` + quote(f.File) + ")")
	default:
		b.WriteString(`"memory"."main".` + ident(f.Table))
	}
	b.WriteString(" AS " + ident(f.Alias))
}

func (j *Join) print(b *strings.Builder) {
	j.Left.print(b)
	switch {
	case j.On == nil:
		b.WriteString(" CROSS JOIN ")
	case j.Outer:
		b.WriteString(" LEFT JOIN ")
	default:
		b.WriteString(" JOIN ")
	}
	j.Right.print(b)
	if j.On != nil {
		b.WriteString(" ON ")
		j.On.print(b)
	}
}

func (s *Select) printTail(b *strings.Builder) {
	printOrder(b, " ORDER BY ", s.OrderBy)
	if s.Limit != "" {
		b.WriteString(" LIMIT " + s.Limit)
	}
	if s.Offset != "" {
		b.WriteString(" OFFSET " + s.Offset)
	}
}

func printOrder(b *strings.Builder, words string, keys []Order) {
	for i, o := range keys {
		if i == 0 {
			b.WriteString(words)
		}
		sep(b, i)
		o.Expr.print(b)
		b.WriteString(map[bool]string{false: " ASC", true: " DESC"}[o.Desc])
		b.WriteString(map[bool]string{false: " NULLS LAST", true: " NULLS FIRST"}[o.First])
	}
}

func sep(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

func (e *Expr) print(b *strings.Builder) {
	switch e.Kind {
	case Column:
		b.WriteString(ident(e.Table) + "." + ident(e.Name))
	case Text:
		b.WriteString(quote(e.Text))
	case Null:
		b.WriteString("NULL")
	case Func:
		e.printFunc(b)
	case Cast, TryCast:
		b.WriteString(map[Kind]string{Cast: "CAST(", TryCast: "TRY_CAST("}[e.Kind])
		e.Args[0].print(b)
		b.WriteString(" AS " + e.Name + ")")
	case Compare:
		e.infix(b, " "+e.Name+" ")
	case And:
		e.infix(b, " AND ")
	case Or:
		e.infix(b, " OR ")
	case Not:
		b.WriteString("(NOT ")
		e.Args[0].print(b)
		b.WriteByte(')')
	case IsNull:
		b.WriteByte('(')
		e.Args[0].print(b)
		b.WriteString(" IS NULL)")
	case In, NotIn:
		b.WriteByte('(')
		e.Args[0].print(b)
		b.WriteString(map[Kind]string{In: " IN (", NotIn: " NOT IN ("}[e.Kind])
		commas(b, e.Args[1:])
		b.WriteString("))")
	case Window:
		e.printWindow(b)
	case Case:
		e.printCase(b)
	case Coalesce:
		b.WriteString("COALESCE(")
		commas(b, e.Args)
		b.WriteByte(')')
	}
}

func (e *Expr) infix(b *strings.Builder, op string) {
	b.WriteByte('(')
	for i, a := range e.Args {
		if i > 0 {
			b.WriteString(op)
		}
		a.print(b)
	}
	b.WriteByte(')')
}

func commas(b *strings.Builder, args []*Expr) {
	for i, a := range args {
		sep(b, i)
		a.print(b)
	}
}

func (e *Expr) printFunc(b *strings.Builder) {
	b.WriteString(`"system"."main".` + ident(e.Name) + "(")
	if e.Distinct {
		b.WriteString("DISTINCT ")
	}
	commas(b, e.Args)
	b.WriteByte(')')
	if e.Filter != nil {
		b.WriteString(" FILTER (WHERE ")
		e.Filter.print(b)
		b.WriteByte(')')
	}
}

func (e *Expr) printCase(b *strings.Builder) {
	b.WriteString("(CASE")
	args := e.Args
	for ; len(args) > 1; args = args[2:] {
		b.WriteString(" WHEN ")
		args[0].print(b)
		b.WriteString(" THEN ")
		args[1].print(b)
	}
	b.WriteString(" ELSE ")
	args[0].print(b)
	b.WriteString(" END)")
}

func (e *Expr) printWindow(b *strings.Builder) {
	b.WriteString(`"system"."main".` + ident(e.Name) + "(")
	commas(b, e.Args)
	b.WriteString(") OVER (")
	for i, p := range e.Span.Partition {
		if i == 0 {
			b.WriteString("PARTITION BY ")
		}
		sep(b, i)
		p.print(b)
	}
	printOrder(b, " ORDER BY ", e.Span.OrderBy)
	if s, n := e.Span.Start, e.Span.End; s.Kind != "" {
		unit := " ROWS"
		if s.Kind == "CURRENT_ROW_RANGE" || n.Kind == "CURRENT_ROW_RANGE" {
			unit = " RANGE"
		}
		b.WriteString(unit + " BETWEEN " + s.String() + " AND " + n.String())
	}
	b.WriteByte(')')
}

// String writes an end of a frame.
func (b Bound) String() string {
	switch b.Kind {
	case "EXPR_PRECEDING_ROWS":
		return "CAST(" + quote(b.Rows) + " AS BIGINT) PRECEDING"
	case "EXPR_FOLLOWING_ROWS":
		return "CAST(" + quote(b.Rows) + " AS BIGINT) FOLLOWING"
	case "CURRENT_ROW_ROWS", "CURRENT_ROW_RANGE":
		return "CURRENT ROW"
	}
	return strings.ReplaceAll(b.Kind, "_", " ")
}
