package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// Parse reads a policy file, docs/spec/policy.md. Errors are a *SyntaxError with line, column and hint.
func Parse(src []byte) (*Policy, error) {
	r := &reader{what: "policy", maxText: maxTextBytes}
	root := r.document(src)
	p := &Policy{text: slices.Clone(src)}
	if r.err == nil {
		r.policy(root, p)
	}
	if r.err != nil {
		return nil, r.err
	}
	return p, nil
}

// pattern is compiled when it is first asked: not at the start of every program that imports this package.
func pattern(p string) func(string) bool {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(p) })
	return func(s string) bool { return compiled().MatchString(s) }
}

var (
	isDatasetName = pattern(`^[a-z][a-z0-9_]{0,31}$`)
	isPurpose     = pattern(`^[a-z][a-z0-9-]{0,63}$`)
	isFingerprint = pattern(`^cordon1[0-9a-f]{64}$`)
	isDigest      = pattern(`^sha256:[0-9a-f]{64}$`)
	isWord        = pattern(`^[a-z][a-z0-9-]{0,63}$`)
	isDecimal     = pattern(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	isDate        = pattern(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
	isPeriod      = pattern(`^[1-9][0-9]{0,3}d$`)
	isDomain      = pattern(`^[a-z][a-z0-9_]{0,31}(\.[a-z][a-z0-9_]{0,31})?$`)
)

const fingerprintHint = `a fingerprint is cordon1 and 64 hex digits, as "cordon party show" prints it`

// version is looked at first: a later format may have keys that this one does not know.
func (r *reader) version(n *yaml.Node) {
	v := r.mapping(n, "policy").vals["policy"]
	if v != nil && (v.Kind != yaml.ScalarNode || v.Style != 0 || v.Value != "1") {
		r.fail(v, "policy is not of version 1", "begin with policy: 1; a later version needs a later cordon")
	}
}

func (r *reader) policy(n *yaml.Node, p *Policy) {
	r.version(n)
	s := r.section(n, "policy", "policy", "dataset", "unit", "columns", "output", "guard", "purposes", "analysts",
		"operators", "evidence", "valid", "max_queries", "pruning", "timing", "standing", "price", "joins", "dp", "mode", "templates")
	r.need(s, "policy", "begin with policy: 1, the version of the format")
	name := r.need(s, "dataset", "name the data set that these rules are for")
	if p.dataset = r.text(name, "dataset"); r.err == nil && !isDatasetName(p.dataset) {
		r.fail(name, "dataset is not a name", "use lower-case letters, digits and _, at most 32")
	}
	r.mode(s.vals["output"], p)
	r.columns(r.need(s, "columns", "list the columns that may be used; a column without entry can't be named"), p)
	r.unit(r.need(s, "unit", "unit: {column: ..., rows_are_units: true} says what thresholds count"), p)
	r.output(r.need(s, "output", "output: {lattice: [[column], ...]}, guard-free or dp says what is promised of answers"), p)
	r.joins(s.vals["joins"], p)
	r.dp(s.vals["dp"], s.vals["output"], p)
	r.guard(r.need(s, "guard", "guard: {min_units: ..., ...} says what each cell must satisfy"), p)
	p.purposes = r.texts(r.need(s, "purposes", "name what the data may be used for"), "purposes", isPurpose, "use lower-case letters, digits and -")
	p.analysts = r.parties(r.need(s, "analysts", "name who may ask, by fingerprint, or [any]"), "analysts")
	p.operators = r.texts(r.need(s, "operators", "name the hosts' operators that may run jobs"), "operators", isFingerprint, fingerprintHint)
	r.evidence(r.need(s, "evidence", "evidence: {accept: ..., builds: ..., perimeters: ...} says which enclaves get keys"), p)
	r.valid(r.need(s, "valid", "valid: {from: 2026-01-01, until: 2027-01-01}"), p)
	r.maxQueries(r.need(s, "max_queries", "max_queries: {per_analyst: 200, period: 30d}"), p)
	p.pruning = r.word(s.vals["pruning"], "pruning", "refused", "allowed") == "allowed"
	r.timing(s.vals["timing"], p)
	r.templates(s, p)
	r.standing(s.vals["standing"], p)
	if v := s.vals["price"]; v != nil {
		p.price = r.integer(v, "price", 0, 1_000_000_000)
	}
}

// word reads a setting with few values. Its absence means the first, which is the strict one.
func (r *reader) word(n *yaml.Node, what string, known ...string) string {
	if n == nil || r.err != nil {
		return known[0]
	}
	if n.Kind != yaml.ScalarNode || !contains(known, n.Value) {
		r.fail(n, what+" must be "+strings.Join(known, " or "), "leave it out for "+known[0])
	}
	return n.Value
}

func (r *reader) parties(n *yaml.Node, what string) []string {
	ok := func(s string) bool { return s == Any || isFingerprint(s) }
	list := r.texts(n, what, ok, fingerprintHint+"; or [any]")
	if len(list) > 1 && contains(list, Any) {
		r.fail(n, what+" names any and others", "write [any], or the others alone")
	}
	return list
}

func (r *reader) columns(n *yaml.Node, p *Policy) {
	p.columns = map[string]columnRule{}
	if r.err != nil {
		return
	}
	s := r.mapping(n, "columns")
	if r.err == nil && (len(s.vals) == 0 || len(s.vals) > maxColumns) {
		r.fail(n, "columns must have 1 to 1024 entries", "list the columns that may be used")
	}
	if r.err != nil {
		return
	}
	for i := 0; i < len(n.Content) && r.err == nil; i += 2 {
		c := r.column(n.Content[i], n.Content[i+1], p)
		if _, dup := p.columns[fold(c.name)]; dup {
			r.fail(n.Content[i], "column "+strconv.Quote(c.name)+" is there twice", "SQL does not tell upper from lower case in names")
		}
		p.columns[fold(c.name)] = c
		p.order = append(p.order, fold(c.name))
	}
}

func (r *reader) column(k, n *yaml.Node, p *Policy) columnRule {
	c := columnRule{name: k.Value, at: Pos{k.Line, k.Column}}
	if !isColumnName(c.name) {
		r.fail(k, "not a usable column name: "+strconv.Quote(c.name), "1 to 128 printable characters, and not a name that the engine keeps for itself")
		return c
	}
	s := r.section(n, "column "+c.name, "roles", "values", "aggregates", "clamp", "scale", "bins", "grain", "only_as")
	if s.vals["roles"] == nil {
		if len(s.vals) > 0 {
			r.fail(n, "column "+c.name+" has no roles", "write roles: [dimension, filter], [measure] or [unit]; {} for none")
		}
		return c
	}
	isRole := func(s string) bool { return contains([]string{"unit", "dimension", "filter", "measure"}, s) }
	for _, role := range r.texts(s.vals["roles"], "roles", isRole, "roles are unit, dimension, filter, measure") {
		c.unit = c.unit || role == "unit"
		c.dimension = c.dimension || role == "dimension"
		c.filter = c.filter || role == "filter"
		c.measure = c.measure || role == "measure"
	}
	r.columnShape(n, s, &c, p)
	r.freely(s, &c, p)
	return c
}

// columnShape reads what goes with the roles, and refuses what does not.
func (r *reader) columnShape(n *yaml.Node, s section, c *columnRule, p *Policy) {
	if r.err != nil {
		return
	}
	switch {
	case c.unit && (c.dimension || c.filter || c.measure):
		r.fail(n, "a unit column can have no other role", "units may only be counted")
	case c.measure && (c.dimension || c.filter):
		r.fail(n, "a measure can't be a dimension or a filter", "publish a second column that holds bands of it")
	case c.filter && !c.dimension && p.output == outputLattice:
		r.fail(n, "a filter must also be a dimension in lattice mode", "write roles: [dimension, filter]")
	}
	if c.measure {
		r.measure(n, s, c, p.output)
	} else {
		r.absent(s, "is for measures", "aggregates", "clamp", "scale")
	}
	if !c.dimension {
		r.absent(s, "is for dimensions", "values")
	} else if v := s.vals["values"]; v != nil {
		r.domain(v, c)
	}
}

func (r *reader) absent(s section, why string, keys ...string) {
	for _, k := range keys {
		if s.vals[k] != nil {
			r.fail(s.keys[k], k+" "+why, "remove it, or change what it hangs on")
		}
	}
}

func (r *reader) measure(n *yaml.Node, s section, c *columnRule, mode outputMode) {
	allowed := aggregatesOf(mode)
	isAgg := func(s string) bool { return contains(allowed, s) }
	c.aggregates = r.texts(r.need(s, "aggregates", "aggregates: [sum, avg, count] names what may be computed"), "aggregates", isAgg, "with this output, aggregates are "+strings.Join(allowed, ", "))
	c.scale = int(r.integer(r.need(s, "scale", "scale: 2 keeps two decimal places; scale: 0 whole numbers"), "scale", 0, 18))
	r.clamp(r.need(s, "clamp", clampHint(mode)), c, mode)
	for _, made := range []string{"avg", "stddev"} {
		if r.err == nil && contains(c.aggregates, made) && !(contains(c.aggregates, "sum") && contains(c.aggregates, "count")) {
			r.fail(s.vals["aggregates"], made+" needs sum and count", "it tells as much as a sum and a count: write [sum, count, "+made+"]")
		}
	}
}

// aggregatesOf names what an owner may permit. Quantiles and spreads are no sums, so that neither the cells of a lattice nor
// releases with noise have them.
func aggregatesOf(mode outputMode) []string {
	if mode == outputGuardFree {
		return []string{"count", "sum", "avg", "stddev", "median", "quantile_cont"}
	}
	return []string{"count", "sum", "avg"}
}

func clampHint(mode outputMode) string {
	if mode == outputDP {
		return "clamp: [lowest, highest]: values outside count as the nearer end, and the noise is as wide as the clamp"
	}
	return "clamp: [lowest, highest]: rows outside are refused, so that nobody can poison a sum"
}

func (r *reader) clamp(n *yaml.Node, c *columnRule, mode outputMode) {
	bounds := r.items(n, "clamp")
	if r.err != nil {
		return
	}
	if len(bounds) != 2 {
		r.fail(n, "clamp must be [lowest, highest]", "write two plain decimals")
		return
	}
	c.clamp = [2]int64{r.scaled(bounds[0], c.scale), r.scaled(bounds[1], c.scale)}
	switch {
	case r.err != nil:
	case c.clamp[0] > c.clamp[1]:
		r.fail(n, "clamp is upside down", "write the lowest value first")
	case mode == outputDP && c.clamp == [2]int64{}:
		r.fail(n, "clamp leaves nothing but 0", "write the bounds that values are clamped to")
	}
}

// scaled reads a decimal as an exact integer of 10^-scale.
func (r *reader) scaled(n *yaml.Node, scale int) int64 {
	if r.err != nil {
		return 0
	}
	v, ok := int64(0), false
	if n.Kind == yaml.ScalarNode && n.Style == 0 {
		v, ok = scaleDecimal(n.Value, scale)
	}
	if !ok || v > maxClampAbs || v < -maxClampAbs {
		r.fail(n, "clamp must be plain decimals that fit the scale", "write digits, without exponent, with at most scale decimal places; up to 2^60 in units of the scale")
		return 0
	}
	return v
}

func scaleDecimal(s string, scale int) (int64, bool) {
	if !isDecimal(s) {
		return 0, false
	}
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > scale {
		return 0, false
	}
	v, err := strconv.ParseInt(whole+frac+strings.Repeat("0", scale-len(frac)), 10, 64)
	return v, err == nil
}

func (r *reader) domain(n *yaml.Node, c *columnRule) {
	items := r.items(n, "values")
	if len(items) > maxDomain {
		r.fail(n, "values has more than 4096 entries", "leave values out; then groups are named only where a cell of theirs is shown")
		return
	}
	seen := map[string]bool{}
	c.valuesAt = Pos{n.Line, n.Column}
	for _, v := range items {
		okTag := contains([]string{"!!str", "!!int", "!!bool", "!!timestamp", "!!float"}, v.Tag)
		switch {
		case v.Kind != yaml.ScalarNode || !okTag:
			r.fail(v, "values must be constants", "put text in quotes; NULL is never listed")
		case seen[v.Value]:
			r.fail(v, "value is there twice", "keep one of them")
		}
		if r.err != nil {
			return
		}
		seen[v.Value] = true
		c.values = append(c.values, scalar{text: v.Value, tag: v.Tag, at: Pos{v.Line, v.Column}})
	}
}

func (r *reader) unit(n *yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	s := r.section(n, "unit", "column", "rows_are_units", "domain")
	col := r.need(s, "column", "name the column that identifies a unit")
	p.unit = unitRule{column: r.text(col, "column")}
	if v := s.vals["rows_are_units"]; v != nil {
		p.unit.rowsAreUnits = r.boolean(v, "rows_are_units")
	}
	if v := s.vals["domain"]; v != nil {
		if p.unit.domain = r.text(v, "domain"); r.err == nil && !isDomain(p.unit.domain) {
			r.fail(v, "domain does not name an identity space", "write a name or party.name, as household or bank_a.customer; data sets whose identifiers mean the same units name the same one")
		}
	}
	if r.err != nil {
		return
	}
	p.unit.at = Pos{col.Line, col.Column}
	if c, ok := p.columns[fold(p.unit.column)]; !ok || !c.unit {
		r.fail(col, "the unit column has no role unit", "under columns, write "+p.unit.column+": {roles: [unit]}")
	}
	for _, k := range p.order {
		if c := p.columns[k]; c.unit && k != fold(p.unit.column) && r.err == nil {
			r.err = &SyntaxError{Pos: c.at, Msg: "a second unit column", Hint: "one data set has one unit"}
		}
	}
}

func (r *reader) guard(n *yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	s := r.section(n, "guard", "min_units", "contributors", "coalition", "affiliates", "rounding")
	g := &p.guard
	g.minUnits = r.integer(r.need(s, "min_units", "min_units: 10 hides cells of fewer units"), "min_units", 1, 1_000_000_000)
	if c := s.vals["contributors"]; c != nil {
		r.contributors(c, g)
		g.coalition = r.integer(r.need(s, "coalition", "coalition: 1 holds against any one contributor"), "coalition", 1, 8)
	} else {
		r.absent(s, "goes with contributors", "coalition", "affiliates")
	}
	if a := s.vals["affiliates"]; a != nil {
		for _, set := range r.items(a, "affiliates") {
			g.affiliates = append(g.affiliates, r.texts(set, "each of affiliates", isFingerprint, fingerprintHint))
			if r.err == nil && len(set.Content) < 2 {
				r.fail(set, "a group of affiliates has at least two", "list those who count as one, or remove the group")
			}
		}
	}
	if r.err != nil {
		return
	}
	if p.output == outputDP && s.vals["rounding"] == nil { // noise takes the place of rounding
		g.roundCount, g.valueDigits = 1, 15
		return
	}
	round := r.section(r.need(s, "rounding", "rounding: {count: 5, value_digits: 4}"), "rounding", "count", "value_digits")
	if r.err != nil {
		return
	}
	g.roundCount = r.integer(r.need(round, "count", "count: 5 rounds counts to multiples of 5"), "count", 1, 1_000_000)
	g.valueDigits = r.integer(r.need(round, "value_digits", "value_digits: 4 keeps four significant digits"), "value_digits", 1, 15)
}

func (r *reader) contributors(n *yaml.Node, g *guardRule) {
	s := r.section(n, "contributors", "min", "max_share_pct", "p_percent", "from")
	if r.err != nil {
		return
	}
	g.hasContributors = true
	g.minContributors = r.integer(r.need(s, "min", "min: 5 asks for five contributors to a cell"), "min", 1, 10_000)
	g.maxSharePct = r.integer(r.need(s, "max_share_pct", "max_share_pct: 50 hides cells of which one contributor has more than half"), "max_share_pct", 1, 100)
	g.pPercent = r.integer(r.need(s, "p_percent", "p_percent: 10 asks that the others add up to 10 % of the largest"), "p_percent", 0, 100)
	g.from = r.texts(r.need(s, "from", "from: [fingerprints] names the owners that you recognise as contributors"), "from", isFingerprint, fingerprintHint)
}

func (r *reader) valid(n *yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	s := r.section(n, "valid", "from", "until")
	p.from = r.date(r.need(s, "from", "from: 2026-01-01, the first day in force"), "from")
	p.until = r.date(r.need(s, "until", "until: 2027-01-01, the first day no longer in force"), "until")
	if r.err == nil && !p.from.Before(p.until) {
		r.fail(n, "valid ends before it begins", "until is the first day that is no longer in force")
	}
}

func (r *reader) date(n *yaml.Node, what string) time.Time {
	if r.err != nil || n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.DateOnly, n.Value)
	if n.Kind != yaml.ScalarNode || !isDate(n.Value) || err != nil {
		r.fail(n, what+" must be a date", "write it as 2026-01-01; it begins at midnight UTC")
		return time.Time{}
	}
	return t
}

func (r *reader) maxQueries(n *yaml.Node, p *Policy) {
	if r.err != nil {
		return
	}
	s := r.section(n, "max_queries", "per_analyst", "per_org", "period")
	p.quota.PerAnalyst = r.integer(r.need(s, "per_analyst", "per_analyst: 200"), "per_analyst", 1, 1_000_000_000)
	if v := s.vals["per_org"]; v != nil {
		p.quota.PerOrg = r.integer(v, "per_org", 1, 1_000_000_000)
	}
	p.quota.Period = r.days(r.need(s, "period", "period: 30d"), "period")
}

func (r *reader) standing(n *yaml.Node, p *Policy) {
	if n == nil || r.err != nil {
		return
	}
	for _, item := range r.items(n, "standing") {
		s := r.section(item, "standing", "analysts", "purposes", "until", "max_contracts", "max_queries_month", "even_if_replaced",
			"accredited_by", "max_queries_month_all", "outlives_accreditation")
		if r.err != nil {
			return
		}
		replaced := s.vals["even_if_replaced"]
		rule := StandingRule{
			Purposes:       r.texts(r.need(s, "purposes", "for which purposes"), "purposes", func(s string) bool { return contains(p.purposes, s) }, "a standing rule can't go past the policy's own purposes"),
			Until:          r.date(r.need(s, "until", "until when the rule grants"), "until"),
			MaxContracts:   r.integer(r.need(s, "max_contracts", "how many contracts it grants at most"), "max_contracts", 1, 1_000_000),
			MaxMonth:       r.optional(s, "max_queries_month", 1, 1_000_000_000),
			EvenIfReplaced: replaced != nil && r.boolean(replaced, "even_if_replaced"),
		}
		r.whose(item, s, &rule)
		p.standing = append(p.standing, rule)
	}
}

// whose reads whom a standing rule grants to: parties by name, or whoever a party accredits.
func (r *reader) whose(n *yaml.Node, s section, rule *StandingRule) {
	by := s.vals["accredited_by"]
	if by == nil {
		rule.Analysts = r.parties(r.need(s, "analysts", "whose contracts are granted, or accredited_by: who says that others are members"), "analysts")
		r.absent(s, "goes with accredited_by", "max_queries_month_all", "outlives_accreditation")
		return
	}
	if s.vals["analysts"] != nil {
		r.fail(n, "a standing rule has analysts and accredited_by", "write two rules")
		return
	}
	if rule.AccreditedBy = r.text(by, "accredited_by"); r.err == nil && !isFingerprint(rule.AccreditedBy) {
		r.fail(by, "accredited_by is no fingerprint", fingerprintHint)
	}
	rule.MaxMonthAll = r.optional(s, "max_queries_month_all", 1, 1_000_000_000)
	if v := s.vals["outlives_accreditation"]; v != nil {
		rule.OutlivesAccreditation = r.boolean(v, "outlives_accreditation")
	}
}
