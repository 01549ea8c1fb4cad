package figure

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
)

// Folder of the plots and of the parts' figures, as the page names it.
const Folder = "benchmarks"

// Page is a page in Markdown and the plots that it shows, by file name.
type Page struct {
	Text  []byte
	Plots map[string][]byte

	reports []*Report
	placed  map[string]bool
}

// Render makes the page of texts that people wrote: the templates *.md of a folder, one after the other by name. In them stand
//
//	{{machine}}                 what the parts were measured on
//	{{table "NAME"}}            a table of the figures of that name, and when they were measured
//	{{bars "NAME" "TITLE"}}     a plot of the same
//	{{line "NAME" "TITLE" "X"}} a plot of a series over X
//
// A table of figures that no text places is an error, as is a table without figures once every part has some.
func Render(texts fs.FS, reports []*Report) (*Page, error) {
	p := &Page{Plots: map[string][]byte{}, reports: reports, placed: map[string]bool{}}
	names, err := fs.Glob(texts, "*.md")
	if err != nil || len(names) == 0 {
		return nil, errors.Join(err, errors.New("no texts"))
	}
	slices.Sort(names)
	var out bytes.Buffer
	for _, name := range names {
		src, err := fs.ReadFile(texts, name)
		if err != nil {
			return nil, err
		}
		t, err := template.New(path.Base(name)).Funcs(template.FuncMap{"table": p.table, "bars": p.bars, "line": p.line, "machine": p.machine}).Parse(string(src))
		if err != nil {
			return nil, err
		}
		if err := t.Execute(&out, nil); err != nil {
			return nil, err
		}
	}
	for _, r := range reports {
		for _, f := range r.Figures {
			if !p.placed[f.Table] {
				return nil, fmt.Errorf("no text places the table %q of part %s", f.Table, r.Part)
			}
		}
	}
	p.Text = out.Bytes()
	return p, nil
}

func (p *Page) figures(table string) (*Report, []*Figure, error) {
	var from *Report
	var out []*Figure
	for _, r := range p.reports {
		for _, f := range r.Figures {
			if f.Table != table {
				continue
			}
			if from != nil && from != r {
				return nil, nil, fmt.Errorf("table %q is in two parts: %s and %s", table, from.Part, r.Part)
			}
			from, out = r, append(out, f)
		}
	}
	if from == nil {
		return nil, nil, fmt.Errorf("no figures for the table %q", table)
	}
	return from, out, nil
}

// waits reports whether a part has no figures yet: what its tables are called is not known then.
func (p *Page) waits() bool {
	return slices.ContainsFunc(p.reports, func(r *Report) bool { return len(r.Figures) == 0 })
}

func (p *Page) table(name string) (string, error) {
	p.placed[name] = true
	r, figures, err := p.figures(name)
	if err != nil && p.waits() {
		return "Not measured yet.", nil
	}
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| figure | median | quartiles | n | goal | |\n|---|---|---|---|---|---|\n")
	for _, f := range figures {
		b.WriteString(f.row())
	}
	fmt.Fprintf(&b, "\n`%s`, %s; others used %.0f %% of the processors, the plain sides vary by %.0f %%.", r.Command, r.Date, r.Machine.Others, 100*r.PlainSpread)
	for _, s := range r.Settings {
		b.WriteString(" " + s + ".")
	}
	if r.Machine.Busy {
		b.WriteString(" **The machine was busy: these figures wait for a quiet one.**")
	}
	return b.String(), nil
}

func (f *Figure) row() string {
	if f.Failed != "" {
		return fmt.Sprintf("| %s | none | | %d | %s | **FAIL**: %s |\n", f.Name, f.N, f.Goal.cell(f.Unit), f.Failed)
	}
	value := number(f.Unit, f.Value)
	switch f.Unit {
	case Ratio:
		value = fmt.Sprintf("%s (%s to %s)", value, amount(f.A, f.Of), amount(f.B, f.Of))
	case Millis:
		value += " ms"
	case PerSecond:
		value += " per second"
	}
	if f.Processor > 0 {
		value += fmt.Sprintf("; processor time %s", number(Ratio, f.Processor))
	}
	miss := ""
	if f.Missed {
		miss = "**MISS**"
		if f.Note != "" {
			miss += "; "
		}
	}
	return fmt.Sprintf("| %s | %s | %s–%s | %d | %s | %s%s |\n", f.Name, value, number(f.Unit, f.Low), number(f.Unit, f.High), f.N, f.Goal.cell(f.Unit), miss, f.Note)
}

// cell is the goal as the page writes it.
func (g Goal) cell(u Unit) string {
	switch {
	case g.none():
		return "none"
	case g.AtMost > 0 && g.AtLeast > 0:
		return number(u, g.AtLeast) + " to " + number(u, g.AtMost)
	case g.AtLeast > 0:
		return "≥ " + number(u, g.AtLeast)
	}
	return "≤ " + number(u, g.AtMost)
}

func (p *Page) machine() (string, error) {
	var seen []string
	for _, r := range p.reports {
		if len(r.Figures) == 0 {
			continue
		}
		if t := r.Machine.text(); !slices.Contains(seen, t) {
			seen = append(seen, t)
		}
	}
	if len(seen) == 0 {
		return "", errors.New("no reports")
	}
	return strings.Join(seen, "; and "), nil
}

func (p *Page) bars(name, title string) (string, error) {
	_, figures, err := p.figures(name)
	if err != nil && p.waits() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return p.plot(name, title, Bars(title, figures)), nil
}

func (p *Page) line(name, title, x string) (string, error) {
	_, figures, err := p.figures(name)
	if err != nil && p.waits() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	svg, err := Series(title, x, figures)
	if err != nil {
		return "", fmt.Errorf("table %q: %w", name, err)
	}
	return p.plot(name, title, svg), nil
}

func (p *Page) plot(name, title string, svg []byte) string {
	p.Plots[name+".svg"] = svg
	return fmt.Sprintf("![%s](%s/%s.svg)", title, Folder, name)
}
