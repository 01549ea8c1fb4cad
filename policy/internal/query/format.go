package query

import "strings"

// Format writes an expression so that the parser reads the same tree: fully parenthesised, names quoted where they must be.
func (e *Expr) Format() string {
	var b strings.Builder
	e.format(&b)
	return b.String()
}

// Format writes a query of the narrow grammar on one line.
func (s *Select) Format() string {
	var b strings.Builder
	b.WriteString("SELECT ")
	formatItems(&b, s.Items)
	b.WriteString(" FROM " + Quote(s.From.Schema) + "." + Quote(s.From.Name))
	if s.From.Alias != "" {
		b.WriteString(" AS " + Quote(s.From.Alias))
	}
	s.formatTail(&b)
	return b.String()
}

func formatItems(b *strings.Builder, items []Item) {
	for i, it := range items {
		comma(b, i)
		it.Expr.format(b)
		if it.Alias != "" {
			b.WriteString(" AS " + Quote(it.Alias))
		}
	}
}

func (s *Select) formatTail(b *strings.Builder) {
	clause(b, " WHERE ", s.Where)
	if s.GroupAll {
		b.WriteString(" GROUP BY ALL")
	}
	for i, g := range s.GroupBy {
		if i == 0 {
			b.WriteString(" GROUP BY ")
		}
		comma(b, i)
		g.format(b)
	}
	clause(b, " HAVING ", s.Having)
	formatOrder(b, s.OrderBy)
	clause(b, " LIMIT ", s.Limit)
	clause(b, " OFFSET ", s.Offset)
}

func formatOrder(b *strings.Builder, keys []Order) {
	for i, o := range keys {
		if i == 0 {
			b.WriteString(" ORDER BY ")
		}
		comma(b, i)
		o.Expr.format(b)
		if o.Desc {
			b.WriteString(" DESC")
		}
		if o.NullsFirst {
			b.WriteString(" NULLS FIRST")
		}
	}
}

func clause(b *strings.Builder, word string, e *Expr) {
	if e != nil {
		b.WriteString(word)
		e.format(b)
	}
}

func comma(b *strings.Builder, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

// Quote writes a name, in double quotes unless it is plain.
func Quote(name string) string {
	plain := name != "" && isWordStart(name[0]) && !reserved[strings.ToLower(name)] && beginsWord[strings.ToLower(name)] == "" && name != "date"
	for i := 0; i < len(name) && plain; i++ {
		plain = name[i] == '_' || isDigit(name[i]) || name[i] >= 'a' && name[i] <= 'z'
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (e *Expr) format(b *strings.Builder) {
	not := ""
	if e.Not {
		not = "NOT "
	}
	switch e.Kind {
	case Ident:
		for i, p := range e.Path {
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(Quote(p))
		}
	case Number, Bool:
		b.WriteString(e.Text)
	case String:
		b.WriteString(text(e.Text))
	case DateLit:
		b.WriteString("DATE " + text(e.Text))
	case Param:
		b.WriteString("$" + e.Text)
	case Null:
		b.WriteString("NULL")
	case Call:
		e.formatCall(b)
	case Unary:
		b.WriteString("(" + strings.ToUpper(e.Text) + " ")
		e.Args[0].format(b)
		b.WriteByte(')')
	case Binary:
		e.infix(b, " "+strings.ToUpper(e.Text)+" ")
	case Like:
		e.infix(b, " "+not+strings.ToUpper(e.Text)+" ")
	case IsNull:
		b.WriteByte('(')
		e.Args[0].format(b)
		b.WriteString(" IS " + not + "NULL)")
	case Between:
		b.WriteByte('(')
		e.Args[0].format(b)
		b.WriteString(" " + not + "BETWEEN ")
		e.Args[1].format(b)
		b.WriteString(" AND ")
		e.Args[2].format(b)
		b.WriteByte(')')
	case In:
		b.WriteByte('(')
		e.Args[0].format(b)
		b.WriteString(" " + not + "IN (")
		list(b, e.Args[1:])
		b.WriteString("))")
	case Case:
		e.formatCase(b)
	case Star:
		for _, p := range e.Path {
			b.WriteString(Quote(p) + ".")
		}
		b.WriteByte('*')
	case Cast:
		b.WriteString("CAST(")
		e.Args[0].format(b)
		b.WriteString(" AS " + e.Text + ")")
	}
}

func (e *Expr) infix(b *strings.Builder, op string) {
	b.WriteByte('(')
	e.Args[0].format(b)
	b.WriteString(op)
	e.Args[1].format(b)
	b.WriteByte(')')
}

func list(b *strings.Builder, args []*Expr) {
	for i, a := range args {
		comma(b, i)
		a.format(b)
	}
}

func (e *Expr) formatCall(b *strings.Builder) {
	b.WriteString(e.Text + "(")
	if e.Star {
		b.WriteByte('*')
	}
	if e.Distinct {
		b.WriteString("DISTINCT ")
	}
	list(b, e.Args)
	b.WriteByte(')')
	if e.Filter != nil {
		b.WriteString(" FILTER (WHERE ")
		e.Filter.format(b)
		b.WriteByte(')')
	}
	if e.Over != nil {
		e.Over.format(b)
	}
}

func (e *Expr) formatCase(b *strings.Builder) {
	args := e.Args
	b.WriteString("CASE")
	if e.Operand {
		b.WriteByte(' ')
		args[0].format(b)
		args = args[1:]
	}
	for ; len(args) > 1; args = args[2:] {
		b.WriteString(" WHEN ")
		args[0].format(b)
		b.WriteString(" THEN ")
		args[1].format(b)
	}
	b.WriteString(" ELSE ")
	args[0].format(b)
	b.WriteString(" END")
}
