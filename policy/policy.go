package policy

import (
	"maps"
	"slices"
	"time"
)

// Any in a policy's analysts stands for every party.
const Any = "any"

// Policy is an owner's rules for one data set. Only Parse makes one; the zero Policy permits nothing. It is immutable.
type Policy struct {
	text      []byte
	dataset   string
	unit      unitRule
	columns   map[string]columnRule // by lower-case name
	order     []string              // the keys of columns as the file has them
	lattice   [][]string            // each set sorted
	output    outputMode
	joins     []joinRule
	dp        *dpRule
	guard     guardRule
	purposes  []string
	analysts  []string
	operators []string
	evidence  Evidence
	from      time.Time
	until     time.Time
	quota     Quota
	standing  []StandingRule
	price     int64

	timing        time.Duration // answers leave at multiples of it; 0: when they are there
	pruning       bool          // row groups may be skipped by their statistics
	templatesOnly bool
	templates     []template
}

type unitRule struct {
	column       string
	rowsAreUnits bool
	domain       string // names the identity space; empty: the owner's own
	at           Pos
}

// columnRule is what a column may be used for. No role: it can't be named.
type columnRule struct {
	name       string
	at         Pos
	unit       bool
	dimension  bool
	filter     bool
	measure    bool
	aggregates []string
	values     []scalar // declared domain, as written
	valuesAt   Pos
	clamp      [2]int64 // integers of 10^-scale
	scale      int
	bins       []scalar // constants that a measure may be compared with, ascending
	grain      string   // the finest part of a date that may be named; empty: the day
	onlyAs     onlyAs
}

// onlyAs is the form in which alone a dimension may be named: left(column, n) or floor(column, n). The zero onlyAs is the
// column itself.
type onlyAs struct {
	kind string
	n    int64
}

// outputMode is what the owner is promised of answers, docs/spec/policy.md, section 2.1.
type outputMode string

const (
	outputLattice   outputMode = "lattice"
	outputGuardFree outputMode = "guard-free"
	outputDP        outputMode = "dp"
)

// joinRule lets a data set of another party be joined.
type joinRule struct {
	with               string // party.dataset
	on                 []string
	inner, left, outer bool
	trust              string // trustPartner, or empty
}

// template is a query that may be asked where no other may.
type template struct {
	name   string
	sql    string
	form   string // of the SQL: see inOneForm
	params []templateParam
}

// templateParam is $1, $2 … of a template.
type templateParam struct {
	name string // for people; may be empty
	typ  Type
}

// scalar is a constant as the file writes it: its text, and the kind that YAML gives it.
type scalar struct {
	text string
	tag  string
	at   Pos
}

type guardRule struct {
	minUnits        int64
	hasContributors bool
	minContributors int64
	maxSharePct     int64
	pPercent        int64
	from            []string
	coalition       int64
	affiliates      [][]string
	roundCount      int64
	valueDigits     int64
}

// Evidence is what the owner accepts of an enclave. Package evidence says what its fields mean.
type Evidence struct {
	Accept     []string // kinds of evidence; what is software-rooted only if named
	Builds     []string // digests of enclave builds
	Perimeters []string
	Debug      bool // accept enclaves whose memory the host can read

	// Of Intel's kinds; all but advisories are there if one of them is accepted.
	TCBStatus        []string
	Advisories       []string
	MinTCBDate       time.Time
	MinTCBEvaluation int64
	// Of AMD's kinds, by line of processors and component.
	MinTCBSNP map[string]map[string]uint8
}

// StandingRule automates the owner's grant of contracts that fit it in every respect.
type StandingRule struct {
	Analysts     []string // or, instead:
	AccreditedBy string   // whoever this party accredits; the caller verifies that and how long
	Purposes     []string
	Until        time.Time // the first moment at which it no longer grants
	MaxContracts int64
	MaxMonth     int64 // queries of one analyst in a calendar month (UTC), under contracts that the rule granted; 0: no such bound
	MaxMonthAll  int64 // the same of all whom AccreditedBy accredits, together; 0: no such bound
	// OutlivesAccreditation lets a grant go on when the accreditation that it was given for ends. Absent: it ends with it.
	OutlivesAccreditation bool
	// EvenIfReplaced lets the rule grant contracts over a version that a newer one of the data set has replaced.
	EvenIfReplaced bool
}

// Quota bounds how often one analyst, and all parties of its organisation together, may query within a period.
type Quota struct {
	PerAnalyst int64
	PerOrg     int64 // 0: none
	Period     time.Duration
}

// Text is the file as it was parsed, to travel in the offer.
func (p *Policy) Text() []byte { return slices.Clone(p.text) }

// Dataset is the name of the data set that the policy is written for.
func (p *Policy) Dataset() string { return p.dataset }

// Evidence returns what the owner accepts of an enclave.
func (p *Policy) Evidence() Evidence {
	e := p.evidence
	e.Accept, e.Builds, e.Perimeters = slices.Clone(e.Accept), slices.Clone(e.Builds), slices.Clone(e.Perimeters)
	e.TCBStatus, e.Advisories, e.MinTCBSNP = slices.Clone(e.TCBStatus), slices.Clone(e.Advisories), maps.Clone(e.MinTCBSNP)
	for line, least := range e.MinTCBSNP {
		e.MinTCBSNP[line] = maps.Clone(least)
	}
	return e
}

// Operators returns the fingerprints of the hosts' operators that may run a job.
func (p *Policy) Operators() []string { return slices.Clone(p.operators) }

// AllowsOperator reports whether a host of that operator may run a job.
func (p *Policy) AllowsOperator(fingerprint string) bool {
	return fingerprint != "" && contains(p.operators, fingerprint)
}

// Analysts returns the fingerprints of those who may ask, or Any alone.
func (p *Policy) Analysts() []string { return slices.Clone(p.analysts) }

// AllowsAnalyst reports whether the party may ask.
func (p *Policy) AllowsAnalyst(fingerprint string) bool { return allows(p.analysts, fingerprint) }

func allows(list []string, fingerprint string) bool {
	return fingerprint != "" && fingerprint != Any && (contains(list, fingerprint) || contains(list, Any))
}

// Purposes returns what the data may be used for.
func (p *Policy) Purposes() []string { return slices.Clone(p.purposes) }

// AllowsPurpose reports whether the data may be used for it.
func (p *Policy) AllowsPurpose(purpose string) bool { return contains(p.purposes, purpose) }

// Standing returns the rules that automate the owner's grant; none means that the owner grants by hand.
func (p *Policy) Standing() []StandingRule {
	out := slices.Clone(p.standing)
	for i := range out {
		out[i].Analysts, out[i].Purposes = slices.Clone(out[i].Analysts), slices.Clone(out[i].Purposes)
	}
	return out
}

// Grants reports whether the rule grants a contract of that analyst for those purposes at that time. Counting contracts
// against MaxContracts is the caller's duty.
func (s StandingRule) Grants(analyst string, purposes []string, at time.Time) bool {
	if !s.inTime(purposes, at) || !allows(s.Analysts, analyst) {
		return false
	}
	return true
}

// GrantsMembers is Grants for whoever AccreditedBy accredits: that the analyst is one is the caller's to verify.
func (s StandingRule) GrantsMembers(purposes []string, at time.Time) bool {
	return s.AccreditedBy != "" && s.inTime(purposes, at)
}

func (s StandingRule) inTime(purposes []string, at time.Time) bool {
	if len(purposes) == 0 || !at.Before(s.Until) {
		return false
	}
	for _, p := range purposes {
		if !contains(s.Purposes, p) {
			return false
		}
	}
	return true
}

// MaxQueries returns the owner's quota.
func (p *Policy) MaxQueries() Quota { return p.quota }

// Price is in credits for one query.
func (p *Policy) Price() int64 { return p.price }

// Valid reports whether the policy is in force.
func (p *Policy) Valid(at time.Time) bool { return !at.Before(p.from) && at.Before(p.until) }

// ValidFrom is the first moment at which the policy is in force.
func (p *Policy) ValidFrom() time.Time { return p.from }

// ValidUntil is the first moment at which the policy is no longer in force.
func (p *Policy) ValidUntil() time.Time { return p.until }

// RowsAreUnits reports whether each row is a unit of its own; publishing checks that UnitColumn has no value twice.
func (p *Policy) RowsAreUnits() bool { return p.unit.rowsAreUnits }

// UnitColumn is the column that identifies units.
func (p *Policy) UnitColumn() string { return p.unit.column }

// HasRole reports whether queries may name the column.
func (p *Policy) HasRole(column string) bool {
	c := p.columns[fold(column)]
	return c.unit || c.dimension || c.filter || c.measure
}

// Recognised returns the fingerprints of the owners that count as contributors beside this one.
func (p *Policy) Recognised() []string { return slices.Clone(p.guard.from) }

// Domain returns the declared values of a dimension in canonical text; publishing refuses rows outside them.
func (p *Policy) Domain(column string) (values []string, declared bool) {
	c, ok := p.columns[fold(column)]
	if !ok || len(c.values) == 0 {
		return nil, false
	}
	for _, v := range c.values {
		values = append(values, v.text)
	}
	return sortedSet(values), true
}

// Clamp returns the bounds of a measure as integers of 10^-scale; publishing refuses rows outside them, but for a policy that is Noisy.
func (p *Policy) Clamp(column string) (lo, hi int64, scale int, declared bool) {
	c, ok := p.columns[fold(column)]
	if !ok || !c.measure {
		return 0, 0, 0, false
	}
	return c.clamp[0], c.clamp[1], c.scale, true
}
