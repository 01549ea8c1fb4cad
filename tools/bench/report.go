package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// figure is one line of the report. Times are in milliseconds.
type figure struct {
	Name   string  `json:"name"`
	Ratio  float64 `json:"ratio,omitempty"` // of the medians
	MS     float64 `json:"ms,omitempty"`    // where there is nothing to compare with: the median
	Goal   float64 `json:"goal,omitempty"`
	Missed bool    `json:"missed"`
	A      float64 `json:"a_ms,omitempty"` // confidential
	B      float64 `json:"b_ms,omitempty"` // plain
	Low    float64 `json:"low"`            // quartiles of the ratios by pair, or of the times
	High   float64 `json:"high"`
	N      int     `json:"n"`
	Note   string  `json:"note"`

	plainSpread float64
}

// report collects the figures of a run.
type report struct {
	Machine surroundings `json:"machine"`
	Figures []figure     `json:"figures"`

	say   func(string, ...any)
	asked bool // a question was, and its answers were compared
}

// ratio adds a figure. a[i] and b[i] were measured one right after the other.
// Goal 0 stands for none.
func (r *report) ratio(name string, goal float64, a, b []float64, note string, args ...any) {
	var pairs []float64
	for i := range a {
		pairs = append(pairs, a[i]/b[i])
	}
	f := figure{
		Name: name, Goal: goal, A: median(a), B: median(b), Ratio: median(a) / median(b), Low: quantile(pairs, 0.25), High: quantile(pairs, 0.75),
		N: len(a), Note: fmt.Sprintf(note, args...), plainSpread: spread(b),
	}
	f.Missed = goal > 0 && f.Ratio > goal
	r.add(f)
}

// fixed adds a time without a counterpart.
func (r *report) fixed(name string, goal float64, ms []float64, note string, args ...any) {
	f := figure{Name: name, Goal: goal, MS: median(ms), Low: quantile(ms, 0.25), High: quantile(ms, 0.75), N: len(ms), Note: fmt.Sprintf(note, args...)}
	f.Missed = goal > 0 && f.MS > goal
	r.add(f)
}

func (r *report) add(f figure) {
	r.Figures = append(r.Figures, f)
	r.say("%s", f.line())
}

func (f *figure) line() string {
	out := "bench: " + f.Name
	places := 0 // of milliseconds: a few are told in tenths
	if f.MS < 20 {
		places = 1
	}
	if f.MS > 0 {
		out += fmt.Sprintf(" ms=%.*f", places, f.MS)
	} else {
		out += fmt.Sprintf(" ratio=%.2f", f.Ratio)
	}
	switch {
	case f.Goal == 0:
		out += " goal=none"
	case f.MS > 0:
		out += fmt.Sprintf(" goal=%.0f", f.Goal)
	default:
		out += fmt.Sprintf(" goal=%.2f", f.Goal)
	}
	if f.Missed {
		out += " MISS"
	}
	if f.MS > 0 {
		return out + fmt.Sprintf(" (p50 of n=%d, quartiles %.*f–%.*f; %s)", f.N, places, f.Low, places, f.High, f.Note)
	}
	return out + fmt.Sprintf(" (a=%.1fms b=%.1fms n=%d, quartiles of the pairs %.2f–%.2f; %s)", f.A, f.B, f.N, f.Low, f.High, f.Note)
}

func (r *report) write(w io.Writer, asJSON bool) error {
	worst := 0.0
	for _, f := range r.Figures {
		worst = max(worst, f.plainSpread)
	}
	r.Machine.judge(worst)
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	m := r.Machine
	fmt.Fprintf(w, "bench: machine %s, %d processors, %s, %s, duckdb-go %s; %d rows; load %.2f at the start, others used %.0f %% of the processors\n",
		m.CPU, m.Processors, m.OS, m.Go, m.DuckDB, m.Rows, m.Load, m.Others)
	if m.Busy {
		fmt.Fprintf(w, "bench: BUSY MACHINE: others used %.0f %% of the processors, plain DuckDB's own times vary by %.0f %%; run again when nothing else runs\n", m.Others, 100*worst)
	}
	for i := range r.Figures {
		fmt.Fprintln(w, r.Figures[i].line())
	}
	if !r.asked {
		return nil
	}
	_, err := fmt.Fprintln(w, "bench: all answers agreed; jobs ran on simulated evidence, so what confidential hardware costs is not in these figures")
	return err
}

func median(v []float64) float64 { return quantile(v, 0.5) }

// quantile interpolates between neighbours. It is 0 of nothing.
func quantile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	at := p * float64(len(s)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(s)-1)
	return s[low] + (s[high]-s[low])*(at-float64(low))
}

// spread is the distance of the quartiles over the median.
func spread(v []float64) float64 {
	m := median(v)
	if m == 0 {
		return 0
	}
	return (quantile(v, 0.75) - quantile(v, 0.25)) / m
}
