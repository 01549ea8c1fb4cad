package exhibit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Facts are what evidence tells of the machine and the program that a job ran on, as far as its verifier can tell.
type Facts struct {
	Kind       Kind     `json:"kind"`
	Build      string   `json:"build,omitempty"`    // as contracts name it
	Measured   string   `json:"measured,omitempty"` // as the hardware does
	Form       string   `json:"perimeter,omitempty"`
	Debug      bool     `json:"debug,omitempty"`
	Status     string   `json:"status,omitempty"`     // Intel: converged
	Advisories []string `json:"advisories,omitempty"` // Intel
	Date       string   `json:"tcb_date,omitempty"`   // Intel: of the TCB level, 2006-01-02
	Line       string   `json:"line,omitempty"`       // AMD
	TCB        string   `json:"tcb,omitempty"`        // AMD: reported, 16 hex digits
	Unknown    string   `json:"unknown,omitempty"`    // why the TCB is not known
}

// FactsOf tells the facts at the exhibit's time and by its collateral. Whether the evidence would be accepted does not matter here.
func FactsOf(e *Exhibit) *Facts {
	lenient := *e
	lenient.AllowDebug = true
	s, f := Read(e), Judge(&lenient)
	out := &Facts{Kind: e.Kind, Build: s.Build, Measured: s.Measured, Form: s.Form, Debug: s.Debug != nil && *s.Debug}
	switch {
	case s.Err != nil:
		out.Unknown = flat(s.Err)
	case e.Kind == SNP:
		out.amd(e, f)
	case e.Kind == SGX, e.Kind == TDX, e.Kind == TPMAzure && f.TCB != nil:
		out.intel(f)
	default:
		out.Unknown = "evidence of kind " + string(e.Kind) + " tells no TCB"
	}
	return out
}

func (out *Facts) intel(f *Finding) {
	if f.TCB == nil {
		out.Unknown = "not proved"
		if f.Err != nil {
			out.Unknown = flat(f.Err)
		}
		return
	}
	out.Status, out.Date = fmt.Sprint(f.TCB["status"]), fmt.Sprint(f.TCB["tcb_date"])
	out.Advisories, _ = f.TCB["advisory_ids"].([]string)
	if errors.Is(f.Err, stage.TCBNoLevel) {
		out.Status, out.Date = "below every level", ""
	}
}

// amd: the reported TCB stands in the report itself. Without the key that endorses it, it is the report's word.
func (out *Facts) amd(e *Exhibit, f *Finding) {
	r, err := snp.Parse(e.Raw)
	if err != nil {
		out.Unknown = flat(err)
		return
	}
	out.Line, out.TCB = r.Line, r.ReportedTCB.String()
	if line, ok := f.Fields["line"].(string); ok && f.Err == nil {
		out.Line = line
	}
}

// Before says whether the TCB level is of an earlier day.
func (out *Facts) Before(day time.Time) bool {
	t, err := time.Parse(time.DateOnly, out.Date)
	return err == nil && t.Before(day) || out.Status == "below every level"
}

// Below says whether a component of an AMD machine's TCB is lower.
func (out *Facts) Below(min snp.TCB) bool {
	var t uint64
	if _, err := fmt.Sscanf(out.TCB, "%016x", &t); err != nil {
		return false
	}
	return !snp.TCB(t).AtLeast(min)
}

// Warned says whether an advisory holds for the machine.
func (out *Facts) Warned(advisory string) bool { return slices.Contains(out.Advisories, advisory) }
