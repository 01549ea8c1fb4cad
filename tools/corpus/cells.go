package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// fed is a row that feeds a release: of whom, of which unit, and for each aggregate whether it takes part and with what.
type fed struct {
	id    int // the same row has the same in all releases of one judgement
	owner string
	unit  string
	part  []bool
	value []float64
}

// shown is one value that a release lets out, with the rows that it is made of.
type shown struct {
	release *release
	agg     int
	key     string
	text    string
	value   float64
	rows    []*fed
}

// release is a release as the judge sees it: the rows by cell, and what was let out.
type release struct {
	node  policy.ReleaseNode
	rules rules
	args  []string // by aggregate: what it is of, in names of the data sets' columns
	cells map[string][]*fed
	bare  map[string][]*fed // without the clamp; nil where there is none
	keys  int
	shown []*shown
	seen  map[string]bool
	where string // for messages

	offers []string // of the data sets that are read
}

// rules are what a corpus assumes of the cells of some data sets, the strictest of all.
type rules struct {
	minUnits     int
	contributors bool
	min          int
	share, p     float64
	count        float64 // counts are multiples of it
	digits       int     // of values
	dp           bool
	epsilon      string // of one query, at most
	groups       int    // of one unit, at most
}

func (s *system) rulesOf(names []string) (rules, error) {
	r := rules{share: 100, digits: 99, count: 1}
	var failed error
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(cutBefore(text, " "), 64)
		if err != nil {
			failed = fmt.Errorf("not a number in the policies: %q", text)
		}
		return n
	}
	for _, n := range names {
		a := s.world.find(n)
		if a.dp != nil {
			if e := a.dp["epsilon_per_query_max"]; !r.dp || number(e) < number(r.epsilon) {
				r.epsilon = e
			}
			if g := int(number(a.dp["max_groups_per_unit"])); !r.dp || g < r.groups {
				r.groups = g
			}
			r.dp = true
			continue
		}
		r.minUnits = max(r.minUnits, int(number(a.minUnits)))
		r.count, r.digits = max(r.count, number(a.rounding["count"])), min(r.digits, int(number(a.rounding["value"])))
		if c := a.contributors; c != nil {
			r.contributors = true
			r.min, r.share, r.p = max(r.min, int(number(c.Min))), min(r.share, number(c.MaxSharePct)), max(r.p, number(c.PPercent))
		}
	}
	return r, failed
}

const nullKey = "\x01"

// ids numbers rows across the releases of one judgement.
type ids map[string]int

func (m ids) of(text string) int {
	if _, ok := m[text]; !ok {
		m[text] = len(m)
	}
	return m[text]
}

// releases recomputes, from the plain fixture alone, which rows feed each value that the releases of an outcome show.
func (s *system) releases(ctx context.Context, o *outcome, known ids, where string) ([]*release, error) {
	p := &printer{plan: o.plan}
	for _, src := range o.plan.Sources {
		p.names = append(p.names, s.setOf(src).name)
	}
	var out []*release
	for i, n := range o.plan.Program.Releases {
		r, err := s.release(ctx, p, n, known, out)
		if err != nil {
			return nil, err
		}
		if n.Mode == policy.ModeDP {
			bare, err := s.release(ctx, &printer{plan: p.plan, names: p.names, bare: true}, n, ids{}, out)
			if err != nil {
				return nil, err
			}
			r.bare = bare.cells
		}
		for _, name := range p.sourcesOf(n.From) {
			r.offers = append(r.offers, s.source(name).Offer)
		}
		r.where = fmt.Sprintf("%srelease %d", where, i)
		if err := r.take(o.released[i]); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *system) release(ctx context.Context, p *printer, n policy.ReleaseNode, known ids, before []*release) (*release, error) {
	r := &release{node: n, cells: map[string][]*fed{}, keys: len(n.Keys)}
	columns := p.columns(n.From)
	items := []string{"o", "u", "r"}
	key := func(x policy.Expr) {
		items = append(items, "CAST(CAST("+expr(x)+" AS "+sqlName(x.Type)+") AS VARCHAR)")
	}
	for _, k := range n.Keys {
		key(k.Expr)
	}
	within := 0
	if n.Within != nil {
		for _, k := range before[n.Within.Release].node.Keys {
			key(k.Expr)
			within++
		}
	}
	for _, a := range n.Aggs {
		r.args = append(r.args, "")
		value := "0.0::DOUBLE"
		if a.Arg != nil {
			r.args[len(r.args)-1] = resolved(*a.Arg, columns)
			value = number(*a.Arg, columns)
		}
		items = append(items, partSQL(a), "coalesce("+value+", 0)")
	}
	var err error
	if r.rules, err = s.rulesOf(p.sourcesOf(n.From)); err != nil {
		return nil, err
	}
	rows, err := s.plain.db.QueryContext(ctx, "SELECT "+strings.Join(items, ", ")+" FROM ("+p.step(n.From)+") s")
	if err != nil {
		return nil, fmt.Errorf("the judge can't recompute a release: %w", err)
	}
	defer rows.Close()
	var owner, unit, id string
	keys, parts, values := make([]*string, len(n.Keys)+within), make([]bool, len(n.Aggs)), make([]float64, len(n.Aggs))
	dest := []any{&owner, &unit, &id}
	for i := range keys {
		dest = append(dest, &keys[i])
	}
	for i := range parts {
		dest = append(dest, &parts[i], &values[i])
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		if n.Within != nil && !before[n.Within.Release].shows(joined(keys[len(n.Keys):]), n.Within.Agg) {
			continue
		}
		k := joined(keys[:len(n.Keys)])
		r.cells[k] = append(r.cells[k], &fed{id: known.of(id), owner: owner, unit: owner + "/" + unit, part: slices.Clone(parts), value: slices.Clone(values)})
	}
	return r, rows.Err()
}

func joined(keys []*string) string {
	out := make([]string, len(keys))
	for i, k := range keys {
		if out[i] = nullKey; k != nil {
			out[i] = *k
		}
	}
	return strings.Join(out, "\x00")
}

func (p *printer) sourcesOf(s policy.Step) (out []string) {
	if s.Op == policy.StepScan {
		for _, i := range p.plan.Program.Tables[s.Table].Sources {
			out = append(out, p.names[i])
		}
	}
	for _, in := range s.Inputs {
		out = append(out, p.sourcesOf(in)...)
	}
	return out
}

// take reads what was let out.
func (r *release) take(t *result.Table) error {
	r.seen = map[string]bool{}
	for _, row := range t.Rows {
		keys := make([]*string, r.keys)
		for i := range keys {
			if text, ok := row[i].Text(); ok {
				keys[i] = &text
			}
		}
		k := joined(keys)
		for j := range r.node.Aggs {
			text, ok := row[r.keys+j].Text()
			if !ok {
				continue
			}
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return err
			}
			c := &shown{release: r, agg: j, key: k, text: text, value: v}
			for _, f := range r.cells[k] {
				if f.part[j] {
					c.rows = append(c.rows, f)
				}
			}
			r.shown = append(r.shown, c)
			r.seen[strconv.Itoa(j)+" "+k] = true
		}
	}
	return nil
}

func (r *release) shows(key string, agg int) bool {
	return r.seen[strconv.Itoa(agg)+" "+key]
}

func (c *shown) op() policy.AggOp { return c.release.node.Aggs[c.agg].Op }

func (c *shown) String() string {
	key := strings.ReplaceAll(strings.ReplaceAll(c.key, "\x00", ", "), nullKey, "NULL")
	return fmt.Sprintf("%s: %s(%s) of cell (%s) shows %s", c.release.where, c.op(), c.release.args[c.agg], key, c.text)
}

// unsafe says what rule the rows break, if they were shown by an aggregate of that kind; "" is none.
func (r rules) unsafe(op policy.AggOp, agg int, rows []*fed) string {
	units, weights, total := map[string]bool{}, map[string]float64{}, 0.0
	for _, f := range rows {
		units[f.unit] = true
		w := 1.0
		if op == policy.AggSum {
			w = math.Abs(f.value[agg])
		}
		weights[f.owner] += w
		total += w
	}
	if len(units) < r.minUnits {
		return fmt.Sprintf("%d units, fewer than %d", len(units), r.minUnits)
	}
	if !r.contributors {
		return ""
	}
	var list []float64
	for _, w := range weights {
		list = append(list, w)
	}
	slices.Sort(list)
	n := len(list)
	switch {
	case n < r.min:
		return fmt.Sprintf("%d contributors, fewer than %d", n, r.min)
	case list[n-1]*100 > r.share*total*(1+1e-12):
		return fmt.Sprintf("one contributor has %.1f %%, more than %g", 100*list[n-1]/total, r.share)
	case n < 2 || (total-list[n-1]-list[n-2])*100 < r.p*list[n-1]*(1-1e-12):
		return fmt.Sprintf("the others do not make up %g %% of the largest contributor", r.p)
	}
	return ""
}

// truth is the exact value of what a cell shows.
func (c *shown) truth() float64 { return truth(c.release.node.Aggs[c.agg], c.agg, c.rows) }

// unclamped is the truth without the clamp.
func (c *shown) unclamped() float64 {
	var rows []*fed
	for _, f := range c.release.bare[c.key] {
		if f.part[c.agg] {
			rows = append(rows, f)
		}
	}
	return truth(c.release.node.Aggs[c.agg], c.agg, rows)
}

func truth(a policy.Agg, agg int, rows []*fed) float64 {
	switch a.Op {
	case policy.AggCountUnits:
		units := map[string]bool{}
		for _, f := range rows {
			units[f.unit] = true
		}
		return float64(len(units))
	case policy.AggSum:
		sum := 0.0
		for _, f := range rows {
			sum += f.value[agg]
		}
		return sum
	case policy.AggAvg:
		sum := 0.0
		for _, f := range rows {
			sum += f.value[agg]
		}
		return sum / float64(len(rows))
	case policy.AggQuantile:
		return quantile(a.Q, agg, rows)
	case policy.AggStddev:
		return deviation(agg, rows)
	}
	return float64(len(rows))
}

func quantile(at string, agg int, rows []*fed) float64 {
	var list []float64
	for _, f := range rows {
		list = append(list, f.value[agg])
	}
	slices.Sort(list)
	q, err := strconv.ParseFloat(at, 64)
	if len(list) == 0 || err != nil {
		return math.NaN()
	}
	place := q * float64(len(list)-1)
	i := int(place)
	if i+1 >= len(list) {
		return list[i]
	}
	return list[i] + (place-float64(i))*(list[i+1]-list[i])
}

func deviation(agg int, rows []*fed) float64 {
	n, mean, squares := float64(len(rows)), 0.0, 0.0
	for _, f := range rows {
		mean += f.value[agg] / n
	}
	for _, f := range rows {
		squares += (f.value[agg] - mean) * (f.value[agg] - mean)
	}
	return math.Sqrt(squares / (n - 1))
}
