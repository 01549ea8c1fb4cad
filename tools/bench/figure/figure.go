package figure

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Unit says what a figure's value is, and what its sides are counted in.
type Unit string

// The units.
const (
	Ratio     Unit = "ratio" // ours over plain
	Millis    Unit = "ms"
	PerSecond Unit = "per_second"
	Exponent  Unit = "slope" // of log over log
	Bytes     Unit = "bytes"
)

// Goal is what a value must keep to. The zero Goal is none: the value is reported.
type Goal struct {
	AtMost  float64 `json:"at_most,omitempty"`
	AtLeast float64 `json:"at_least,omitempty"`
}

func (g Goal) none() bool { return g == Goal{} }
func (g Goal) missed(v float64) bool {
	return g.AtMost > 0 && v > g.AtMost || g.AtLeast > 0 && v < g.AtLeast
}

func (g Goal) text(u Unit) string {
	switch {
	case g.none():
		return "none"
	case g.AtMost > 0 && g.AtLeast > 0:
		return number(u, g.AtLeast) + ".." + number(u, g.AtMost)
	case g.AtLeast > 0:
		return number(u, g.AtLeast) + "+"
	}
	return number(u, g.AtMost)
}

// Figure is one line of a report.
type Figure struct {
	Name  string  `json:"name"`
	Table string  `json:"table"` // the table of the page that it stands in
	Unit  Unit    `json:"unit"`
	Value float64 `json:"value"`
	Goal  Goal    `json:"goal"`
	// Failed says why there is no value: what was to be measured was not there.
	Failed string `json:"failed,omitempty"`
	Missed bool   `json:"missed"`
	// Low and High are quartiles: of the ratios of each turn, or of the samples.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// A and B are the medians of both sides, in Of; only a Ratio has them.
	A  float64 `json:"a,omitempty"`
	B  float64 `json:"b,omitempty"`
	Of string  `json:"of,omitempty"`
	N  int     `json:"n"`
	// Processor is the ratio of least processor times.
	Processor float64 `json:"processor,omitempty"`
	// PlainSpread is the spread of the plain side's own samples.
	PlainSpread float64 `json:"plain_spread,omitempty"`
	Note        string  `json:"note,omitempty"`
	// X places a value in a series: the same query over so many rows.
	X float64 `json:"x,omitempty"`
}

// Of makes the figure of a Pair: the ratio of its medians. What says in what its sides were counted; empty stands for ms.
func Of(name string, p *Pair, g Goal, what string) *Figure {
	if what == "" {
		what = "ms"
	}
	r := p.byTurn()
	f := &Figure{Name: name, Unit: Ratio, Value: p.Ratio(), Goal: g, Low: Quantile(r, 0.25), High: Quantile(r, 0.75),
		A: Median(p.a), B: Median(p.b), Of: what, N: len(p.a), PlainSpread: Spread(p.b), Processor: p.processors()}
	return f.judged()
}

// Mean makes the figure of several pairs: the geometric mean of their ratios. Its sides are the geometric means of theirs.
func Mean(name string, ps []*Pair, g Goal) (*Figure, error) {
	if len(ps) == 0 {
		return nil, errors.New("no pairs")
	}
	f := &Figure{Name: name, Unit: Ratio, Goal: g, Of: "ms", N: len(ps[0].a)}
	var a, b, spreads, processors []float64
	turns := make([][]float64, f.N)
	for _, p := range ps {
		if len(p.a) != f.N {
			return nil, errors.New("pairs of different lengths")
		}
		a, b, spreads = append(a, Median(p.a)), append(b, Median(p.b)), append(spreads, Spread(p.b))
		if r := p.processors(); r > 0 {
			processors = append(processors, r)
		}
		for i, r := range p.byTurn() {
			turns[i] = append(turns[i], r)
		}
	}
	var means []float64
	for _, t := range turns {
		means = append(means, geometric(t))
	}
	if len(processors) == len(ps) {
		f.Processor = geometric(processors)
	}
	f.A, f.B, f.PlainSpread = geometric(a), geometric(b), Median(spreads)
	f.Value, f.Low, f.High = f.A/f.B, Quantile(means, 0.25), Quantile(means, 0.75)
	return f.judged(), nil
}

// Worst is the figure with the largest value, under another name, in another table and with another goal; it is noted which one it was.
func Worst(name, table string, fs []*Figure, g Goal) *Figure {
	worst := *fs[0]
	for _, f := range fs {
		if f.Value > worst.Value {
			worst = *f
		}
	}
	worst.Note, worst.Name, worst.Table, worst.Goal = worst.Name, name, table, g
	return worst.judged()
}

// At makes the figure of samples without a counterpart: their quantile q.
func At(name string, u Unit, samples []float64, q float64, g Goal) *Figure {
	f := &Figure{Name: name, Unit: u, Value: Quantile(samples, q), Goal: g, Low: Quantile(samples, 0.25), High: Quantile(samples, 0.75), N: len(samples)}
	return f.judged()
}

// Fail makes the figure of what could not be measured, for a reason that a reader may do something about.
func Fail(name string, u Unit, g Goal, why string) *Figure {
	return &Figure{Name: name, Unit: u, Goal: g, Failed: why, Missed: true}
}

func (f *Figure) judged() *Figure {
	switch {
	case math.IsNaN(f.Value) || math.IsInf(f.Value, 0) || f.N == 0:
		f.Value, f.Failed, f.Missed = 0, "nothing was measured", true
	default:
		f.Missed = f.Goal.missed(f.Value)
	}
	return f
}

// In puts the figure into a table, and says about it what its numbers do not.
func (f *Figure) In(table, note string, args ...any) *Figure {
	f.Table, f.Note = table, fmt.Sprintf(note, args...)
	return f
}

// Line is the figure as one line: "bench: NAME ratio=… goal=… (…)". A goal that ends in + is a least value.
func (f *Figure) Line() string {
	var b strings.Builder
	b.WriteString("bench: " + f.Name)
	if f.Failed != "" {
		fmt.Fprintf(&b, " FAIL goal=%s (%s)", f.Goal.text(f.Unit), f.Failed)
		return b.String()
	}
	fmt.Fprintf(&b, " %s=%s goal=%s", f.Unit, number(f.Unit, f.Value), f.Goal.text(f.Unit))
	if f.Missed {
		b.WriteString(" MISS")
	}
	b.WriteString(" (")
	if f.Unit == Ratio {
		fmt.Fprintf(&b, "a=%s b=%s ", amount(f.A, f.Of), amount(f.B, f.Of))
	}
	fmt.Fprintf(&b, "n=%d, quartiles %s–%s", f.N, number(f.Unit, f.Low), number(f.Unit, f.High))
	if f.Processor > 0 {
		fmt.Fprintf(&b, "; processor time %s", number(Ratio, f.Processor))
	}
	if f.Note != "" {
		b.WriteString("; " + f.Note)
	}
	return b.String() + ")"
}

// number writes a value as its unit is read.
func number(u Unit, v float64) string {
	switch u {
	case Ratio, Exponent:
		return fmt.Sprintf("%.3f", v)
	case Bytes:
		return amount(v, "B")
	case PerSecond:
		return fmt.Sprintf("%.0f", v)
	}
	return places(v)
}

// places writes three digits or more: 0.123, 12.3, 1234.
func places(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 || a == 0:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// amount writes a value with its measure; large numbers of bytes by powers of ten.
func amount(v float64, what string) string {
	if rest, ok := strings.CutPrefix(what, "B"); ok {
		for _, p := range []struct {
			by   float64
			name string
		}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
			if v >= p.by {
				return places(v/p.by) + p.name + rest
			}
		}
	}
	return places(v) + what
}
