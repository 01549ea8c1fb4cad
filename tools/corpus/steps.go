package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
)

// printer writes the rows of a program's steps as SQL over the plain fixture. It is the judge's own reading of
// package policy's Program, so that a mistake in the compiler's SQL does not repeat itself here.
type printer struct {
	plan  *policy.Plan
	names []string // of the data sets, by source
	bare  bool     // leave values outside their clamp as they are
}

// stepColumn is a column of a step: what it is made of, and whether it holds whole numbers of 10^-scale.
type stepColumn struct {
	text  string // in names of the data sets' columns: equal texts are equal columns
	whole bool
	scale int
}

func (p *printer) columns(s policy.Step) (out []stepColumn) {
	switch s.Op {
	case policy.StepScan:
		for _, r := range s.Reads {
			out = append(out, stepColumn{text: p.plan.Program.Tables[s.Table].Name + "." + r.Column})
		}
	case policy.StepJoin:
		out = append(p.columns(s.Inputs[0]), p.columns(s.Inputs[1])...)
		if s.Outer {
			out = append(out, stepColumn{text: "partner"})
		}
	default:
		in := p.columns(s.Inputs[0])
		for _, k := range s.Keys {
			out = append(out, stepColumn{text: resolved(k, in)})
		}
		for _, a := range s.Aggs {
			out = append(out, stepColumn{text: "per unit " + aggText(a, in), whole: a.Op == policy.AggSum, scale: a.Scale})
		}
	}
	return out
}

// resolved is an expression in names of the data sets' columns.
func resolved(x policy.Expr, columns []stepColumn) string {
	if x.Op == policy.OpCol {
		return columns[x.Index].text
	}
	var args []string
	for _, a := range x.Args {
		args = append(args, resolved(a, columns))
	}
	return string(x.Op) + " " + x.Value + "(" + strings.Join(args, ", ") + ")"
}

func aggText(a policy.Agg, in []stepColumn) string {
	out := string(a.Op)
	if a.Arg != nil {
		out += " " + resolved(*a.Arg, in)
	}
	if a.When != nil {
		out += " when " + resolved(*a.When, in)
	}
	return out
}

// step gives the rows of a step: o the owner, u the unit, r what tells the row from others, c0, c1 ...
func (p *printer) step(s policy.Step) string {
	var out string
	switch s.Op {
	case policy.StepScan:
		out = p.scan(s)
	case policy.StepJoin:
		out = p.join(s)
	default:
		out = p.entity(s)
	}
	if s.Where != nil {
		out = "SELECT * FROM (" + out + ") s WHERE " + expr(*s.Where)
	}
	return out
}

func (p *printer) scan(s policy.Step) string {
	t := p.plan.Program.Tables[s.Table]
	var arms []string
	for _, i := range t.Sources {
		name := p.names[i]
		items := []string{text(ownerOf(name)) + " AS o", "CAST(" + quote(t.Unit.Column) + " AS VARCHAR) AS u", text(name+"#") + " || rowid AS r"}
		for j, r := range s.Reads {
			x := quote(r.Column)
			if b := r.Bounds; b != nil && b.Clamp && !p.bare {
				scaled := func(n int64) string { return strconv.FormatInt(n, 10) + "::DOUBLE / 1e" + strconv.Itoa(b.Scale) }
				x = fmt.Sprintf("CASE WHEN %[1]s < %[2]s THEN %[2]s WHEN %[1]s > %[3]s THEN %[3]s ELSE %[1]s END", x, scaled(b.Lo), scaled(b.Hi))
			}
			items = append(items, x+" AS c"+strconv.Itoa(j))
		}
		arms = append(arms, "SELECT "+strings.Join(items, ", ")+" FROM "+tableSQL(name)+" WHERE "+quote(t.Unit.Column)+" IS NOT NULL")
	}
	return strings.Join(arms, " UNION ALL ")
}

func (p *printer) join(s policy.Step) string {
	items := []string{"l.o AS o", "l.u AS u", "l.r || '|' || coalesce(r.r, '') AS r"}
	left := len(p.columns(s.Inputs[0]))
	for i := range left {
		items = append(items, fmt.Sprintf("l.c%d AS c%d", i, i))
	}
	right := len(p.columns(s.Inputs[1]))
	for i := range right {
		items = append(items, fmt.Sprintf("r.c%d AS c%d", i, left+i))
	}
	kind := "JOIN"
	if s.Outer {
		kind = "LEFT JOIN"
		items = append(items, fmt.Sprintf("(r.u IS NOT NULL) AS c%d", left+right))
	}
	return "SELECT " + strings.Join(items, ", ") + " FROM (" + p.step(s.Inputs[0]) + ") l " + kind + " (" + p.step(s.Inputs[1]) + ") r ON l.u = r.u"
}

func (p *printer) entity(s policy.Step) string {
	in := p.columns(s.Inputs[0])
	items, group, id := []string{"o", "u"}, []string{"o", "u"}, "'unit:' || o || ':' || u"
	for i, k := range s.Keys {
		x := expr(k)
		items, group = append(items, x+" AS c"+strconv.Itoa(i)), append(group, x)
		id += " || ':' || coalesce(CAST(" + x + " AS VARCHAR), '-')"
	}
	for i, a := range s.Aggs {
		items = append(items, perUnit(a, in)+" AS c"+strconv.Itoa(len(s.Keys)+i))
	}
	return "SELECT " + strings.Join(append(items, id+" AS r"), ", ") + " FROM (" + p.step(s.Inputs[0]) + ") s GROUP BY " + strings.Join(group, ", ")
}

// perUnit is an aggregate inside a step; a sum is in whole numbers.
func perUnit(a policy.Agg, in []stepColumn) string {
	filter := " FILTER (WHERE " + partSQL(a) + ")"
	switch a.Op {
	case policy.AggCountUnits:
		return "count(DISTINCT u)" + filter
	case policy.AggSum:
		return "sum(CAST(round((" + number(*a.Arg, in) + ") * 1e" + strconv.Itoa(a.Scale) + ") AS HUGEINT))" + filter
	}
	return "count(*)" + filter
}

// partSQL is true for the rows that an aggregate is computed of.
func partSQL(a policy.Agg) string {
	out := "true"
	if a.When != nil {
		out = "coalesce(" + expr(*a.When) + ", false)"
	}
	if a.Arg != nil {
		var each func(policy.Expr)
		each = func(x policy.Expr) {
			if x.Op == policy.OpCol {
				out += " AND " + expr(x) + " IS NOT NULL"
			}
			for _, y := range x.Args {
				each(y)
			}
		}
		each(*a.Arg)
	}
	return out
}

// number is what an aggregate adds up, as it is and not in whole numbers.
func number(x policy.Expr, in []stepColumn) string {
	if x.Op == policy.OpCol {
		out := "CAST(" + expr(x) + " AS DOUBLE)"
		if in[x.Index].whole {
			out += " / 1e" + strconv.Itoa(in[x.Index].scale)
		}
		return out
	}
	var args []string
	for _, a := range x.Args {
		args = append(args, "("+number(a, in)+")")
	}
	if x.Op == policy.OpConst {
		return "CAST(" + expr(x) + " AS DOUBLE)"
	}
	return strings.Join(args, " * ")
}
