package policy

import "time"

// Policy is an owner's rules for one data set. Only Parse makes one; the zero Policy permits nothing.
type Policy struct {
	text []byte
}

// SyntaxError is a fault in a policy file.
type SyntaxError struct {
	Pos
	Msg  string
	Hint string
}

func (e *SyntaxError) Error() string { return e.Msg }

// Parse reads a policy file. Errors are a *SyntaxError with line and column.
func Parse(src []byte) (*Policy, error) { return nil, &SyntaxError{Msg: "being built"} }

// Text is the file as it was parsed, to travel in the offer.
func (p *Policy) Text() []byte { return p.text }

// Validate checks the policy against the schema of the data set it is published with.
func (p *Policy) Validate(schema []Column) error { return &SyntaxError{Msg: "being built"} }

// Dataset is the name of the data set that the policy is written for.
func (p *Policy) Dataset() string { return "" }

// Evidence is what the owner accepts of an enclave.
type Evidence struct {
	Accept     []string // kinds of evidence; "simulated" only if named
	Builds     []string // digests of enclave builds
	Perimeters []string
}

// StandingRule automates the owner's grant of contracts that it fits.
type StandingRule struct {
	Analysts     []string
	Purposes     []string
	Until        time.Time
	MaxContracts int64
}

// Quota bounds how often an analyst may query.
type Quota struct {
	PerAnalyst int64
	Period     time.Duration
}

// Evidence returns what the owner accepts of an enclave.
func (p *Policy) Evidence() Evidence { return Evidence{} }

// Operators returns the fingerprints of the hosts' operators that may run a job.
func (p *Policy) Operators() []string { return nil }

// Analysts returns the fingerprints of those who may ask, or [Any].
func (p *Policy) Analysts() []string { return nil }

// AllowsAnalyst reports whether the fingerprint may ask.
func (p *Policy) AllowsAnalyst(fingerprint string) bool { return false }

// Purposes returns what the data may be used for.
func (p *Policy) Purposes() []string { return nil }

// Standing returns the rules that automate the owner's grant.
func (p *Policy) Standing() []StandingRule { return nil }

// MaxQueries returns the owner's quota.
func (p *Policy) MaxQueries() Quota { return Quota{} }

// Price is in credits per query.
func (p *Policy) Price() int64 { return 0 }

// Valid reports whether the policy is in force.
func (p *Policy) Valid(at time.Time) bool { return false }

// ValidUntil is the first moment at which the policy is no longer in force.
func (p *Policy) ValidUntil() time.Time { return time.Time{} }

// RowsAreUnits reports whether each row is a unit of its own; publishing checks that UnitColumn has no value twice.
func (p *Policy) RowsAreUnits() bool { return false }

// UnitColumn is the column that identifies units.
func (p *Policy) UnitColumn() string { return "" }

// Domain returns the declared values of a dimension in canonical text; publishing refuses rows outside it.
func (p *Policy) Domain(column string) (values []string, declared bool) { return nil, false }

// Clamp returns the bounds of a measure as integers of 10^-scale; publishing refuses rows outside them.
func (p *Policy) Clamp(column string) (lo, hi int64, scale int, declared bool) { return 0, 0, 0, false }
