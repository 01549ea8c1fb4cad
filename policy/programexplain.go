package policy

import (
	"fmt"
	"slices"
	"strings"
)

// explainProgram says what a program opens and what each of its releases faces.
func (p *Plan) explainProgram() Explanation {
	e := Explanation{Purpose: p.Purpose, Opens: []Opening{}, Set: []string{}, Cells: []string{}, Rules: []string{}, Notes: []string{}}
	var names []string
	for _, t := range p.Program.Tables {
		names = append(names, t.Name)
	}
	e.Table = strings.Join(names, ", ")
	for _, s := range p.Sources {
		e.Opens = append(e.Opens, Opening{Owner: s.Owner, Dataset: s.Dataset, Version: s.Version, Columns: s.Columns})
	}
	add := func(list *[]string, lines ...string) {
		for _, l := range lines {
			if !slices.Contains(*list, l) {
				*list = append(*list, l)
			}
		}
	}
	mixed := slices.ContainsFunc(p.Program.Releases, func(n ReleaseNode) bool { return n.Mode != p.Program.Releases[0].Mode })
	for i, n := range p.Program.Releases {
		about := func(lines []string) []string { return lines }
		if e.Mode = n.Mode; mixed {
			about = func(lines []string) []string { return prefixed("of "+p.Program.tableNames(n)+": ", lines) }
		}
		add(&e.Set, p.Program.keyNames(n)...)
		for _, a := range n.Aggs {
			add(&e.Cells, p.Program.aggText(n, a))
		}
		if n.Mode == ModeDP {
			rules, notes := p.noiseRules(i)
			add(&e.Rules, about(rules)...)
			add(&e.Notes, about(notes)...)
			continue
		}
		q := Plan{Release: Release{Mode: n.Mode, Guard: n.Guard, Unit: p.Program.unitOf(n)}}
		add(&e.Rules, about(q.rules())...)
		add(&e.Notes, about(p.Program.releaseNotes(n))...)
	}
	if mixed {
		e.Mode = modeMixed
	}
	if t := p.Program.Tick; t > 0 {
		add(&e.Notes, fmt.Sprintf("the answer leaves %s after the keys came, or at a later multiple of that, as policies ask for", p.Tick()))
	}
	return e
}

// modeMixed stands in an explanation for releases of several modes. No release has it.
const modeMixed Mode = "mixed"

// tableNames are those that a release reads.
func (p *Program) tableNames(n ReleaseNode) string {
	var names []string
	n.From.eachScan(func(s Step) { names = append(names, p.Tables[s.Table].Name) })
	return strings.Join(sortedSet(names), ", ")
}

func prefixed(with string, lines []string) (out []string) {
	for _, l := range lines {
		out = append(out, with+l)
	}
	return out
}

func (p *Program) unitOf(n ReleaseNode) Unit {
	u := Unit{}
	n.From.eachScan(func(s Step) {
		if u.Column == "" {
			u = p.Tables[s.Table].Unit
		}
	})
	u.Unique = u.Unique && n.From.Op == StepScan
	return u
}

func (p *Program) keyNames(n ReleaseNode) (out []string) {
	names := p.stepNames(n.From)
	for _, k := range n.Keys {
		out = append(out, exprText(k.Expr, names))
	}
	return out
}

// stepNames gives the columns of a step names for people.
func (p *Program) stepNames(s Step) (out []string) {
	switch s.Op {
	case StepScan:
		for _, r := range s.Reads {
			out = append(out, r.Column)
		}
	case StepJoin:
		out = append(p.stepNames(s.Inputs[0]), p.stepNames(s.Inputs[1])...)
		if s.Outer {
			out = append(out, "has a partner")
		}
	case StepEntity:
		in := p.stepNames(s.Inputs[0])
		for _, k := range s.Keys {
			out = append(out, exprText(k, in))
		}
		for _, a := range s.Aggs {
			out = append(out, aggName(a, in)+" of each unit")
		}
	}
	return out
}

func (p *Program) aggText(n ReleaseNode, a Agg) string { return aggName(a, p.stepNames(n.From)) }

func aggName(a Agg, names []string) string {
	text := map[AggOp]string{
		AggCount: "number of rows", AggCountUnits: "number of different units", AggCountValue: "number of rows with ", AggSum: "sum of ",
		AggQuantile: a.Q + " quantile of ", AggStddev: "standard deviation of ", AggAvg: "mean of ",
	}[a.Op]
	if a.Arg != nil {
		text += exprText(*a.Arg, names)
	}
	if a.When != nil {
		text += " where " + exprText(*a.When, names)
	}
	return text
}

// exprText writes an expression for people.
func exprText(x Expr, names []string) string {
	var args []string
	for _, a := range x.Args {
		args = append(args, exprText(a, names))
	}
	switch x.Op {
	case OpCol:
		return names[x.Index]
	case OpConst:
		return x.Value
	case OpNull:
		return "NULL"
	case OpTrunc, OpPart:
		return x.Value + " of " + args[0]
	case OpBand:
		return args[0] + " in bands of " + x.Value
	case OpLeft:
		return "first " + x.Value + " characters of " + args[0]
	}
	if sign, ok := compareSQL[x.Op]; ok {
		return args[0] + " " + sign + " " + args[1]
	}
	switch x.Op {
	case OpAnd, OpOr:
		return strings.Join(args, " "+string(x.Op)+" ")
	case OpMul:
		return strings.Join(args, " * ")
	}
	return string(x.Op) + "(" + strings.Join(args, ", ") + ")"
}

// conditions says which rows of a step are left.
func (p *Program) conditions(s Step) (out []string) {
	for _, in := range s.Inputs {
		out = append(out, p.conditions(in)...)
	}
	if s.Where != nil {
		out = append(out, "there are only rows where "+exprText(*s.Where, p.stepNames(s)))
	}
	return out
}

func (p *Program) releaseNotes(n ReleaseNode) []string {
	if n.Mode == ModeOwn {
		return nil
	}
	out := []string{
		"a cell that falls is suppressed; further cells are suppressed until the hidden ones together satisfy the rules, so that totals give none away",
	}
	if n.Mode == ModeLattice {
		out = append(out, "conditions, order, limits and arithmetic see the released cells only, not rows")
	}
	if n.Mode == ModeGuard {
		out = append(out, "HAVING, order, limits and arithmetic see the released cells only; WHERE and conditions within aggregates choose rows")
		out = append(out, p.conditions(n.From)...)
		out = append(out, "the rules hold for each answer by itself: answers to many questions, put together, may say more (output: guard-free)")
	}
	owners := map[int]bool{}
	n.From.eachScan(func(s Step) { owners[s.Table] = true })
	if n.From.joins() && len(owners) > 1 {
		out = append(out, "each owner trusts the other not to choose its units and labels so as to single somebody out (trust: partner-honest)")
	}
	n.From.eachScan(func(s Step) {
		for _, r := range s.Reads {
			if r.Bounds != nil {
				out = append(out, fmt.Sprintf("%s must lie between %s and %s, or the job ends without result", r.Column, scaledText(r.Bounds.Lo, r.Bounds.Scale), scaledText(r.Bounds.Hi, r.Bounds.Scale)))
			}
		}
	})
	return out
}
