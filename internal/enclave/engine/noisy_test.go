package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// withNoise is the market under differential privacy: customers of all owners are one identity space.
const withNoise = `
policy: 1
dataset: strikes
unit: {column: customer, domain: customer}
columns:
  customer: {roles: [unit]}
  size: {roles: [dimension, filter], values: [Large, Medium, Small]}
  phase: {roles: [dimension, filter]}
  cost: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1000], scale: 2}
  pax: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 100], scale: 0}
output: dp
guard: {min_units: 1, rounding: {count: 1, value_digits: 15}}
dp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 2, max_rows_per_unit: 2}
purposes: [safety]
analysts: [any]
operators: [` + outsider + `]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
timing: off
`

// spend replaces the epsilon of one query.
func (m *market) spend(epsilon string) *market {
	m.policy = strings.Replace(m.policy, "epsilon_max_query: 1,", "epsilon_max_query: "+epsilon+",", 1)
	m.policy = strings.Replace(m.policy, "epsilon: 10,", "epsilon: 500,", 1)
	return m
}

// exact leaves so little noise that what is behind it can be read.
const exact = "60"

func noisyMarket(rows ...[]row) *market {
	m := &market{policy: withNoise + "%.0s", schema: strikesSchema, rows: rows, request: func(r *policy.Request) { r.Encoding = policy.EncodingProgram }}
	return m
}

// person is a row of a customer.
func person(name, size, phase string, cost int64) row {
	return row{customer: &name, size: &size, phase: &phase, cost: &cost, pax: ptr(int64(1)), day: ptr("2026-01-01")}
}

// people are customers with a row each.
func people(prefix string, n int, size, phase string, cost int64) (out []row) {
	for i := range n {
		out = append(out, person(prefix+strconv.Itoa(i), size, phase, cost))
	}
	return out
}

func noiseKeys(plan *policy.Plan, round int) map[string][]byte {
	out := map[string][]byte{}
	for _, o := range plan.NoiseOffers() {
		k := sha256.Sum256([]byte(fmt.Sprint("noise key ", round, o)))
		out[o] = k[:]
	}
	return out
}

func (m *market) noisy(t testing.TB, sql string, round int) *result.Table {
	t.Helper()
	plan := m.compile(t, sql)
	return runNoisy(t, plan, m.files(t, plan), round)
}

func runNoisy(t testing.TB, plan *policy.Plan, files []string, round int) *result.Table {
	t.Helper()
	e := bind(t, files...)
	defer e.Close()
	if err := e.Noise(noiseKeys(plan, round)); err != nil {
		t.Fatal(err)
	}
	got, err := e.Run(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if got.Suppressed != 0 {
		t.Error("suppressed values:", got.Suppressed)
	}
	return got
}

func textOf(t *result.Table) string {
	var rows []string
	for _, r := range t.Rows {
		var cells []string
		for _, v := range r {
			text, ok := v.Text()
			if !ok {
				text = "NULL"
			}
			cells = append(cells, text)
		}
		rows = append(rows, strings.Join(cells, " "))
	}
	return strings.Join(rows, "; ")
}

// near compares numbers, by place, with a tolerance each.
func near(t *testing.T, name string, got *result.Table, tolerance float64, want ...string) {
	t.Helper()
	rows := strings.Split(textOf(got), "; ")
	if len(rows) != len(want) {
		t.Fatalf("%s: %q, want %q", name, rows, want)
	}
	for i, w := range want {
		g, w := strings.Fields(rows[i]), strings.Fields(w)
		for k := range w {
			x, err1 := strconv.ParseFloat(g[k], 64)
			y, err2 := strconv.ParseFloat(w[k], 64)
			if err1 != nil || err2 != nil {
				if g[k] != w[k] {
					t.Errorf("%s: %q, want %q", name, rows[i], want[i])
				}
			} else if math.Abs(x-y) > tolerance {
				t.Errorf("%s: %q, want %q", name, rows[i], want[i])
			}
		}
	}
}

func TestSameQuestionSameNoise(t *testing.T) {
	m := noisyMarket(people("a", 300, "Large", "Climb", 50000), people("b", 300, "Large", "Taxi", 50000))
	const first = "SELECT count(*), sum(cost) FROM pool.strikes WHERE size = 'Large' AND phase IN ('Climb', 'Taxi')"
	want := textOf(m.noisy(t, first, 1))
	for _, same := range []string{
		first,
		"SELECT count(*) AS n, sum(cost) AS s FROM pool.strikes WHERE phase IN ('Taxi', 'Climb', 'Taxi') AND size = 'Large'",
		"SELECT count(*), sum(cost) FROM pool.strikes WHERE 1 = 1 AND 'Large' = size AND phase IN ('Climb', 'Taxi')",
		"SELECT count(*), sum(cost) FROM (SELECT * FROM pool.strikes WHERE phase IN ('Climb', 'Taxi')) WHERE size IN ('Large')",
		"SELECT count(*), sum(cost) FROM pool.strikes WHERE (size = 'Large' AND 2 = 2) AND (phase IN ('Climb', 'Taxi') AND size = 'Large')",
	} {
		if got := textOf(m.noisy(t, same, 1)); got != want {
			t.Errorf("%s: %s, want %s", same, got, want)
		}
	}
	plan := m.compile(t, first)
	for _, other := range []string{
		"SELECT count(*), sum(cost) FROM pool.strikes WHERE size = 'Large' AND phase IN ('Climb', 'Taxi', 'x')",
		"SELECT count(*), sum(cost) FROM pool.strikes WHERE size = 'Large'",
		"SELECT count(*) FILTER (WHERE size = 'Large'), sum(cost) FROM pool.strikes WHERE phase IN ('Climb', 'Taxi')",
	} {
		p := m.compile(t, other)
		if p.Charges()[0].Release == plan.Charges()[0].Release {
			t.Errorf("%s has the noise of another question", other)
		}
	}
	if again := textOf(m.noisy(t, first, 2)); again == want {
		t.Error("other keys, same noise")
	}
}

// What a unit adds is bounded: each value, its sum in a group over all owners, its rows, and its groups.
func TestUnitsAreBounded(t *testing.T) {
	one := append(people("a", 100, "Large", "Climb", 10000), person("out", "Large", "Climb", 490_000_000))
	m := noisyMarket(one, nil).spend(exact)
	near(t, "outlier", m.noisy(t, "SELECT sum(cost) FROM pool.strikes WHERE phase = 'Climb'", 1), 400, "11000")
	low := noisyMarket(append(people("a", 100, "Large", "Climb", 10000), person("out", "Large", "Climb", -490_000_000))).spend(exact)
	near(t, "below", low.noisy(t, "SELECT sum(cost) FROM pool.strikes WHERE phase = 'Climb'", 1), 400, "10000")
	// A customer of both owners, with ten rows at each: one unit, one clamp, two rows.
	var many []row
	for range 10 {
		many = append(many, person("x", "Large", "Climb", 90000))
	}
	both := noisyMarket(append(many, people("a", 50, "Large", "Climb", 0)...), many).spend(exact)
	near(t, "joined", both.noisy(t, "SELECT count(*), count(DISTINCT customer), sum(cost) FROM pool.strikes WHERE phase = 'Climb'", 1), 600, "52 51 1000")
	got := both.noisy(t, "SELECT count(*), count(DISTINCT customer) FROM pool.strikes WHERE phase = 'Climb'", 1)
	near(t, "joined rows", got, 1.5, "52 51")
	// A customer of five groups counts in two of them.
	var wide []row
	for i := range 60 {
		for _, phase := range []string{"A", "B", "C", "D", "E"} {
			wide = append(wide, person(strconv.Itoa(i), "Large", phase, 100))
		}
	}
	got = noisyMarket(wide).spend(exact).noisy(t, "SELECT sum(n) FROM (SELECT phase, count(DISTINCT customer) AS n FROM pool.strikes WHERE phase IN ('A', 'B', 'C', 'D', 'E') GROUP BY phase)", 1)
	near(t, "groups", got, 5, "120")
	nulls := append(people("a", 40, "Large", "Climb", 20000), row{customer: ptr("n"), size: ptr("Large"), phase: ptr("Climb")}, row{size: ptr("Large"), phase: ptr("Climb"), cost: ptr(int64(1))})
	near(t, "null", noisyMarket(nulls).spend(exact).noisy(t, "SELECT count(cost), count(*) FROM pool.strikes WHERE phase = 'Climb'", 1), 1.5, "40 41")
	near(t, "mean", noisyMarket(nulls).spend(exact).noisy(t, "SELECT avg(cost) FROM pool.strikes WHERE phase = 'Climb'", 1), 30, "200")
}

func TestGroupsAreGivenOrSelected(t *testing.T) {
	rows := append(people("a", 2000, "Large", "Climb", 100), people("r", 5, "Medium", "Rare", 100)...)
	m := noisyMarket(rows)
	near(t, "selected", m.noisy(t, "SELECT phase, count(DISTINCT customer) FROM pool.strikes GROUP BY phase", 1), 60, "Climb 2000")
	near(t, "in WHERE", m.noisy(t, "SELECT phase, count(DISTINCT customer) FROM pool.strikes WHERE phase IN ('Climb', 'Rare', 'None') GROUP BY phase ORDER BY phase", 1), 40, "Climb 2000", "None 0", "Rare 5")
	near(t, "declared", m.noisy(t, "SELECT size, count(DISTINCT customer) FROM pool.strikes GROUP BY size ORDER BY size", 1), 40, "Large 2000", "Medium 5", "Small 0")
	near(t, "one of two", m.noisy(t, "SELECT size, phase, count(DISTINCT customer) FROM pool.strikes GROUP BY size, phase", 1), 60, "Large Climb 2000")
	near(t, "none", m.noisy(t, "SELECT count(DISTINCT customer) FROM pool.strikes WHERE phase = 'Nowhere'", 1), 40, "0")
	for i := range 8 {
		if n, _ := m.noisy(t, "SELECT count(DISTINCT customer) FROM pool.strikes WHERE phase = 'Nowhere'", i).Rows[0][0].Text(); strings.HasPrefix(n, "-") {
			t.Error("a count below 0")
		}
	}
}

// A value far below its bounds takes nothing of the unit's other rows, which are within them.
func TestRowsAreClampedBeforeTheyAreAdded(t *testing.T) {
	var rows []row
	for i := range 100 {
		name := strconv.Itoa(i)
		rows = append(rows, person(name, "Large", "Climb", 50000), person(name, "Large", "Climb", -90_000_000))
	}
	near(t, "sum", noisyMarket(rows).spend(exact).noisy(t, "SELECT sum(cost) FROM pool.strikes WHERE phase = 'Climb'", 1), 600, "50000")
}

// A row whose key has no canonical text is not there: a date before the calendar, which under other rules ends the job.
func TestKeyWithoutText(t *testing.T) {
	m := noisyMarket(append(people("a", 1000, "Large", "Climb", 100), row{customer: ptr("z"), size: ptr("Large"), phase: ptr("Climb"), day: ptr("0000-01-01")})).spend(exact)
	m.policy = strings.Replace(m.policy, "  cost:", "  day: {roles: [dimension, filter]}\n  cost:", 1)
	got := m.noisy(t, "SELECT day, count(DISTINCT customer) FROM pool.strikes GROUP BY day", 1)
	near(t, "days", got, 3, "2026-01-01 1000")
}

// No value of a row ends the job, as it does under other rules: that would tell that it is there.
func TestNoRowIsRefused(t *testing.T) {
	rows := people("a", 200, "Large", "Climb", 100)
	rows = append(rows, person("bad", "Huge", "Climb", 1<<50), row{customer: ptr("worse"), size: ptr("Large"), phase: ptr("Climb"), cost: ptr(int64(-1 << 50)), pax: ptr(int64(1) << 62)})
	rows = append(rows, row{customer: ptr("nobody's size"), phase: ptr("Climb"), cost: ptr(int64(1)), pax: ptr(int64(0))}) // NULL where the offer has none
	m := noisyMarket(rows).spend(exact)
	near(t, "size", m.noisy(t, "SELECT size, count(DISTINCT customer) FROM pool.strikes GROUP BY size ORDER BY size", 1), 2, "Large 201", "Medium 0", "Small 0")
	near(t, "pax", m.noisy(t, "SELECT sum(pax) FROM pool.strikes", 1), 60, "301")
}

func TestNoiseKeysAreRequired(t *testing.T) {
	m := noisyMarket(people("a", 20, "Large", "Climb", 100), people("b", 20, "Large", "Climb", 100))
	plan := m.compile(t, "SELECT count(*) FROM pool.strikes")
	files := m.files(t, plan)
	all := noiseKeys(plan, 1)
	if len(all) != 2 {
		t.Fatal("keys:", len(all))
	}
	_, err := bind(t, files...).Run(context.Background(), plan)
	wantCode(t, err, CodePlan)
	for offer := range all {
		some := noiseKeys(plan, 1)
		delete(some, offer)
		e := bind(t, files...)
		if err := e.Noise(some); err != nil {
			t.Fatal(err)
		}
		_, err := e.Run(context.Background(), plan)
		wantCode(t, err, CodePlan)
		some[offer] = make([]byte, 32) // never set
		e = bind(t, files...)
		if err := e.Noise(some); err != nil {
			t.Fatal(err)
		}
		_, err = e.Run(context.Background(), plan)
		wantCode(t, err, CodePlan)
		some[offer] = make([]byte, 31)
		wantCode(t, bind(t, files...).Noise(some), CodePlan)
	}
	_, err = bind(t, small(t), small(t)).Run(context.Background(), plan)
	wantCode(t, err, CodePlan) // before a file is looked at
	e := bind(t, files...)
	if err := e.Noise(all); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(context.Background(), plan); err != nil || e.noise != nil {
		t.Error("it fails, or keeps its keys:", err)
	}
	wantCode(t, e.Noise(all), CodeSetup)
}

// draws answers the first release of a query again and again, each time with other keys: from the scan on, in one engine.
func (m *market) draws(t *testing.T, sql string, first, runs int) (out [][][]float64) {
	t.Helper()
	plan := m.compile(t, sql)
	e := bind(t, m.files(t, plan)...)
	p, err := newProgram(e, plan)
	if err != nil {
		t.Fatal(err)
	}
	for i := range runs {
		if err := e.Noise(noiseKeys(plan, first+i)); err != nil {
			t.Fatal(err)
		}
		n := &noising{releasing: &releasing{program: p, node: plan.Program.Releases[0]}}
		for _, do := range []func(context.Context) error{n.open, n.scan, n.table} {
			if err := do(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		var rows [][]float64
		for _, values := range n.values {
			var row []float64
			for _, text := range values {
				x, err := strconv.ParseFloat(*text, 64)
				if err != nil {
					t.Fatal(err)
				}
				row = append(row, x)
			}
			rows = append(rows, row)
		}
		out = append(out, rows)
	}
	return out
}

// The answers to a count and a sum have the variance of the scale that the plan says: 2 scale². 10^3 runs with other keys; a
// standard error is 7 %.
func TestNoiseHasItsScale(t *testing.T) {
	const runs = 1000
	m := noisyMarket(people("a", 500, "Large", "Climb", 50000)) // one row each, 500.00
	var sum, squares [2]float64
	truth := [2]float64{500, 250000}
	scale := [2]float64{2 / 0.5, 1000 / 0.5} // one group; two rows, or 1000.00; half of epsilon 1
	for _, rows := range m.draws(t, "SELECT count(*), sum(cost) FROM pool.strikes WHERE phase = 'Climb'", 0, runs) {
		for k, x := range rows[0] {
			x = (x - truth[k]) / scale[k]
			sum[k], squares[k] = sum[k]+x, squares[k]+x*x
		}
	}
	for k := range sum {
		mean, variance := sum[k]/runs, squares[k]/runs
		if math.Abs(mean) > 5*math.Sqrt(2.0/runs) || math.Abs(variance-2) > 5*math.Sqrt(20.0/runs) {
			t.Errorf("aggregate %d: mean %.3f and variance %.3f in units of the scale, want 0 and 2", k, mean, variance)
		}
	}
}

// One unit more or less, with rows, groups and values far over its bounds, makes no set of answers likelier than exp(epsilon)
// times what it is without: 10^3 runs each, for thresholds of the sum of all groups, with 5 standard errors.
func TestOneUnitHides(t *testing.T) {
	const runs, epsilon = 1000, 1.0
	base := people("a", 20, "Large", "A", 0)
	loud := base
	for _, phase := range []string{"A", "B", "C", "D", "E", "F"} {
		for range 6 {
			loud = append(loud, person("loud", "Large", phase, 1<<40))
		}
	}
	const sql = "SELECT phase, count(*), sum(cost) FROM pool.strikes WHERE phase IN ('A', 'B', 'C', 'D', 'E', 'F') GROUP BY phase"
	var answers [2][][2]float64
	for side, rows := range [][]row{base, loud} {
		for _, table := range noisyMarket(rows).draws(t, sql, runs*side, runs) {
			var all [2]float64
			for _, row := range table {
				for k := range all {
					all[k] += row[k]
				}
			}
			answers[side] = append(answers[side], all)
		}
	}
	for k, steps := range [2][]float64{{20, 30, 40, 60, 80}, {0, 2000, 4000, 8000, 16000}} {
		for _, at := range steps {
			for _, above := range []bool{true, false} {
				var p [2]float64
				for side := range answers {
					for _, x := range answers[side] {
						if (x[k] > at) == above {
							p[side] += 1.0 / runs
						}
					}
				}
				for side := range p {
					q := p[1-side]
					slack := 5 * (math.Sqrt(p[side]*(1-p[side])/runs) + math.Exp(epsilon)*math.Sqrt(q*(1-q)/runs) + 2.0/runs)
					if p[side] > math.Exp(epsilon)*q+slack {
						t.Errorf("aggregate %d above %v: %v, at %g: %.3f against %.3f", k, above, side, at, p[side], q)
					}
				}
			}
		}
	}
}
