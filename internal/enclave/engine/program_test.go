package engine

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

// guardFree is the market under a policy that takes any query of the grammar: customers are the units.
const guardFree = `
policy: 1
dataset: strikes
unit: {column: customer}
columns:
  customer: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Medium, Small]}
  phase: {roles: [dimension, filter]}
  day: {roles: [dimension, filter], grain: month}
  cost: {roles: [measure], aggregates: [sum, avg, count, stddev, median, quantile_cont], clamp: [-50000, 200000], scale: 2, bins: [0, 5000]}
  pax: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1000000000000], scale: 0}
output: guard-free
guard: {min_units: 10, contributors: {min: 5, max_share_pct: 50, p_percent: 10, from: [%s]}, coalition: 1, rounding: {count: 5, value_digits: 4}}
purposes: [safety]
analysts: [any]
operators: [` + outsider + `]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

func newFreeMarket(owners int, seed uint64) *market {
	m := newMarket(owners, seed)
	m.policy = guardFree
	m.request = func(r *policy.Request) { r.Encoding = policy.EncodingProgram }
	return m
}

// counted is one row as an independent count sees it.
type countedRow struct {
	owner int
	unit  string
	key   []privacy.Value
	row   row
}

// asked is an aggregate as an independent count computes it: of the rows that take, unless they are left out of the whole.
type asked struct {
	op    policy.AggOp
	take  func(row) bool   // nil: all
	value func(row) *int64 // nil: rows
	scale int
}

// released computes an aggregate by hand: contributions by owner in Go, and the rule by package privacy, which has tests of
// its own against another account of it.
func (a asked) released(t *testing.T, rows []countedRow, owners int) map[string]*big.Int {
	t.Helper()
	type part struct {
		units      map[string]bool
		value, abs *big.Int
	}
	type cell struct {
		key         []privacy.Value
		parts, rest map[int]*part
	}
	cells := map[string]*cell{}
	for _, r := range rows {
		id := identity(r.key)
		if cells[id] == nil {
			cells[id] = &cell{r.key, map[int]*part{}, map[int]*part{}}
		}
		took := a.take == nil || a.take(r.row)
		v := ptr(int64(1))
		if a.value != nil {
			v = a.value(r.row)
		}
		into := cells[id].parts
		switch {
		case v == nil && a.op == policy.AggCountValue, v != nil && !took:
			into = cells[id].rest
		case v == nil:
			continue
		}
		p := into[r.owner]
		if p == nil {
			p = &part{map[string]bool{}, new(big.Int), new(big.Int)}
			into[r.owner] = p
		}
		p.units[r.unit] = true
		n := big.NewInt(1)
		if a.op == policy.AggSum {
			n = big.NewInt(*v)
		}
		p.value.Add(p.value, n)
		p.abs.Add(p.abs, new(big.Int).Abs(n))
	}
	b := privacy.Base{Kind: privacy.Count}
	if a.op == policy.AggSum {
		b.Kind = privacy.Sum
	}
	var ids []string
	for id, c := range cells {
		out := privacy.Cell{Key: []privacy.Value{{Text: id}}} // one margin, the total
		add := func(to *[]privacy.Part, parts map[int]*part) {
			for o, p := range parts {
				if a.op == policy.AggCountUnits {
					if took := c.parts[o]; took != nil && took != p { // who is in the count is not missing from it
						for u := range took.units {
							delete(p.units, u)
						}
					}
					p.value = big.NewInt(int64(len(p.units)))
					p.abs = p.value
				}
				*to = append(*to, privacy.Part{Owner: o, Units: int64(len(p.units)), Value: p.value, Weight: p.abs})
			}
		}
		add(&out.Parts, c.parts)
		add(&out.Complement, c.rest)
		b.Cells, ids = append(b.Cells, out), append(ids, id)
	}
	l := privacy.Lists{Owners: owners}
	for o := range owners {
		l.Recognised = append(l.Recognised, o)
	}
	parties, err := privacy.NewParties(l)
	if err != nil {
		t.Fatal(err)
	}
	released, err := privacy.Protect(airlines, parties, b)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*big.Int{}
	for i, id := range ids {
		if v, ok := released.Value(i); ok && len(b.Cells[i].Parts) > 0 {
			out[id] = v
		}
	}
	return out
}

// rowsBy lists the rows that have a unit and pass, with their keys.
func (m *market) rowsBy(pass func(row) bool, keyOf func(row) []privacy.Value) (out []countedRow) {
	for o, rows := range m.rows {
		for _, r := range rows {
			if r.customer != nil && (pass == nil || pass(r)) {
				out = append(out, countedRow{o, *r.customer, keyOf(r), r})
			}
		}
	}
	return out
}

func keysOf(parts ...func(row) (privacy.Value, bool)) func(row) []privacy.Value {
	return func(r row) []privacy.Value {
		out := []privacy.Value{}
		for _, p := range parts {
			v, _ := p(r)
			out = append(out, v)
		}
		return out
	}
}

func large(r row) bool { return *r.size == "Large" }
func dear(r row) bool  { return r.cost != nil && *r.cost >= 500_000 }

// compare checks a result of keys and then aggregates, cell by cell, and that no row is there beside.
func compare(t *testing.T, name string, got *result.Table, rows []countedRow, owners int, keys int, aggs []asked) {
	t.Helper()
	var want []map[string]*big.Int
	for _, a := range aggs {
		want = append(want, a.released(t, rows, owners))
	}
	seen := map[string]bool{}
	for _, r := range got.Rows {
		key := make([]privacy.Value, keys)
		for i := range key {
			text, _ := r[i].Text()
			key[i] = privacy.Value{Null: r[i].IsNull(), Text: text}
		}
		id := identity(key)
		seen[id] = true
		for j, a := range aggs {
			text, shown := r[keys+j].Text()
			w := want[j][id]
			switch {
			case shown != (w != nil):
				t.Errorf("%s: %v aggregate %d shown: %v, want %v", name, key, j, shown, w)
			case shown && text != result.FormatDecimal(w, a.scale):
				t.Errorf("%s: %v aggregate %d is %s, want %s", name, key, j, text, result.FormatDecimal(w, a.scale))
			}
		}
	}
	for j := range aggs {
		for id := range want[j] {
			if !seen[id] {
				t.Errorf("%s: a cell is missing: %q", name, id)
			}
		}
	}
}

// The engine's answers to programs are those of counting by hand in Go: conditions are cells of their own, with their complements.
func TestProgramsAgainstCountingByHand(t *testing.T) {
	count, units := asked{op: policy.AggCount}, asked{op: policy.AggCountUnits}
	cases := []struct {
		name, sql string
		pass      func(row) bool
		keys      []func(row) (privacy.Value, bool)
		aggs      []asked
	}{
		{"counts", "SELECT phase, count(*), count(DISTINCT customer) FROM pool.strikes GROUP BY phase", nil, []func(row) (privacy.Value, bool){byPhase}, []asked{count, units}},
		{"two keys", "SELECT size, phase, count(*), sum(pax) FROM pool.strikes GROUP BY size, phase", nil, []func(row) (privacy.Value, bool){bySize, byPhase},
			[]asked{count, {op: policy.AggSum, value: paxOf}}},
		{"condition", "SELECT phase, count(*) FILTER (WHERE size = 'Large'), sum(CASE WHEN size = 'Large' THEN cost END), count(cost) FROM pool.strikes GROUP BY phase", nil,
			[]func(row) (privacy.Value, bool){byPhase}, []asked{{op: policy.AggCount, take: large}, {op: policy.AggSum, take: large, value: costOf, scale: 2}, {op: policy.AggCountValue, value: costOf}}},
		{"bin", "SELECT phase, count_if(cost >= 5000), count(DISTINCT CASE WHEN cost >= 5000 THEN customer END) FROM pool.strikes GROUP BY phase", nil,
			[]func(row) (privacy.Value, bool){byPhase}, []asked{{op: policy.AggCount, take: dear}, {op: policy.AggCountUnits, take: dear}}},
		{"where", "SELECT phase, count(*), sum(cost) FROM pool.strikes WHERE size = 'Large' GROUP BY phase", large, []func(row) (privacy.Value, bool){byPhase},
			[]asked{count, {op: policy.AggSum, value: costOf, scale: 2}}},
		{"nothing grouped", "SELECT count(*), sum(cost) FROM pool.strikes WHERE size = 'Large'", large, nil, []asked{count, {op: policy.AggSum, value: costOf, scale: 2}}},
		{"product", "SELECT size, sum(cost * pax) FROM pool.strikes GROUP BY size", nil, []func(row) (privacy.Value, bool){bySize}, nil},
	}
	shown, hidden := 0, int64(0)
	for seed := range uint64(4) {
		m := newFreeMarket(9, seed)
		for _, c := range cases {
			got := m.run(t, c.sql)
			compare(t, fmt.Sprintf("%s (seed %d)", c.name, seed), got, m.rowsBy(c.pass, keysOf(c.keys...)), len(m.rows), len(c.keys), c.aggs)
			shown, hidden = shown+len(got.Rows), hidden+got.Suppressed
		}
	}
	if shown < 50 || hidden < 50 {
		t.Errorf("%d rows shown and about %d cells hidden: the test shows too little", shown, hidden)
	}
}

// Sums and counts of each unit are what further aggregates are of; the guard is on units all the same.
func TestEntitiesAgainstCountingByHand(t *testing.T) {
	m := newFreeMarket(9, 3)
	got := m.run(t, "WITH per AS (SELECT customer, sum(cost) AS spent, count(*) AS n FROM pool.strikes GROUP BY customer) SELECT count(*), sum(spent), sum(n), count_if(spent >= 5000) FROM per")
	type unit struct {
		owner int
		id    string
	}
	sums, counts := map[unit]*int64{}, map[unit]int64{}
	for o, rows := range m.rows {
		for _, r := range rows {
			if r.customer == nil {
				continue
			}
			u := unit{o, *r.customer}
			counts[u]++
			if _, ok := sums[u]; !ok {
				sums[u] = nil
			}
			if r.cost != nil {
				if sums[u] == nil {
					sums[u] = ptr(int64(0))
				}
				*sums[u] += *r.cost
			}
		}
	}
	var rows []countedRow
	for u, s := range sums {
		rows = append(rows, countedRow{u.owner, u.id, []privacy.Value{}, row{cost: s, pax: ptr(counts[u])}})
	}
	compare(t, "entities", got, rows, len(m.rows), 0, []asked{{op: policy.AggCount}, {op: policy.AggSum, value: costOf, scale: 2}, {op: policy.AggSum, value: paxOf}, {op: policy.AggCount, take: dear}})
	if len(got.Rows) != 1 || got.Suppressed > 5 {
		t.Errorf("%d rows, %d suppressed: the test shows too little", len(got.Rows), got.Suppressed)
	}
}

// Quantiles and deviations are those of the rows of all owners together, rounded.
func TestSpreadAgainstCountingByHand(t *testing.T) {
	m := newFreeMarket(9, 5)
	got := m.run(t, "SELECT size, median(cost), quantile_cont(cost, 0.9), stddev(cost) FROM pool.strikes GROUP BY size")
	shown := 0
	for _, r := range got.Rows {
		size, _ := r[0].Text()
		var all []float64
		for _, rows := range m.rows {
			for _, x := range rows {
				if x.customer != nil && *x.size == size && x.cost != nil {
					all = append(all, float64(*x.cost)/100)
				}
			}
		}
		sort.Float64s(all)
		at := func(q float64) float64 {
			i := q * float64(len(all)-1)
			lo := math.Floor(i)
			return all[int(lo)] + (i-lo)*(all[int(math.Ceil(i))]-all[int(lo)])
		}
		mean, sq := 0.0, 0.0
		for _, x := range all {
			mean += x / float64(len(all))
		}
		for _, x := range all {
			sq += (x - mean) * (x - mean)
		}
		for i, want := range []float64{at(0.5), at(0.9), math.Sqrt(sq / float64(len(all)-1))} {
			text, ok := r[i+1].Text()
			if !ok {
				continue
			}
			shown++
			have, err := strconv.ParseFloat(text, 64)
			if err != nil || math.Abs(have-want) > math.Abs(want)*0.0006 {
				t.Errorf("%s: column %d is %s, want about %g", size, i+1, text, want)
			}
			if short, _ := strconv.ParseFloat(strconv.FormatFloat(have, 'e', 3, 64), 64); short != have {
				t.Errorf("%s: column %d has more than four digits: %s", size, i+1, text)
			}
		}
	}
	if shown == 0 {
		t.Error("nothing was shown")
	}
}

// A total is of the cells that are shown: it is their sum where it adds up, and the units of their rows alone where it does not.
func TestTotalsAreOfShownCells(t *testing.T) {
	m := newFreeMarket(9, 1)
	got := m.run(t, "SELECT phase, count(*) AS n, count(DISTINCT customer) AS u, grouping(phase) AS g FROM pool.strikes GROUP BY ROLLUP (phase)")
	rows := m.rowsBy(nil, keysOf(byPhase))
	units := asked{op: policy.AggCountUnits}.released(t, rows, len(m.rows))
	var inShown []countedRow
	for _, r := range rows {
		if units[identity(r.key)] != nil {
			r.key = []privacy.Value{}
			inShown = append(inShown, r)
		}
	}
	wantUnits := asked{op: policy.AggCountUnits}.released(t, inShown, len(m.rows))[identity(nil)]
	sum, totals, hidden := int64(0), 0, 0
	for _, r := range got.Rows {
		n, nShown := r[1].Text()
		g, _ := r[3].Text()
		v, _ := strconv.ParseInt(n, 10, 64)
		if g == "0" {
			sum += v
			continue
		}
		totals++
		u, _ := r[2].Text()
		if !nShown || v != sum || wantUnits == nil || u != wantUnits.String() {
			t.Errorf("total %s of %d, units %s of %v", n, sum, u, wantUnits)
		}
	}
	for _, r := range rows {
		if units[identity(r.key)] == nil {
			hidden++
		}
	}
	if totals != 1 || hidden == 0 {
		t.Errorf("%d totals, %d rows in hidden cells: the test shows too little", totals, hidden)
	}
}

// pair is two data sets of different owners over one identity space.
const pairPolicy = `
policy: 1
dataset: %s
unit: {column: customer, domain: person}
columns:
  customer: {roles: [unit]}
  size: {roles: [dimension, filter]}
  phase: {roles: [dimension, filter]}
  cost: {roles: [measure], aggregates: [sum, avg, count], clamp: [-50000, 200000], scale: 2, bins: [0, 5000]}
output: guard-free
joins: [{with: %s, on: [customer], kind: [inner, left, outer], trust: partner-honest}]
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [safety]
analysts: [any]
operators: [` + outsider + `]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

func (m *market) runPair(t *testing.T, sql string) *result.Table {
	t.Helper()
	names := []string{"shop", "media"}
	req := policy.Request{SQL: sql, Encoding: policy.EncodingProgram, Requester: outsider, Recipients: []string{outsider}, Purpose: "safety", At: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	for o, n := range names {
		p, err := policy.Parse([]byte(fmt.Sprintf(pairPolicy, "strikes", names[1-o]+".strikes")))
		if err != nil {
			t.Fatal(err)
		}
		schema := slices.DeleteFunc(slices.Clone(m.schema), func(c policy.Column) bool { return c.Name == "pax" || c.Name == "day" })
		req.Tables = append(req.Tables, policy.Table{Name: n + ".strikes", Members: []policy.Source{{
			Owner: fingerprint(o), OwnerName: n, Dataset: "strikes", Version: "v1", Offer: fmt.Sprintf("sha256:%064x", o+1), Schema: schema, Policy: p}}})
	}
	plan, err := policy.Compile(req)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, s := range plan.Sources {
		o := slices.IndexFunc(names, func(n string) bool { return s.Owner == fingerprint(slices.Index(names, n)) })
		paths = append(paths, memFile(t, parquetBytes(t, columnsOf(m.rows[o], s.Columns)...)))
	}
	got, err := bind(t, paths...).Run(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Joins pair rows of one unit; the thresholds are on units, however many pairs there are.
func TestJoinsAgainstCountingByHand(t *testing.T) {
	for seed := range uint64(3) {
		m := newMarket(2, seed)
		m.rows[1] = slices.DeleteFunc(m.rows[1], func(r row) bool { return r.customer != nil && len(*r.customer) == 2 && *r.customer > "3" }) // half of them are not seen
		got := m.runPair(t, "SELECT m.size, count(*), count(DISTINCT s.customer), sum(s.cost) FROM shop.strikes s JOIN media.strikes m ON s.customer = m.customer GROUP BY m.size")
		var inner, left []countedRow
		for _, s := range m.rows[0] {
			if s.customer == nil {
				continue
			}
			found := false
			for _, v := range m.rows[1] {
				if v.customer != nil && *v.customer == *s.customer {
					found = true
					inner = append(inner, countedRow{0, *s.customer, []privacy.Value{{Text: *v.size}}, s})
				}
			}
			group := "seen"
			if !found {
				group = "unseen"
			}
			left = append(left, countedRow{0, *s.customer, []privacy.Value{{Text: group}}, s})
		}
		comparePair(t, "inner", got, inner, []asked{{op: policy.AggCount}, {op: policy.AggCountUnits}, {op: policy.AggSum, value: costOf, scale: 2}})
		got = m.runPair(t, `WITH seen AS (SELECT DISTINCT customer FROM media.strikes)
			SELECT CASE WHEN e.customer IS NULL THEN 'unseen' ELSE 'seen' END AS g, count(*), count(DISTINCT s.customer), sum(s.cost)
			FROM shop.strikes s LEFT JOIN seen e ON s.customer = e.customer GROUP BY g`)
		comparePair(t, "left", got, left, []asked{{op: policy.AggCount}, {op: policy.AggCountUnits}, {op: policy.AggSum, value: costOf, scale: 2}})
	}
}

// Sums of one unit over different rows of one data set stand side by side.
func TestEntitiesOfOneDataSetSideBySide(t *testing.T) {
	m := newMarket(2, 1)
	got := m.runPair(t, `WITH a AS (SELECT customer, sum(cost) AS spent FROM shop.strikes GROUP BY customer), b AS (SELECT customer, count(*) AS n FROM shop.strikes WHERE size = 'Large' GROUP BY customer)
		SELECT 'all' AS g, count(*), sum(spent), sum(n) FROM a JOIN b ON a.customer = b.customer`)
	all, largest := map[string]*int64{}, map[string]int64{}
	for _, r := range m.rows[0] {
		if r.customer == nil {
			continue
		}
		if r.cost != nil {
			if all[*r.customer] == nil {
				all[*r.customer] = ptr(int64(0))
			}
			*all[*r.customer] += *r.cost
		}
		if large(r) {
			largest[*r.customer]++
		}
	}
	var rows []countedRow
	for u, n := range largest {
		rows = append(rows, countedRow{0, u, []privacy.Value{{Text: "all"}}, row{cost: all[u], pax: ptr(n)}})
	}
	comparePair(t, "side by side", got, rows, []asked{{op: policy.AggCount}, {op: policy.AggSum, value: costOf, scale: 2}, {op: policy.AggSum, value: paxOf}})
}

// comparePair is compare under the pair's guard: units alone.
func comparePair(t *testing.T, name string, got *result.Table, rows []countedRow, aggs []asked) {
	t.Helper()
	old := airlines
	airlines = privacy.Rules{MinUnits: 10, RoundCount: 5, ValueDigits: 4}
	defer func() { airlines = old }()
	compare(t, name, got, rows, 1, 1, aggs)
	if len(got.Rows) == 0 {
		t.Errorf("%s: nothing is shown", name)
	}
}

// A source whose rows break its own offer ends the job, and says no more than that.
func TestProgramsRefuseDishonestRows(t *testing.T) {
	for name, spoil := range map[string]func(*row){
		"above the clamp": func(r *row) { r.cost = ptr(int64(20_000_001)) },
		"below the clamp": func(r *row) { r.cost = ptr(int64(-5_000_001)) },
		"domain":          func(r *row) { r.size = ptr("Huge") },
		"null":            func(r *row) { r.size = nil },
	} {
		m := newFreeMarket(9, 2)
		m.rows[4][0].customer = ptr("x")
		spoil(&m.rows[4][0])
		for _, sql := range []string{
			"SELECT size, sum(cost) FROM pool.strikes GROUP BY size",
			"SELECT phase, count(*) FILTER (WHERE size = 'Large'), sum(cost) FROM pool.strikes GROUP BY phase",
			"SELECT sum(cost) FROM pool.strikes WHERE coalesce(size, 'none') <> 'Tiny'",
			"SELECT size, sum(c) FROM (SELECT customer, size, sum(cost) AS c FROM pool.strikes GROUP BY customer, size) GROUP BY size",
		} {
			plan := m.compile(t, sql)
			if _, err := bind(t, m.files(t, plan)...).Run(context.Background(), plan); err != (Error{CodeInput}) {
				t.Errorf("%s: %v: %s", name, err, sql)
			}
		}
	}
}

// What stands above the releases is computed from shown cells alone.
func TestResultsOverReleasedTables(t *testing.T) {
	m := newFreeMarket(9, 1)
	plain := m.run(t, "SELECT phase, count(*) AS n FROM pool.strikes GROUP BY phase ORDER BY n DESC")
	ranked := m.run(t, "WITH t AS (SELECT phase, count(*) AS n FROM pool.strikes GROUP BY phase) SELECT phase, n, row_number() OVER (ORDER BY n DESC) AS r, sum(n) OVER () AS total, lag(n) OVER (ORDER BY n DESC) AS before FROM t ORDER BY r")
	if len(plain.Rows) < 3 || len(plain.Rows) != len(ranked.Rows) {
		t.Fatalf("%d and %d rows", len(plain.Rows), len(ranked.Rows))
	}
	total := int64(0)
	for _, r := range plain.Rows {
		n, _ := r[1].Text()
		v, _ := strconv.ParseInt(n, 10, 64)
		total += v
	}
	for i, r := range ranked.Rows {
		if place, _ := r[2].Text(); place != strconv.Itoa(i+1) {
			t.Errorf("row %d is in place %s", i, place)
		}
		if sum, _ := r[3].Text(); sum != strconv.FormatInt(total, 10) {
			t.Errorf("total %s, want %d", sum, total)
		}
		if i > 0 {
			before, _ := r[4].Text()
			if n, _ := ranked.Rows[i-1][1].Text(); n != before {
				t.Errorf("before %s, want %s", before, n)
			}
		}
	}
	both := m.run(t, "WITH a AS (SELECT phase, count(*) AS n FROM pool.strikes GROUP BY phase), g AS (SELECT sum(n) AS total FROM a) SELECT a.phase, a.n / g.total AS share FROM a CROSS JOIN g ORDER BY share DESC LIMIT 2")
	if len(both.Rows) != 2 {
		t.Errorf("%d rows, want 2", len(both.Rows))
	}
	union := m.run(t, "SELECT 'a' AS x, count(*) AS n FROM pool.strikes WHERE size IN ('Small', 'Medium') UNION ALL SELECT 'b', count(*) FROM pool.strikes WHERE size = 'Large' ORDER BY x")
	if x, _ := union.Rows[1][0].Text(); len(union.Rows) != 2 || x != "b" {
		t.Errorf("union gives %v", union.Rows)
	}
}

// A program that has another engine's paths, or a mode that this engine has no rules for, is refused before a row is read.
func TestProgramsThatCantRun(t *testing.T) {
	m := newFreeMarket(9, 1)
	plan := m.compile(t, "SELECT phase, count(*) FROM pool.strikes GROUP BY phase")
	files := m.files(t, plan)
	if _, err := bind(t, files[:8]...).Run(context.Background(), plan); err != (Error{CodePlan}) {
		t.Error("a source is missing:", err)
	}
	changed := *plan
	program := *plan.Program
	program.Releases = slices.Clone(program.Releases)
	changed.Program = &program
	for _, mode := range []policy.Mode{"trust", policy.ModeDP} {
		program.Releases[0].Mode = mode
		if _, err := bind(t, files...).Run(context.Background(), &changed); err != (Error{CodePlan}) {
			t.Error(mode, err)
		}
	}
}

// Text that DuckDB would read as something else than was printed never runs.
func TestProgramTextIsRechecked(t *testing.T) {
	m := newFreeMarket(9, 1)
	plan := m.compile(t, "SELECT phase, sum(cost) FROM pool.strikes GROUP BY phase")
	prepared := func(paths []string) *Engine {
		e := bind(t, paths...)
		if err := e.Prepare(context.Background(), plan); err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := prepared(m.files(t, plan))
	text := plan.ReleaseText(0, e.paths)
	for name, sql := range map[string]string{
		"another aggregate": strings.Replace(text.SQL(), `"sums_`, `"max_`, 1),
		"another field":     strings.Replace(text.SQL(), `'s0'`, `'n0'`, 1),
		"a condition less":  strings.Replace(text.SQL(), " WHERE ", " WHERE true OR ", 1),
		"another column":    strings.Replace(text.SQL(), `"cost"`, `"phase"`, 1),
	} {
		got, err := e.serialised(context.Background(), "json_serialize_sql", sql)
		if err != nil {
			t.Fatal(name, err)
		}
		if text.Recheck(got) == nil {
			t.Errorf("%s passes", name)
		}
	}
	bound := func(e *Engine, paths []string) []byte {
		got, err := e.serialised(context.Background(), "json_serialize_plan", plan.ReleaseText(0, paths).SQL())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if err := text.RecheckPlan(bound(e, e.paths)); err != nil {
		t.Fatal("its own plan does not pass: ", err)
	}
	swapped := slices.Clone(e.paths)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	if text.RecheckPlan(bound(e, swapped)) == nil {
		t.Error("files in another order pass")
	}
	var typed []string
	for _, rows := range m.rows {
		columns := columnsOf(rows, plan.Sources[0].Columns)
		for i := range columns {
			if c := &columns[i]; c.name == "phase" {
				c.typ, c.values = arrow.PrimitiveTypes.Int64, slices.Repeat([]string{"1"}, len(c.values))
			}
		}
		typed = append(typed, memFile(t, parquetBytes(t, columns...)))
	}
	if e := prepared(typed); plan.ReleaseText(0, e.paths).RecheckPlan(bound(e, e.paths)) == nil {
		t.Error("a column of another type passes")
	}
}
