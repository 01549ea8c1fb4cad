package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation says what a plan opens and what its cells face, from policy alone. It is data: JSON by its tags, text by Text.
type Explanation struct {
	Table   string    `json:"table"`
	Purpose string    `json:"purpose"`
	Mode    Mode      `json:"mode"`
	Opens   []Opening `json:"opens"`
	Set     []string  `json:"set"`   // the GROUP BY set that is scanned and protected as a whole
	Cells   []string  `json:"cells"` // what is released in each cell
	Rules   []string  `json:"rules"` // what each released cell must satisfy
	Notes   []string  `json:"notes"`
}

// Opening is what one owner's data set would open.
type Opening struct {
	Owner   string   `json:"owner"`
	Name    string   `json:"name,omitempty"` // as the owner calls itself: see Named
	Dataset string   `json:"dataset"`
	Version string   `json:"version"`
	Columns []string `json:"columns"`
}

// Explain says what the plan opens, which rules each cell faces, and how it is rounded.
func (p *Plan) Explain() Explanation {
	if p.Program != nil {
		return p.explainProgram()
	}
	e := Explanation{Table: p.Table, Purpose: p.Purpose, Mode: p.Mode, Opens: []Opening{}, Set: []string{}, Cells: []string{}}
	for _, s := range p.Sources {
		e.Opens = append(e.Opens, Opening{Owner: s.Owner, Dataset: s.Dataset, Version: s.Version, Columns: s.Columns})
	}
	for _, d := range p.Dims {
		e.Set = append(e.Set, d.Column)
	}
	for _, b := range p.Bases {
		e.Cells = append(e.Cells, p.cell(b))
	}
	e.Rules, e.Notes = p.rules(), p.notes()
	return e
}

func (p *Plan) cell(b Base) string {
	switch b.Op {
	case BaseCountUnits:
		return "number of different " + p.Unit.Column
	case BaseCountValue:
		return "number of rows with " + p.Measures[b.Measure].Column
	case BaseSum:
		return "sum of " + p.Measures[b.Measure].Column
	}
	return "number of rows"
}

func (p *Plan) rules() []string {
	if p.Mode == ModeOwn {
		return []string{"none: all data is the requester's own, and nobody else receives the result"}
	}
	g := p.Guard
	unit := "rows"
	if !p.Unit.Unique {
		unit = "different " + p.Unit.Column
	}
	if g.Coalition == 0 {
		return append([]string{fmt.Sprintf("at least %d %s", g.MinUnits, unit)}, p.rounding()...)
	}
	out := []string{
		fmt.Sprintf("at least %d contributors beside the asker, one less if the asker contributes; affiliates count as one", g.MinContributors),
		fmt.Sprintf("no contributor beside the asker has more than %d %% of their total (rows for counts, absolute values for sums)", g.MaxSharePct),
		fmt.Sprintf("without any %s of them: at least %d %s, one contributor less per contributor left out, and the others of the largest add up to at least %d %% of it",
			contributors(g.Coalition), g.MinUnits, unit, g.PPercent),
	}
	return append(out, p.rounding()...)
}

func contributors(n int64) string {
	if n == 1 {
		return "one"
	}
	return fmt.Sprint(n)
}

func (p *Plan) rounding() []string {
	return []string{fmt.Sprintf("counts are rounded to multiples of %d, sums and averages to %d significant digits", p.Guard.RoundCount, p.Guard.ValueDigits)}
}

func (p *Plan) notes() []string {
	if p.Mode == ModeOwn {
		return []string{}
	}
	out := []string{
		"a cell that falls is suppressed; further cells are suppressed until the hidden ones together satisfy the rules, so that totals give none away",
		"conditions, order, limits and arithmetic see the released cells only, not rows",
	}
	if p.folds() {
		out = append(out, "a result row stands for several cells: it adds up those that are shown")
	}
	for _, d := range p.Dims {
		if len(d.Values) == 0 {
			out = append(out, "values of "+d.Column+" are named only where a cell of theirs is shown")
		}
	}
	for _, m := range p.Measures {
		out = append(out, fmt.Sprintf("%s must lie between %s and %s, or the job ends without result", m.Column, scaledText(m.Lo, m.Scale), scaledText(m.Hi, m.Scale)))
	}
	return out
}

// scaledText writes an integer of 10^-scale as a decimal without trailing zeros.
func scaledText(v int64, scale int) string { return trimZeros(unscaled(v, scale)) }

func unscaled(v int64, scale int) string {
	s, sign := fmt.Sprint(v), ""
	if v < 0 {
		s, sign = s[1:], "-"
	}
	if scale == 0 {
		return sign + s
	}
	if len(s) <= scale {
		s = strings.Repeat("0", scale+1-len(s)) + s
	}
	return sign + s[:len(s)-scale] + "." + s[len(s)-scale:]
}

// Text is the explanation for people.
func (e Explanation) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "accepted: %s for %s, mode %s\n", e.Table, e.Purpose, e.Mode)
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "%s:\n", title)
		}
		for _, l := range lines {
			fmt.Fprintf(&b, "  - %s\n", l)
		}
	}
	section("opens", e.openings())
	set := "{" + strings.Join(e.Set, ", ") + "}"
	protects := "protects as one table"
	if e.Mode == ModeGuard {
		protects = "judges each by itself"
	}
	section(protects, []string{"all cells by " + set})
	section("releases in each cell", e.Cells)
	section("each cell must satisfy", e.Rules)
	section("note", e.Notes)
	return b.String()
}

// openings gives a line for all owners of whose data sets the same is opened.
func (e Explanation) openings() []string {
	var lines []string
	owners := map[string][]string{}
	for _, o := range e.Opens {
		columns := strings.Join(o.Columns, ", ")
		if columns == "" {
			columns = "no column, only the number of rows"
		}
		line := o.Dataset + ": " + columns
		if owners[line] == nil {
			lines = append(lines, line)
		}
		owners[line] = append(owners[line], o.who())
	}
	for i, l := range lines {
		lines[i] = l + "; of " + strings.Join(owners[l], ", ")
	}
	return lines
}

func (o Opening) who() string {
	if o.Name != "" {
		return o.Name
	}
	return shortFingerprint(o.Owner)
}

// Named returns e with the names that owners give themselves, for people to read.
func (e Explanation) Named(name func(fingerprint string) string) Explanation {
	e.Opens = slices.Clone(e.Opens)
	for i := range e.Opens {
		e.Opens[i].Name = name(e.Opens[i].Owner)
	}
	return e
}

func shortFingerprint(f string) string {
	if len(f) > 19 {
		return f[:19]
	}
	return f
}
