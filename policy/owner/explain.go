package owner

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/policy"
)

// Explanation says what a policy permits, in plain words. It is data: JSON by its tags, text by Text.
type Explanation struct {
	Dataset   string   `json:"dataset"`
	Output    string   `json:"output"`
	Asks      []string `json:"may_be_asked"`
	Cells     []string `json:"each_cell"`
	Never     []string `json:"never_leaves"`
	NoPromise []string `json:"not_promised"`
	Budget    []string `json:"budget"`
	Who       []string `json:"who"`
	Until     []string `json:"until"`
}

// Explain says it of a parsed policy, and of nothing else.
func Explain(p *policy.Policy) Explanation {
	return Explanation{Dataset: p.Dataset(), Output: outputName(p), Asks: asks(p), Cells: cells(p), Never: never(p), NoPromise: noPromise(p),
		Budget: budget(p), Who: who(p), Until: until(p)}
}

// outputName is the file's word.
func outputName(p *policy.Policy) string {
	if p.Output() == policy.ModeGuard {
		return "guard-free"
	}
	return string(p.Output())
}

func asks(p *policy.Policy) (out []string) {
	if list, only := p.Templates(); only {
		out = append(out, "only the queries that the policy lists, word for word; what follows them bounds these")
		for _, t := range list {
			out = append(out, t.Name+": "+templateText(t))
		}
	}
	if p.Output() == policy.ModeLattice {
		out = append(out, "tables "+sets(p.Lattice())+", and what adds up from them; nothing finer")
	}
	out = append(out, named(p)...)
	out = append(out, "in each group: the number of rows, and of different "+p.UnitColumn())
	for _, c := range p.Columns() {
		if !c.Measure {
			continue
		}
		computed := strings.Replace(strings.Join(c.Aggregates, ", "), "quantile_cont", "quantiles from 0.05 to 0.95", 1)
		out = append(out, fmt.Sprintf("of %s: %s", c.Name, computed))
		if len(c.Bins) > 0 {
			out = append(out, fmt.Sprintf("%s, or its sum for one %s, compared with %s, and no other constant", c.Name, p.UnitColumn(), strings.Join(c.Bins, ", ")))
		}
	}
	return append(out, joins(p)...)
}

func sets(lattice [][]string) string {
	var out []string
	for _, set := range lattice {
		if len(set) == 0 {
			out = append(out, "of the grand total")
		} else {
			out = append(out, "by "+strings.Join(set, " and "))
		}
	}
	return strings.Join(out, ", ")
}

// named says which columns queries may group by and filter on, and in which form.
func named(p *policy.Policy) (out []string) {
	var groups, filters []string
	for _, c := range p.Columns() {
		text := c.Name
		switch {
		case c.Grain != "":
			text += " by the " + c.Grain + " or coarser"
		case c.OnlyAs != "":
			text += " as " + c.OnlyAs + " alone"
		}
		if c.Dimension && p.Output() != policy.ModeLattice {
			groups = append(groups, text)
		}
		if c.Filter {
			filters = append(filters, text)
		}
	}
	if groups != nil {
		out = append(out, "groups by any of: "+strings.Join(groups, ", ")+"; also by several together")
	}
	if filters != nil {
		out = append(out, "conditions on: "+strings.Join(filters, ", "))
	}
	return out
}

func joins(p *policy.Policy) (out []string) {
	for _, j := range p.Joins() {
		var kinds []string
		for _, k := range []struct {
			is   bool
			text string
		}{{j.Inner, "rows that both have"}, {j.Left, "with your rows that have no partner"}, {j.Outer, "with the partner's rows that have none here"}} {
			if k.is {
				kinds = append(kinds, k.text)
			}
		}
		text := fmt.Sprintf("joined with %s on %s (%s)", j.With, strings.Join(j.On, ", "), strings.Join(kinds, "; "))
		if j.PartnerHonest {
			text += "; you trust its owner not to single anybody out (trust: partner-honest)"
		}
		out = append(out, text)
	}
	return out
}

func cells(p *policy.Policy) (out []string) {
	g := p.Guard()
	units := "different " + p.UnitColumn()
	if p.RowsAreUnits() {
		units = "rows"
	}
	if n, ok := p.Noise(); ok {
		out = []string{
			"carries noise; a group is named only if it has about " + fmt.Sprint(g.MinUnits) + " " + units + " and more, by a choice that is noised too",
			fmt.Sprintf("has each %s in at most %d groups of an answer, with at most %d rows in each, and values clamped to the measure's clamp: the noise is as wide as that",
				p.UnitColumn(), n.MaxGroupsPerUnit, n.MaxRowsPerUnit),
		}
		if g.RoundCount > 1 || g.ValueDigits < 15 {
			out = append(out, "is not rounded: guard.rounding says nothing under noise")
		}
		return out
	}
	out = append(out, fmt.Sprintf("has at least %d %s", g.MinUnits, units))
	if g.Coalition > 0 {
		out = append(out,
			fmt.Sprintf("has at least %d contributors that you recognise beside the asker, one less if the asker contributes", g.MinContributors),
			fmt.Sprintf("has no contributor with more than %d %% of it, and the others of the largest add up to at least %d %% of that one", g.MaxSharePct, g.PPercent),
			fmt.Sprintf("holds also without any %d of the contributors", g.Coalition))
	}
	out = append(out, rounded(g))
	if p.Output() == policy.ModeLattice {
		return append(out, "else it is hidden, with further cells until the hidden ones together satisfy the rules")
	}
	return append(out, "else it is hidden, with further cells of the same answer until its totals give none away")
}

func rounded(g policy.Guard) string {
	return fmt.Sprintf("is rounded: counts to multiples of %d, values to %d significant digits", g.RoundCount, g.ValueDigits)
}

func never(p *policy.Policy) []string {
	var hidden, measures []string
	for _, c := range p.Columns() {
		switch {
		case !c.Unit && !c.Dimension && !c.Filter && !c.Measure:
			hidden = append(hidden, c.Name)
		case c.Measure:
			measures = append(measures, c.Name)
		}
	}
	out := []string{"single rows, whatever is asked", "values of " + p.UnitColumn() + ": units are only counted", "columns that the policy does not list"}
	if hidden != nil {
		out = append(out, "anything of "+strings.Join(hidden, ", "))
	}
	if measures != nil {
		out = append(out, "single values of "+strings.Join(measures, ", ")+", their smallest or largest")
	}
	return append(out, "(your own queries over your data alone, for you alone, are not bound by this)")
}

func noPromise(p *policy.Policy) (out []string) {
	switch p.Output() {
	case policy.ModeLattice:
		out = []string{
			"that a shown cell says nothing about its members: that most of a group have something in common can be read from it",
			"protection against what answers say together with other data sets, other versions of this one, or what an asker knows already",
			"that nobody learns that a cell is hidden, and roughly how many are",
		}
	case policy.ModeGuard:
		out = []string{
			"anything beyond one answer: two answers whose groups differ by one unit may, subtracted, say that unit's value up to rounding. It is for analysts that you trust",
			"protection against a partner of a join that chooses its keys or labels to single somebody out",
			"protection against what answers say together with other data sets or versions of this one",
		}
	case policy.ModeDP:
		out = []string{
			"exact numbers: small groups drown in noise, which is the point",
			"protection of a group of units together as strong as of one: it weakens with their number",
			"hiding how large your table is: its rows and bytes, and the bytes of each column that a job opened, are told exactly",
		}
		if p.Timing() == 0 {
			out = append(out, "that the time and memory of a job say nothing of the rows (timing: off)")
		}
	}
	if p.MayPrune() {
		out = append(out, "that who watches the host does not see which parts of your file a query opened (pruning: allowed)")
	}
	return append(out, "that the other owners' data is true")
}

func budget(p *policy.Policy) []string {
	q := p.MaxQueries()
	out := []string{fmt.Sprintf("%d queries of one analyst in %s", q.PerAnalyst, days(q.Period))}
	if q.PerOrg > 0 {
		out = append(out, fmt.Sprintf("%d queries of an analyst and its affiliates together in %s", q.PerOrg, days(q.Period)))
	}
	if n, ok := p.Noise(); ok {
		out = append(out, fmt.Sprintf("epsilon %s of all queries together, for good, whatever version they read; at most %s for one; delta %s", decimal(n.Epsilon), decimal(n.EpsilonMaxQuery), decimal(n.Delta)))
		if n.PerOrg != nil {
			span := "for good"
			if n.Period > 0 {
				span = "in " + days(n.Period)
			}
			out = append(out, fmt.Sprintf("epsilon %s of it for one organisation, %s", decimal(n.PerOrg), span))
		} else if n.Period > 0 {
			out = append(out, "dp.period bounds nothing without dp.per_org")
		}
	}
	if p.Price() > 0 {
		out = append(out, fmt.Sprintf("%d credits for each query", p.Price()))
	}
	if p.Timing() > 0 {
		out = append(out, fmt.Sprintf("answers leave at multiples of %s after the keys came, so that their time says nothing", p.Timing()))
	}
	return out
}

func days(d time.Duration) string {
	if d == 24*time.Hour {
		return "1 day"
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// decimal writes a number that was a plain decimal.
func decimal(x *big.Rat) string {
	n, _ := x.FloatPrec()
	return x.FloatString(n)
}

func who(p *policy.Policy) []string {
	asks := "anybody may ask who has your grant, for: "
	if a := p.Analysts(); !slices.Contains(a, policy.Any) {
		asks = strings.Join(short(a), ", ") + " may ask, with your grant, for: "
	}
	e := p.Evidence()
	out := []string{
		asks + strings.Join(p.Purposes(), ", "),
		"on machines of " + strings.Join(short(p.Operators()), ", "),
		fmt.Sprintf("in an enclave of %d listed builds, shown by evidence of kind %s, behind a perimeter of kind %s", len(e.Builds), strings.Join(e.Accept, " or "), strings.Join(e.Perimeters, " or ")),
	}
	out = append(out, machines(e)...)
	if r := p.Recognised(); r != nil {
		out = append(out, fmt.Sprintf("pooled with data of %s, which count as contributors", strings.Join(short(r), ", ")))
	} else {
		out = append(out, "not pooled: the policy has no rule on contributors")
	}
	if len(p.Standing()) == 0 {
		return append(out, "every contract is granted by hand")
	}
	for _, s := range p.Standing() {
		if s.AccreditedBy != "" {
			out = append(out, members(&s)...)
			continue
		}
		out = append(out, fmt.Sprintf("up to %d contracts of %s for %s are granted without asking you, before %s", s.MaxContracts, strings.Join(short(s.Analysts), ", "), strings.Join(s.Purposes, ", "), s.Until.Format(time.DateOnly)))
		if s.MaxMonth > 0 {
			out = append(out, fmt.Sprintf("under them, at most %d queries of one analyst in a calendar month (UTC)", s.MaxMonth))
		}
	}
	return out
}

// members says what a rule grants to whoever a party accredits.
func members(s *policy.StandingRule) []string {
	by := strings.Join(short([]string{s.AccreditedBy}), "")
	out := []string{fmt.Sprintf("up to %d contracts of whoever %s accredits, for %s, are granted without asking you, before %s", s.MaxContracts, by, strings.Join(s.Purposes, ", "), s.Until.Format(time.DateOnly))}
	if s.MaxMonth > 0 {
		out = append(out, fmt.Sprintf("under them, at most %d queries of one member in a calendar month (UTC)", s.MaxMonth))
	}
	if s.MaxMonthAll > 0 {
		out = append(out, fmt.Sprintf("under them, at most %d queries of all members together in a calendar month (UTC)", s.MaxMonthAll))
	}
	if s.OutlivesAccreditation {
		return append(out, "such a grant goes on when the accreditation ends")
	}
	return append(out, "such a grant ends with the accreditation")
}

// machines says what hardware must be, and what is none.
func machines(e policy.Evidence) (out []string) {
	if len(e.TCBStatus) > 0 {
		advisories := "without any advisory"
		if len(e.Advisories) > 0 {
			advisories = "with no advisory but " + strings.Join(e.Advisories, ", ")
		}
		out = append(out, fmt.Sprintf("a machine of Intel's is %s, %s, on a TCB level of %s or later, by collateral of evaluation %d or later",
			strings.Join(e.TCBStatus, " or "), advisories, e.MinTCBDate.Format(time.DateOnly), e.MinTCBEvaluation))
	}
	for _, line := range slices.Sorted(maps.Keys(e.MinTCBSNP)) {
		var parts []string
		for _, c := range slices.Sorted(maps.Keys(e.MinTCBSNP[line])) {
			parts = append(parts, fmt.Sprintf("%s %d", c, e.MinTCBSNP[line][c]))
		}
		out = append(out, fmt.Sprintf("a machine of AMD's line %s has at least %s", line, strings.Join(parts, ", ")))
	}
	if e.Debug {
		out = append(out, "DEBUG enclaves are accepted: the host can read their memory, so that nothing is protected from it (debug: "+policy.DebugAllowed+")")
	}
	if slices.Contains(e.Accept, evidence.TPMSoftware) {
		out = append(out, "evidence of a TPM in software is SOFTWARE-ROOTED: it proves nothing against the operator, who runs the TPM: it could read everything")
	}
	if slices.Contains(e.Accept, evidence.Simulated) {
		out = append(out, "simulated evidence proves nothing against the operator, who signs it: it could read everything")
	}
	return out
}

func short(fingerprints []string) []string {
	out := slices.Clone(fingerprints)
	for i, f := range out {
		if len(f) > 19 {
			out[i] = f[:19]
		}
	}
	return out
}

func until(p *policy.Policy) []string {
	return []string{fmt.Sprintf("in force from %s, and no longer on %s (midnight UTC)", p.ValidFrom().Format(time.DateOnly), p.ValidUntil().Format(time.DateOnly))}
}

// templateText is the query, and what its parameters are.
func templateText(t policy.Template) string {
	var params []string
	for i, p := range t.Params {
		params = append(params, strings.TrimSpace(fmt.Sprintf("$%d %s %s", i+1, p.Type, p.Name)))
	}
	if len(params) == 0 {
		return t.SQL
	}
	return t.SQL + " (" + strings.Join(params, ", ") + ")"
}

// Text is the explanation for people.
func (e Explanation) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "policy of %s, output %s\n", e.Dataset, e.Output)
	for _, s := range []struct {
		title string
		lines []string
	}{
		{"what may be asked", e.Asks}, {"each number that leaves", e.Cells}, {"never leaves", e.Never}, {"not promised", e.NoPromise},
		{"budget", e.Budget}, {"who, and where", e.Who}, {"how long", e.Until},
	} {
		fmt.Fprintf(&b, "%s:\n", s.title)
		for _, l := range s.lines {
			fmt.Fprintf(&b, "  - %s\n", l)
		}
	}
	return b.String()
}
