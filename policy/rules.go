package policy

import (
	"math/big"
	"slices"
	"strconv"
	"time"
)

// ColumnRule is what a column may be used for, as the file says it.
type ColumnRule struct {
	Name                             string
	Unit, Dimension, Filter, Measure bool
	Aggregates                       []string
	Values                           []string  // the declared domain, as written
	Clamp                            [2]string // of a measure: the bounds, as plain decimals
	Scale                            int
	Bins                             []string // of a measure: the constants that it may be compared with, ascending
	Grain                            string   // of a date: the finest part that may be named
	OnlyAs                           string   // the form in which alone it may be named: left(zip, 3), floor(birth_year, 10)
}

// Columns returns the rules of all columns that the file lists, in its order.
func (p *Policy) Columns() []ColumnRule {
	var out []ColumnRule
	for _, k := range p.order {
		c := p.columns[k]
		r := ColumnRule{Name: c.name, Unit: c.unit, Dimension: c.dimension, Filter: c.filter, Measure: c.measure,
			Aggregates: slices.Clone(c.aggregates), Values: texts(c.values), Bins: texts(c.bins), Scale: c.scale, Grain: c.grain, OnlyAs: c.onlyAs.text(c.name)}
		if c.measure {
			r.Clamp = [2]string{scaledText(c.clamp[0], c.scale), scaledText(c.clamp[1], c.scale)}
		}
		out = append(out, r)
	}
	return out
}

func texts(list []scalar) (out []string) {
	for _, v := range list {
		out = append(out, v.text)
	}
	return out
}

func (o onlyAs) text(column string) string {
	if o.kind == "" {
		return ""
	}
	return o.kind + "(" + column + ", " + strconv.FormatInt(o.n, 10) + ")"
}

// Output is what the policy promises of answers: ModeLattice, ModeGuard or ModeDP. The zero Policy has none.
func (p *Policy) Output() Mode {
	return map[outputMode]Mode{outputLattice: ModeLattice, outputGuardFree: ModeGuard, outputDP: ModeDP}[p.output]
}

// Lattice returns the GROUP BY sets that may be asked for, by lower-case names; none but in lattice mode.
func (p *Policy) Lattice() [][]string {
	var out [][]string
	for _, set := range p.lattice {
		out = append(out, slices.Clone(set))
	}
	return out
}

// Guard returns what each cell must satisfy by this policy alone. Coalition is 0 where the data set can't be pooled.
func (p *Policy) Guard() Guard {
	g := p.guard
	return Guard{MinUnits: g.minUnits, MinContributors: g.minContributors, MaxSharePct: g.maxSharePct, PPercent: g.pPercent, Coalition: g.coalition,
		RoundCount: g.roundCount, ValueDigits: g.valueDigits, Affiliates: disjoint(g.affiliates), Recognised: sortedSet(g.from)}
}

// UnitDomain names the identity space of the units; empty: it is the owner's own.
func (p *Policy) UnitDomain() string { return p.unit.domain }

// Join is a data set that may be joined.
type Join struct {
	With          string // party.dataset
	On            []string
	Inner         bool
	Left          bool // own rows stay without a partner
	Outer         bool // the partner's rows stay without one here
	PartnerHonest bool // the owner trusts the partner not to single out a unit by the keys that it chooses
}

// Joins returns the data sets that may be joined.
func (p *Policy) Joins() []Join {
	var out []Join
	for _, j := range p.joins {
		out = append(out, Join{With: j.with, On: slices.Clone(j.on), Inner: j.inner, Left: j.left, Outer: j.outer, PartnerHonest: j.trust == trustPartner})
	}
	return out
}

// Noise is the budget of a data set, all its versions together, whose answers carry noise. Numbers are exact.
type Noise struct {
	EpsilonMaxQuery  *big.Rat // of one query
	Epsilon          *big.Rat // with Delta: of everything that is ever released, to all together
	Delta            *big.Rat
	Period           time.Duration // of PerOrg; 0: for life
	MaxGroupsPerUnit int64
	MaxRowsPerUnit   int64    // in one group
	PerOrg           *big.Rat // of what one organisation is charged for within Period; nil: it may spend all
}

// Noisy reports whether all that leaves carries noise: output: dp.
func (p *Policy) Noisy() bool { return p.output == outputDP }

// Noise returns the budget of a policy that is Noisy; no other has one.
func (p *Policy) Noise() (Noise, bool) {
	if !p.Noisy() || p.dp == nil {
		return Noise{}, false
	}
	own := func(x *big.Rat) *big.Rat {
		if x == nil {
			return nil
		}
		return new(big.Rat).Set(x)
	}
	d := p.dp
	return Noise{own(d.epsilonMaxQuery), own(d.epsilon), own(d.delta), d.period, d.maxGroupsPerUnit, d.maxRowsPerUnit, own(d.perOrg)}, true
}

// Timing is the time between two moments at which answers may leave; 0: they leave when they are there.
func (p *Policy) Timing() time.Duration { return p.timing }

// MayPrune reports whether row groups may be left unopened by what constants of a query say.
func (p *Policy) MayPrune() bool { return p.pruning }

// Template is a query that may be asked.
type Template struct {
	Name   string
	SQL    string
	Params []TemplateParam // $1, $2 …
}

// TemplateParam is what a parameter of a template stands for. Name is for people, and may be empty.
type TemplateParam struct {
	Name string
	Type Type
}

// Templates returns the listed queries, and whether they are all that may be asked.
func (p *Policy) Templates() (list []Template, only bool) {
	for _, t := range p.templates {
		out := Template{Name: t.name, SQL: t.sql}
		for _, v := range t.params {
			out.Params = append(out.Params, TemplateParam{v.name, v.typ})
		}
		list = append(list, out)
	}
	return list, p.templatesOnly
}

// Organisation is the party and those that the policy calls its affiliates: what they ask counts together.
func (p *Policy) Organisation(party string) []string {
	for _, group := range disjoint(p.guard.affiliates) {
		if contains(group, party) {
			return group
		}
	}
	return []string{party}
}
