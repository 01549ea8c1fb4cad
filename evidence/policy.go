package evidence

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// Policy is what a relying party accepts. Every list is required: an empty one refuses. So does a TCB policy that lacks what a kind of
// hardware needs.
type Policy struct {
	Kinds      []string                // accepted kinds; what is software-rooted only by its name
	Builds     []statement.Digest      // accepted enclave builds
	Operators  []statement.Fingerprint // accepted operators
	Perimeters []string                // accepted forms of the perimeter
	AllowDebug bool                    // accept enclaves whose memory the host can read
	TCB        TCBPolicy               // of hardware
}

// TCBPolicy is what a relying party accepts of the machine behind evidence of hardware.
type TCBPolicy struct {
	// LeftToOwners accepts every machine that is genuine, current and not revoked by its vendor. It is for contracts and readers of
	// receipts: the owners' policies say more, and their brokers hold to them. With it the fields below must be empty.
	LeftToOwners bool

	Statuses      []string                    // Intel, required: accepted converged statuses
	Advisories    []string                    // Intel: accepted advisories; none if empty
	MinDate       time.Time                   // Intel, required: of the TCB level
	MinEvaluation int                         // Intel, required: tcbEvaluationDataNumber
	MinVersion    map[string]map[string]uint8 // AMD, required: by line of processors, the least of each component; a line that is absent refuses
}

// OfContract is what a contract accepts. Of the machine it leaves to the owners what they accept; debug it never allows by itself.
func OfContract(c *statement.Contract) Policy {
	return Policy{
		Kinds: c.Evidence, Builds: c.Builds, Operators: c.Operators, Perimeters: c.Perimeters, TCB: TCBPolicy{LeftToOwners: true},
	}
}

// Intersect returns what both policies accept.
func (p Policy) Intersect(q Policy) Policy {
	return Policy{
		Kinds: both(p.Kinds, q.Kinds), Builds: both(p.Builds, q.Builds),
		Operators: both(p.Operators, q.Operators), Perimeters: both(p.Perimeters, q.Perimeters),
		AllowDebug: p.AllowDebug && q.AllowDebug, TCB: p.TCB.intersect(q.TCB),
	}
}

func (p TCBPolicy) intersect(q TCBPolicy) TCBPolicy {
	switch {
	case p.LeftToOwners:
		return q
	case q.LeftToOwners:
		return p
	}
	out := TCBPolicy{Statuses: both(p.Statuses, q.Statuses), Advisories: both(p.Advisories, q.Advisories)}
	// What one of them lacks, both lack: it refuses.
	if !p.MinDate.IsZero() && !q.MinDate.IsZero() {
		out.MinDate = later(p.MinDate, q.MinDate)
	}
	if p.MinEvaluation > 0 && q.MinEvaluation > 0 {
		out.MinEvaluation = max(p.MinEvaluation, q.MinEvaluation)
	}
	for line, least := range p.MinVersion {
		if other, ok := q.MinVersion[line]; ok {
			if out.MinVersion == nil {
				out.MinVersion = map[string]map[string]uint8{}
			}
			out.MinVersion[line] = highest(least, other)
		}
	}
	return out
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func highest(a, b map[string]uint8) map[string]uint8 {
	out := maps.Clone(a)
	for name, n := range b {
		out[name] = max(out[name], n)
	}
	return out
}

func both[T comparable](a, b []T) []T {
	var out []T
	for _, x := range a {
		if slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// Appraise decides whether genuine evidence is what the policy accepts and
// whether it was made for this very exchange of messages (docs/spec/evidence.md,
// section 4).
func Appraise(c *Claims, p Policy, want ReportData) error {
	switch {
	case c == nil || len(p.Kinds) == 0 || len(p.Builds) == 0 || len(p.Operators) == 0 || len(p.Perimeters) == 0:
		return ErrPolicy
	case !slices.Contains(p.Kinds, c.Kind):
		return ErrKind
	case c.ReportData != want || want == ReportData{}:
		return ErrBinding
	case !slices.Contains(p.Builds, c.Build):
		return ErrBuild
	case c.Debug && !p.AllowDebug:
		return ErrDebug
	case !slices.Contains(p.Operators, c.Operator):
		return ErrOperator
	case !slices.Contains(p.Perimeters, c.Perimeter.Form):
		return ErrPerimeter
	}
	return p.TCB.appraise(c)
}

// appraise judges the machine, in the terms of its vendor.
func (p TCBPolicy) appraise(c *Claims) error {
	v, known := VendorOf(c.Kind)
	switch {
	case !known:
		return fmt.Errorf("%w: nothing is known of its machines", ErrKind)
	case p.LeftToOwners && p.stated():
		return fmt.Errorf("%w: a TCB policy that is left to others states something", ErrPolicy)
	case p.LeftToOwners:
		return nil
	case v == Intel:
		return p.intel(c.TCB)
	case v == AMD:
		return p.amd(c.TCB)
	}
	return nil
}

func (p TCBPolicy) stated() bool {
	return len(p.Statuses) > 0 || len(p.Advisories) > 0 || !p.MinDate.IsZero() || p.MinEvaluation != 0 || len(p.MinVersion) > 0
}

func (p TCBPolicy) intel(t TCB) error {
	if len(p.Statuses) == 0 || p.MinDate.IsZero() || p.MinEvaluation < 1 {
		return fmt.Errorf("%w: no status, date or evaluation of Intel's TCB is stated", ErrPolicy)
	}
	if !slices.Contains(p.Statuses, t.Status) {
		return fmt.Errorf("%w: %q", ErrTCBStatus, t.Status)
	}
	for _, a := range t.Advisories {
		if !slices.Contains(p.Advisories, a) {
			return fmt.Errorf("%w: %q", ErrAdvisory, a)
		}
	}
	switch {
	case t.Date.Before(p.MinDate):
		return fmt.Errorf("%w: of %s, not before %s is accepted", ErrTCBDate, t.Date.Format(time.DateOnly), p.MinDate.Format(time.DateOnly))
	case t.Evaluation < p.MinEvaluation:
		return fmt.Errorf("%w: number %d, from %d on is accepted", ErrTCBEvaluation, t.Evaluation, p.MinEvaluation)
	}
	return nil
}

func (p TCBPolicy) amd(t TCB) error {
	least, ok := p.MinVersion[t.Line]
	names, known := AMDLines()[t.Line]
	switch {
	case len(p.MinVersion) == 0:
		return fmt.Errorf("%w: no TCB of AMD's is stated", ErrPolicy)
	case !ok || !known:
		return fmt.Errorf("%w: nothing is stated for line %q", ErrTCBVersion, t.Line)
	}
	for _, name := range names {
		want, stated := least[name]
		if !stated {
			return fmt.Errorf("%w: component %s of line %s is not stated", ErrPolicy, name, t.Line)
		}
		if have, ok := t.Components[name]; !ok || have < want {
			return fmt.Errorf("%w: %s %d of %s, from %d on is accepted", ErrTCBVersion, name, have, t.Line, want)
		}
	}
	return nil
}

// Needs says what a policy that accepts these kinds must state about machines.
func Needs(kinds []string) (intel, amd bool) { return needs(kinds, Intel), needs(kinds, AMD) }
