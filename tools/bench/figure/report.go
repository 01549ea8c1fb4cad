package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Report holds the figures of one part of the bench, measured in one run.
type Report struct {
	Part    string  `json:"part"`
	Date    string  `json:"date"`
	Command string  `json:"command"` // what was run
	Machine Machine `json:"machine"`
	// Settings are what both sides were given: threads, memory, sizes.
	Settings []string  `json:"settings"`
	Figures  []*Figure `json:"figures"`
	// PlainSpread is the median of the plain sides' spreads.
	PlainSpread float64 `json:"plain_spread"`
	// Seconds that the part took, making its data included.
	Seconds float64 `json:"seconds"`

	// Say tells what was measured, as it is. Default: nobody.
	Say func(string) `json:"-"`
}

// Add takes a figure in.
func (r *Report) Add(f *Figure) {
	r.Figures = append(r.Figures, f)
	if r.Say != nil {
		r.Say(f.Line())
	}
}

// Judge says whether the machine was quiet. It is called when all figures are there.
func (r *Report) Judge() {
	var spreads []float64
	for _, f := range r.Figures {
		if f.PlainSpread > 0 {
			spreads = append(spreads, f.PlainSpread)
		}
	}
	r.PlainSpread = Median(spreads)
	r.Machine.judge(r.PlainSpread)
}

// Print writes a line for the machine and one for each figure.
func (r *Report) Print(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "bench: machine %s; load %.2f at the start, others used %.0f %% of the processors (%s, %.0f s)\n", m.text(), m.Load, m.Others, r.Part, r.Seconds)
	if m.Busy {
		fmt.Fprintln(w, "bench: "+r.busy())
	}
	for _, f := range r.Figures {
		if _, err := fmt.Fprintln(w, f.Line()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) busy() string {
	return fmt.Sprintf("BUSY MACHINE: others used %.0f %% of the processors, the plain sides' own times vary by %.0f %%; run again when nothing else runs", r.Machine.Others, 100*r.PlainSpread)
}

// Encode writes the report as JSON.
func (r *Report) Encode(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// Load reads what Encode wrote.
func Load(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
