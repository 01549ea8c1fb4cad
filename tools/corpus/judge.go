package main

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// verdict is what the judge says of one query.
type verdict struct {
	ID     string   `json:"id"`
	Class  string   `json:"class"`
	Expect string   `json:"expect"`
	Passed bool     `json:"passed"`
	How    string   `json:"how"`              // refused, or ran
	Reason string   `json:"reason,omitempty"` // why it failed, or the refusal
	Notes  []string `json:"notes,omitempty"`  // what is no failure and yet worth reading
	SQL    string   `json:"sql"`

	answer *result.Table
}

func (v *verdict) fail(format string, args ...any) {
	if v.Passed {
		v.Passed, v.Reason = false, fmt.Sprintf(format, args...)
	}
}

// judge holds what all verdicts are made from.
type judge struct {
	system *system
	ask    func(context.Context, line) *outcome // the system, or in a test one that lies
	tell   func(done, all int)
}

// one is a query with its outcome and the rows behind it.
type one struct {
	line
	*outcome
	*verdict
	releases []*release
	ids      ids
}

// all judges the queries by themselves, then those classes whose queries belong together.
func (j *judge) all(ctx context.Context, lines []line) ([]*verdict, error) {
	var out []*verdict
	var together []*one
	for i, l := range lines {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		o, err := j.one(ctx, l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.ID, err)
		}
		out = append(out, o.verdict)
		if l.Class == "differencing" || l.Class == "noise-averaging" {
			together = append(together, o)
		}
		j.tell(i+1, len(lines))
	}
	averaging(together)
	return out, j.differencing(ctx, together)
}

func (j *judge) one(ctx context.Context, l line) (*one, error) {
	o := &one{line: l, outcome: j.ask(ctx, l), ids: ids{}}
	o.verdict = &verdict{ID: l.ID, Class: l.Class, Expect: l.Expect, SQL: l.SQL, Passed: true, How: "ran"}
	switch {
	case o.refusal != nil:
		o.How, o.Reason = "refused", o.refusal.Error()
		if l.Expect == "allow" {
			o.fail("it was %v", o.refusal) // "refused by rule ..."
		}
		return o, nil
	case l.Expect == "deny":
		o.fail("it was accepted")
		return o, nil
	case o.failure != nil:
		o.fail("the engine failed: %v", o.failure)
		return o, nil
	case l.Expect == "allow" && len(o.table.Rows) == 0:
		o.fail("the answer has no row")
	case l.Expect != "allow" && l.Expect != "suppress":
		o.fail("the corpus expects %q, which means nothing here", l.Expect)
	}
	o.answer = o.table
	return o, j.look(ctx, o)
}

// look judges what an answer shows: each value of each release, what the values say of each other, and the answer itself.
func (j *judge) look(ctx context.Context, o *one) (err error) {
	if o.plan.Program == nil || len(o.plan.Program.Releases) != len(o.released) {
		o.fail("the plan holds no program")
		return nil
	}
	if o.releases, err = j.system.releases(ctx, o.outcome, o.ids, ""); err != nil {
		o.fail("the judge can't recompute it: %v", err)
		return ctx.Err()
	}
	for _, r := range o.releases {
		if r.rules.dp || r.node.Mode == policy.ModeDP {
			j.noisy(ctx, o, r)
			continue
		}
		for _, c := range r.shown {
			o.value(c)
		}
		o.complements(r)
	}
	o.margins(o.releases, o.releases, withinOne)
	o.planted()
	return j.compare(ctx, o)
}

// value judges one shown value by the rows that it is made of.
func (o *one) value(c *shown) {
	r := c.release.rules
	if why := r.unsafe(c.op(), c.agg, c.rows); why != "" {
		o.fail("%v: %s", c, why)
	}
	truth, tolerance := c.truth(), 1e-9
	switch c.op() {
	case policy.AggCount, policy.AggCountUnits, policy.AggCountValue:
		tolerance = r.count
		if math.Mod(c.value, r.count) != 0 {
			o.fail("%v: not rounded to %g", c, r.count)
		}
	default:
		tolerance = math.Abs(truth) * math.Pow10(1-r.digits)
		if significant(c.text) > r.digits {
			o.fail("%v: more than %d digits", c, r.digits)
		}
	}
	if math.IsNaN(truth) || math.Abs(c.value-truth) > tolerance {
		o.fail("%v: not the value of the rows that it is made of", c)
	}
}

// significant counts the digits of a number without leading and closing zeros.
func significant(text string) int {
	text = strings.ToLower(text)
	text = strings.TrimLeft(strings.Replace(strings.TrimPrefix(cutBefore(text, "e"), "-"), ".", "", 1), "0")
	return len(strings.TrimRight(text, "0"))
}

// complements: where a row shows the whole beside parts of it, what is left over is a cell, too.
func (o *one) complements(r *release) {
	rows := map[string][]*shown{}
	for _, c := range r.shown {
		rows[c.key] = append(rows[c.key], c)
	}
	for _, row := range rows {
		for _, whole := range row {
			var parts []*shown
			for _, c := range row {
				if c != whole && family(c) == family(whole) && len(c.rows) < len(whole.rows) {
					parts = append(parts, c)
					o.rest(whole, []*shown{c}, byThreshold)
				}
			}
			if len(parts) > 1 {
				o.rest(whole, parts, byThreshold)
			}
		}
	}
}

// family is what can be added and subtracted with each other: counts of rows, or sums of one thing.
func family(c *shown) string {
	switch c.op() {
	case policy.AggCount, policy.AggCountValue:
		return "rows"
	case policy.AggSum:
		return "sum " + c.release.args[c.agg]
	}
	return string(c.op()) + " " + c.release.args[c.agg]
}

// told says how near a difference may come to a hidden value: within one query, exactly equal is too near, and so is the
// nearness at which the policies' own p% rule calls a value told. From two queries, the difference must be had exactly, so
// one that rounding brings about by chance is a note.
type told int

const (
	byThreshold told = iota // what is left must be safe, whatever it is worth
	withinOne
	fromTwo
)

// rest judges what a whole leaves beside disjoint parts of it.
func (o *one) rest(whole *shown, parts []*shown, t told) {
	in := map[int]bool{}
	for _, f := range whole.rows {
		in[f.id] = true
	}
	used, sum, exact := 0, 0.0, close(whole.value, whole.truth())
	for _, p := range parts {
		if !inside(p.rows, in) {
			continue
		}
		for _, f := range p.rows {
			in[f.id] = false
		}
		used, sum, exact = used+1, sum+p.value, exact && close(p.value, p.truth())
	}
	var left []*fed
	for _, f := range whole.rows {
		if in[f.id] {
			left = append(left, f)
		}
	}
	if used == 0 || len(left) == 0 {
		return
	}
	rules := whole.release.rules
	why := rules.unsafe(whole.op(), whole.agg, left)
	if why == "" {
		return
	}
	got, want := whole.value-sum, truth(whole.release.node.Aggs[whole.agg], whole.agg, left)
	near := math.Abs(got-want) <= math.Abs(want)*rules.p/100
	says := fmt.Sprintf("%v: minus %d parts that are shown as well it gives %g, and what is left is %g: %s", whole, used, got, want, why)
	switch {
	case t == byThreshold:
		o.fail("%v beside parts of it: of what is left, %s", whole, why)
	case t == withinOne && (near || close(got, want)), t == fromTwo && exact && close(got, want):
		o.fail("%s", says)
	case near || close(got, want):
		o.Notes = append(o.Notes, says)
	}
}

func close(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

// inside reports whether rows are all still in a set. No rows are inside nothing.
func inside(rows []*fed, in map[int]bool) bool {
	for _, f := range rows {
		if !in[f.id] {
			return false
		}
	}
	return len(rows) > 0
}

// margins: what a release shows, minus the cells within it that another shows, must not give a hidden one.
func (o *one) margins(wholes, parts []*release, t told) {
	for _, r := range wholes {
		for _, c := range r.shown {
			if r.rules.dp || c.op() == policy.AggCountUnits || c.op() == policy.AggQuantile || c.op() == policy.AggStddev {
				continue
			}
			for _, s := range parts {
				if s == r {
					continue
				}
				byAgg := map[int][]*shown{}
				for _, d := range s.shown {
					if family(d) == family(c) {
						byAgg[d.agg] = append(byAgg[d.agg], d)
					}
				}
				for _, list := range byAgg {
					o.rest(c, list, t)
				}
			}
		}
	}
}

// cohorts are the planted groups that no rule lets be shown, by the words that stand for them. Of G71 noise may be shown.
var cohorts = []string{"ISLES", "yacht", "S12", "K040", "vip"}

// planted looks at the answer alone: a row that names a planted cohort shows no number.
func (o *one) planted() {
	for _, row := range o.table.Rows {
		name, numbers, hidden := "", 0, 0
		for i, v := range row {
			text, ok := v.Text()
			if slices.Contains(cohorts, text) && o.table.Columns[i].Type == "varchar" {
				name = text
			}
			if o.table.Columns[i].Type.Numeric() {
				numbers++
				if !ok {
					hidden++
				}
			}
		}
		if name != "" && (numbers == 0 || hidden < numbers) {
			o.fail("the answer has a row of %s", name)
		}
	}
}

// noisy judges a release of data that differential privacy protects.
func (j *judge) noisy(ctx context.Context, o *one, r *release) {
	if r.node.Mode != policy.ModeDP || r.node.DP == nil {
		o.fail("%s: differential privacy is asked for, and not given", r.where)
		return
	}
	o.charged(r)
	for _, c := range r.shown {
		units := map[string]bool{}
		for _, f := range c.rows {
			units[f.unit] = true
		}
		named := len(r.node.Keys) > 0
		for _, k := range r.node.Keys {
			named = named && len(k.Values) > 0
		}
		if len(units) <= 5 && r.keys > 0 && !named && !o.names(c.key) {
			o.fail("%v: the cell has %d units, and there it is", c, len(units))
		}
		if whole := c.unclamped(); !close(whole, c.truth()) && math.Abs(c.value-whole) < math.Abs(c.value-c.truth()) {
			o.fail("%v: it is nearer to the value without the clamp", c)
		}
	}
	if o.Passed && len(r.shown) > 0 && allExact(r) && j.alwaysExact(ctx, o) {
		o.fail("%s: no noise", r.where)
	}
}

// charged: every data set that the release reads is charged what its epsilon is worth, and all releases of the query together take
// no more than the strictest policy lets one take.
func (o *one) charged(r *release) {
	total := new(big.Rat)
	for _, n := range o.plan.Program.Releases {
		if n.DP != nil {
			e, ok := new(big.Rat).SetString(n.DP.Epsilon)
			if !ok {
				e = new(big.Rat)
			}
			total.Add(total, e)
		}
	}
	if most, ok := new(big.Rat).SetString(r.rules.epsilon); !ok || total.Cmp(most) > 0 {
		o.fail("%s: the query takes epsilon %s, more than %s", r.where, total.RatString(), r.rules.epsilon)
	}
	if int64(r.rules.groups) < r.node.DP.MaxGroupsPerUnit {
		o.fail("%s: a unit counts in %d groups, more than %d", r.where, r.node.DP.MaxGroupsPerUnit, r.rules.groups)
	}
	e, ok := new(big.Rat).SetString(r.node.DP.Epsilon)
	if !ok || e.Sign() <= 0 {
		o.fail("%s: nothing is charged", r.where)
		return
	}
	rho := e.Mul(e, e).Quo(e, big.NewRat(2, 1)).RatString()
	for _, offer := range r.offers {
		if !slices.ContainsFunc(o.charges(), func(c policy.Charge) bool { return c.Offer == offer && c.Rho == rho && c.Epsilon == r.node.DP.Epsilon }) {
			o.fail("%s: nothing is charged to %s", r.where, offer)
		}
	}
}

// names reports whether the query itself names a part of a key: then its cell is no news.
func (o *one) names(key string) bool {
	return slices.ContainsFunc(strings.Split(key, "\x00"), func(k string) bool { return strings.Contains(o.line.SQL, "'"+k+"'") })
}

func allExact(r *release) bool {
	return !slices.ContainsFunc(r.shown, func(c *shown) bool { return !close(c.value, c.truth()) })
}

// alwaysExact asks again, as noise may be none by chance.
func (j *judge) alwaysExact(ctx context.Context, o *one) bool {
	defer func() { j.system.round = 0 }()
	for i := range 4 {
		j.system.round = i + 1 // with the same keys it would be the same noise
		again := j.ask(ctx, o.line)
		if !again.ran() {
			return false
		}
		list, err := j.system.releases(ctx, again, ids{}, "")
		if err != nil || slices.ContainsFunc(list, func(r *release) bool { return !allExact(r) }) {
			return false
		}
	}
	return true
}

// compare runs the query as it was written on the plain fixture. That an answer is far from it is a note: it may add up fewer
// groups than there are.
func (j *judge) compare(ctx context.Context, o *one) error {
	raw, err := j.system.plain.raw(ctx, o.line.SQL)
	if err != nil {
		o.Notes = append(o.Notes, "raw, the query fails on the fixture: "+err.Error())
		return nil
	}
	if o.line.Expect != "allow" {
		return nil
	}
	far, cells := 0, 0
	for _, p := range aligned(o.table, raw) {
		cells++
		if math.Abs(p.got-p.raw) > math.Max(0.02*math.Abs(p.raw), 6) {
			far++
		}
	}
	hidden := 0
	for _, row := range o.table.Rows {
		hidden += count(row, result.Value.IsSuppressed)
	}
	if far > 0 || hidden > 0 || len(o.table.Rows) < len(raw.rows) {
		o.Notes = append(o.Notes, fmt.Sprintf("%d of %d rows, %d values hidden, %d of %d values more than 2 %% from the raw ones", len(o.table.Rows), len(raw.rows), hidden, far, cells))
	}
	return nil
}

func count(row []result.Value, is func(result.Value) bool) (n int) {
	for _, v := range row {
		if is(v) {
			n++
		}
	}
	return n
}

var pairID = regexp.MustCompile(`^(.*)([ab])$`).FindStringSubmatch
