package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// What the syntax of a corpus leaves open, and -help prints.
const defaultsText = `What the policies leave open is taken to be:
  a pool's member without entry   the rules of the first member that has one
  scale of a measure              0 for integers, s for decimal(p,s), 3 for doubles, which become decimal(18,3)
  clamp of a measure              [0, 1000000000] where none is given; rows outside are refused
  output                          dp where there is dp, else guard-free
  contributors.from, coalition    the owners of the pool that the data set is in; 1
  guard under dp                  min_units 1, counts rounded to 1, values to 15 digits
  dp.period, timing under dp      30d, off
  kinds of a join                 inner, and left from the side that the join names first
  trust of a join                 partner-honest under a guard
  unit.domain                     of data sets that are joined: the unit's name
  aggregates                      of every measure; percentile_cont is quantile_cont, whose range is the compiler's own;
                                  count_distinct and count_if need no leave of their own in a policy file
  analysts, operators, evidence   any; one made up; simulated
  valid                           2026
  nullability                     of a column: whether the fixture has a NULL in it
`

const (
	defaultClamp       = "[0, 1000000000]"
	defaultDoubleScale = 3
	dpGuard            = "{min_units: 1, rounding: {count: 1, value_digits: 15}}"
)

// askedAt lies in the validity of every policy.
var askedAt = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func digestOf(what string) string {
	h := sha256.Sum256([]byte("cordon corpus/1 " + what))
	return hex.EncodeToString(h[:])
}

func fingerprint(party string) string { return "cordon1" + digestOf("party "+party) }

func ownerOf(dataset string) string { return cutBefore(dataset, ".") }

func cutBefore(s, sep string) string {
	before, _, _ := strings.Cut(s, sep)
	return before
}

func cutAfter(s, sep string) string {
	_, after, _ := strings.Cut(s, sep)
	return after
}

// scaleOf a measure of a column's type in the fixture.
func scaleOf(t policy.Type) int {
	if _, s, ok := t.Decimal(); ok {
		return s
	}
	if t == policy.Double {
		return defaultDoubleScale
	}
	return 0
}

// text writes the policy file that an owner with these rules would write, for a table of those column types.
func (a *assumed) text(w *assumedWorld, types map[string]policy.Type) (string, error) {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("policy: 1\ndataset: %s", cutAfter(a.name, "."))
	unit := "column: " + a.unit
	if a.joins != nil {
		unit += ", domain: " + strings.TrimSuffix(a.unit, "_id")
	}
	line("unit: {%s}\ncolumns:", unit)
	for _, c := range a.columns {
		t, ok := types[c.name]
		if !ok {
			return "", fmt.Errorf("%s: the fixture has no column %s", a.name, c.name)
		}
		line("  %s: {%s}", c.name, a.settings(c, t))
	}
	if a.dp != nil {
		delta, ok := new(big.Rat).SetString(a.dp["delta"])
		if !ok {
			return "", fmt.Errorf("%s: delta is not a number", a.name)
		}
		line("output: dp\ntiming: off\nguard: %s", dpGuard)
		line("dp: {epsilon_max_query: %s, epsilon: %s, period: 30d, delta: %s, max_groups_per_unit: %s}", a.dp["epsilon_per_query_max"],
			a.dp["epsilon_per_30_days"], strings.TrimRight(delta.FloatString(20), "0"), a.dp["max_groups_per_unit"])
	} else {
		line("output: guard-free\nguard: {%s}", a.guard(w))
	}
	if err := a.joinLines(line); err != nil {
		return "", err
	}
	line("purposes: [%s]\nanalysts: [any]\noperators: [%s]", strings.Join(a.purposes, ", "), fingerprint("operator"))
	line("evidence: {accept: [simulated], builds: [\"sha256:%s\"], perimeters: [process]}", digestOf("build"))
	line("valid: {from: 2026-01-01, until: 2027-01-01}\nmax_queries: {per_analyst: 1000, period: 30d}")
	return b.String(), nil
}

func (a *assumed) settings(c assumedColumn, t policy.Type) string {
	if len(c.roles) == 0 {
		return ""
	}
	var roles, rest []string
	for _, r := range c.roles {
		if r != "join" { // of the unit, said by joins
			roles = append(roles, r)
		}
	}
	if c.measure {
		clamp := defaultClamp
		if c.clamp != nil {
			clamp = "[" + strings.Join(c.clamp, ", ") + "]"
		}
		rest = append(rest, "aggregates: ["+strings.Join(a.measureAggregates(), ", ")+"]", "clamp: "+clamp, "scale: "+strconv.Itoa(scaleOf(t)))
	}
	if c.bins != nil {
		rest = append(rest, "bins: ["+strings.Join(c.bins, ", ")+"]")
	}
	if c.grain != "" {
		rest = append(rest, "grain: "+c.grain)
	}
	if c.onlyAs != "" {
		rest = append(rest, "only_as: "+strconv.Quote(c.onlyAs))
	}
	return strings.Join(append([]string{"roles: [" + strings.Join(roles, ", ") + "]"}, rest...), ", ")
}

func (a *assumed) measureAggregates() (out []string) {
	for _, name := range a.aggregates {
		name = cutBefore(name, " ") // quantile_cont 0.05..0.95
		switch name {
		case "count_distinct", "count_if":
			continue
		case "percentile_cont":
			name = "quantile_cont"
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (a *assumed) guard(w *assumedWorld) string {
	out := "min_units: " + a.minUnits
	if c := a.contributors; c != nil {
		var from []string
		for _, m := range w.pooled(a.name) {
			from = append(from, fingerprint(ownerOf(m)))
		}
		out += fmt.Sprintf(", contributors: {min: %s, max_share_pct: %s, p_percent: %s, from: [%s]}, coalition: 1", c.Min, c.MaxSharePct, c.PPercent, strings.Join(from, ", "))
	}
	return out + fmt.Sprintf(", rounding: {count: %s, value_digits: %s}", a.rounding["count"], cutBefore(a.rounding["value"], " "))
}

// joinLines reads "a.b.key = c.d.key" from the side of this data set.
func (a *assumed) joinLines(line func(string, ...any)) error {
	if a.joins == nil {
		return nil
	}
	line("joins:")
	for _, j := range a.joins {
		first, second, ok := strings.Cut(strings.ReplaceAll(j, " ", ""), "=")
		mine, other := first, second
		if !strings.HasPrefix(first, a.name+".") {
			mine, other = second, first
		}
		at := strings.LastIndex(other, ".")
		if !ok || !strings.HasPrefix(mine, a.name+".") || at < 0 {
			return fmt.Errorf("%s: a join is not of the form %s.key = party.dataset.key", a.name, a.name)
		}
		trust := ", trust: partner-honest"
		if a.dp != nil {
			trust = ""
		}
		kind := "left" // the side that is named first may keep its rows
		if mine == second {
			kind = "outer"
		}
		line("  - {with: %s, on: [%s], kind: [inner, %s]%s}", other[:at], strings.TrimPrefix(mine, a.name+"."), kind, trust)
	}
	return nil
}
