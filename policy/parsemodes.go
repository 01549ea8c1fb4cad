package policy

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// mode reads which kind of output the policy permits, before what depends on it.
func (r *reader) mode(n *yaml.Node, p *Policy) {
	if r.err != nil || n == nil {
		return
	}
	switch {
	case n.Kind == yaml.MappingNode:
		p.output = outputLattice
	case n.Kind == yaml.ScalarNode && (n.Value == string(outputGuardFree) || n.Value == string(outputDP)):
		p.output = outputMode(n.Value)
	default:
		r.fail(n, "output is not known", "write output: {lattice: [[size], [phase]]}, output: guard-free or output: dp")
	}
}

var isOnlyAs = regexp.MustCompile(`^(left|floor)\(([^,()]+), ?([1-9][0-9]{0,8})\)$`).FindStringSubmatch

// freely reads what a column may have outside of lattice mode: bins of a measure, and the form in which alone a dimension may
// be named.
func (r *reader) freely(s section, c *columnRule, p *Policy) {
	if r.err != nil {
		return
	}
	if p.output == outputLattice { // a lattice publishes bands as columns, so that its cells are all that can be asked
		r.absent(s, "is not for lattice mode", "bins", "grain", "only_as")
		return
	}
	if !c.measure {
		r.absent(s, "is for measures", "bins")
	} else if v := s.vals["bins"]; v != nil {
		r.bins(v, c)
	}
	if !c.dimension && !c.filter {
		r.absent(s, "is for dimensions and filters", "grain", "only_as")
		return
	}
	if v := s.vals["grain"]; v != nil {
		if c.grain = r.text(v, "grain"); r.err == nil && !contains(grains, c.grain) {
			r.fail(v, "grain is not known", "grains are week, month, quarter and year")
		}
	}
	if v := s.vals["only_as"]; v != nil {
		r.onlyAs(v, c)
	}
}

// bins reads the constants that a measure may be compared with. Each lies within the clamp: a comparison with another one
// is the same for all rows.
func (r *reader) bins(n *yaml.Node, c *columnRule) {
	items := r.items(n, "bins")
	if len(items) > maxBins {
		r.fail(n, "bins has more than 64 entries", "each bin is a cut that differences can be taken at: fewer say less")
	}
	last := int64(0)
	for i, v := range items {
		if r.err != nil {
			return
		}
		if v.Kind != yaml.ScalarNode || v.Style != 0 || !isDecimal(v.Value) || len(v.Value) > 18 {
			r.fail(v, "bins must be plain decimals", "they are the constants that the measure may be compared with")
			return
		}
		at, ok := scaleDecimal(trimZeros(v.Value), c.scale)
		switch {
		case !ok:
			r.fail(v, "a bin does not fit the scale", "write it with at most scale decimal places")
		case at < c.clamp[0] || at > c.clamp[1]:
			r.fail(v, "a bin lies outside the clamp", "a comparison with it would be the same for all rows")
		case i > 0 && at <= last:
			r.fail(v, "bins must ascend", "write the smallest first")
		}
		last = at
		c.bins = append(c.bins, scalar{text: v.Value, tag: v.Tag, at: Pos{v.Line, v.Column}})
	}
}

// onlyAs reads left(zip, 3), floor(birth_year, 10), or decade for the latter.
func (r *reader) onlyAs(n *yaml.Node, c *columnRule) {
	text := r.text(n, "only_as")
	if r.err != nil {
		return
	}
	if c.grain != "" {
		r.fail(n, "a column has a grain or an only_as, not both", "grain is for dates, only_as for texts and whole numbers")
		return
	}
	if text == "decade" {
		c.onlyAs = onlyAs{kind: "floor", n: 10}
		return
	}
	m := isOnlyAs(text)
	if m == nil || fold(m[2]) != fold(c.name) {
		r.fail(n, "only_as is not known", "write left("+c.name+", 3), floor("+c.name+", 10) or decade")
		return
	}
	k, _ := strconv.ParseInt(m[3], 10, 64)
	if m[1] == "left" && k > maxLeft {
		r.fail(n, "left takes at most 999 characters", "write left("+c.name+", 3)")
		return
	}
	c.onlyAs = onlyAs{kind: m[1], n: k}
}

// trustPartner says that the owner trusts whose data is joined not to choose its units and labels so as to single one out.
const trustPartner = "partner-honest"

// joins reads with whose data sets this one may be joined. A partner that chooses the keys could isolate one unit, so a
// guard takes the owner's word that it trusts the partner; noise needs none.
func (r *reader) joins(n *yaml.Node, p *Policy) {
	if r.err != nil || n == nil || n.Kind == yaml.ScalarNode && n.Value == "none" {
		return
	}
	if n.Kind == yaml.ScalarNode {
		r.fail(n, "joins must be none or a list", "joins: [{with: party.dataset, on: [unit column], kind: [inner]}]")
		return
	}
	items := r.items(n, "joins")
	switch {
	case r.err != nil:
	case p.output == outputLattice:
		r.fail(n, "joins is not for lattice mode", "a lattice is the table of one data set or pool: joins go with output: dp, or guard-free and a partner that you trust")
	case p.unit.domain == "":
		r.fail(n, "joins without unit.domain", "unit: {column: "+p.unit.column+", domain: household}: both owners name the same identity space")
	case len(items) > maxList:
		r.fail(n, "joins has more than 1024 entries", "name the data sets that are really joined")
	}
	with := map[string]bool{}
	for _, v := range items {
		if r.err != nil {
			return
		}
		j := r.join(v, p)
		if with[j.with] {
			r.fail(v, "joins names "+j.with+" twice", "keep one entry, with both kinds")
		}
		with[j.with] = true
		p.joins = append(p.joins, j)
	}
}

func (r *reader) join(n *yaml.Node, p *Policy) joinRule {
	s := r.section(n, "joins", "with", "on", "kind", "trust")
	j := joinRule{with: r.text(r.need(s, "with", "with: party.dataset"), "with")}
	if owner, name, ok := strings.Cut(j.with, "."); r.err == nil && !(ok && isDatasetName(owner) && isDatasetName(name)) {
		r.fail(s.vals["with"], "with must name a data set", "write party.dataset")
	}
	j.on = r.texts(r.need(s, "on", "on: ["+p.unit.column+"]"), "on", isColumnName, "the unit column")
	if r.err == nil && (len(j.on) != 1 || fold(j.on[0]) != fold(p.unit.column)) {
		r.fail(s.vals["on"], "data sets are joined on their unit columns alone", "on: ["+p.unit.column+"]")
	}
	kinds := r.texts(r.need(s, "kind", "kind: [inner, left]"), "kind", func(s string) bool { return contains([]string{"inner", "left", "outer"}, s) }, "kinds are inner, left (own rows stay without a partner) and outer (the partner's do)")
	j.inner, j.left, j.outer = contains(kinds, "inner"), contains(kinds, "left"), contains(kinds, "outer")
	if t := s.vals["trust"]; t != nil {
		if j.trust = r.text(t, "trust"); r.err == nil && j.trust != trustPartner {
			r.fail(t, "trust is not known", "trust: partner-honest, or nothing")
		}
	}
	if r.err == nil && j.trust == "" && p.output != outputDP {
		r.fail(n, "a partner that chooses the keys can isolate one unit, whatever the threshold", "write trust: partner-honest if you trust it, or use output: dp")
	}
	return j
}

// dpRule is the budget of a data set.
type dpRule struct {
	epsilonMaxQuery  *big.Rat
	epsilon          *big.Rat // of all organisations together
	delta            *big.Rat
	period           time.Duration // after which epsilon and perOrg are there again; 0: never
	maxGroupsPerUnit int64
	maxRowsPerUnit   int64    // in one group
	perOrg           *big.Rat // of epsilon, for each organisation; nil: all of it
}

func (r *reader) dp(n, output *yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	if p.output != outputDP {
		if n != nil {
			r.fail(n, "dp goes with output: dp", "remove it, or write output: dp")
		}
		return
	}
	if n == nil {
		r.fail(output, "output: dp without dp", "dp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3}")
		return
	}
	s := r.section(n, "dp", "epsilon_max_query", "epsilon", "delta", "period", "max_groups_per_unit", "max_rows_per_unit", "per_org")
	d := &dpRule{
		epsilonMaxQuery:  r.positive(r.need(s, "epsilon_max_query", "epsilon_max_query: 1"), "epsilon_max_query", 100),
		epsilon:          r.positive(r.need(s, "epsilon", "epsilon: 10, the budget"), "epsilon", 1000),
		delta:            r.delta(r.need(s, "delta", "delta: 0.000001")),
		maxGroupsPerUnit: r.integer(r.need(s, "max_groups_per_unit", "max_groups_per_unit: 3"), "max_groups_per_unit", 1, 1000),
	}
	d.maxRowsPerUnit = defaultMaxRows
	if v := s.vals["max_rows_per_unit"]; v != nil {
		d.maxRowsPerUnit = r.integer(v, "max_rows_per_unit", 1, 1000000)
	}
	if v := s.vals["per_org"]; v != nil {
		d.perOrg = r.positive(v, "per_org", 1000)
	}
	if v := s.vals["period"]; v != nil {
		d.period = r.days(v, "period")
	}
	if r.err == nil && d.epsilonMaxQuery.Cmp(d.epsilon) > 0 {
		r.fail(s.vals["epsilon_max_query"], "one query may not cost more than the budget", "lower it, or raise epsilon")
	}
	if r.err == nil && d.perOrg != nil && d.perOrg.Cmp(d.epsilon) > 0 {
		r.fail(s.vals["per_org"], "one organisation may not spend more than the budget", "lower it, or raise epsilon")
	}
	if r.err == nil && d.perOrg != nil && d.perOrg.Cmp(d.epsilonMaxQuery) < 0 {
		r.fail(s.vals["per_org"], "an organisation could never ask what one query may cost", "raise it, or lower epsilon_max_query")
	}
	p.dp = d
}

// positive reads a plain decimal above 0, up to a bound.
func (r *reader) positive(n *yaml.Node, what string, most int64) *big.Rat {
	if r.err != nil {
		return nil
	}
	v, ok := new(big.Rat), false
	if n.Kind == yaml.ScalarNode && n.Style == 0 && isDecimal(n.Value) && len(n.Value) <= 24 {
		v, ok = v.SetString(n.Value)
	}
	if !ok || v.Sign() <= 0 || v.Cmp(new(big.Rat).SetInt64(most)) > 0 {
		r.fail(n, what+" must be a plain decimal above 0 and at most "+itoa64(most), "write digits, without exponent")
		return nil
	}
	return v
}

// delta is the chance that noise promises nothing at all, so it must be small.
func (r *reader) delta(n *yaml.Node) *big.Rat {
	d := r.positive(n, "delta", 1)
	if r.err == nil && d.Cmp(big.NewRat(1, 1000)) > 0 {
		r.fail(n, "delta is larger than 0.001", "it is the chance that nothing is promised: take less than one in the number of units, as 0.000001")
	}
	return d
}

func (r *reader) days(n *yaml.Node, what string) time.Duration {
	t := r.text(n, what)
	if r.err == nil && !isPeriod(t) {
		r.fail(n, what+" must be a number of days", "write it as 30d, at most 9999d")
	}
	if r.err != nil {
		return 0
	}
	days, _ := strconv.Atoi(strings.TrimSuffix(t, "d"))
	return time.Duration(days) * 24 * time.Hour
}
