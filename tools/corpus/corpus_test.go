package main

import (
	"bytes"
	"context"
	"io"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

const (
	policiesFile = "testdata/policies.yaml"
	fixtureFile  = "../../policy/testdata/corpus-fixture.sql"
	queriesFile  = "../../policy/testdata/queries-dev.jsonl"
)

var shared = sync.OnceValues(func() (*system, error) {
	policies, err := os.ReadFile(policiesFile)
	if err != nil {
		return nil, err
	}
	fixture, err := os.ReadFile(fixtureFile)
	if err != nil {
		return nil, err
	}
	return newSystem(context.Background(), policies, string(fixture))
})

func theSystem(t *testing.T) *system {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quiet(int, int) {}

func corpusLines(t *testing.T) []line {
	t.Helper()
	src, err := os.ReadFile(queriesFile)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := readLines(src)
	if err != nil || len(lines) < 286 {
		t.Fatal("not the corpus:", len(lines), err)
	}
	return lines
}

func TestCorpus(t *testing.T) {
	s := theSystem(t)
	verdicts, err := (&judge{system: s, ask: s.ask, tell: quiet}).all(context.Background(), corpusLines(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range verdicts {
		if !v.Passed {
			t.Errorf("%s (%s): %s\n   %s", v.ID, v.Expect, v.Reason, v.SQL)
		}
	}
}

// asked is a query's real outcome, and a judge that is shown what a test makes of it.
func asked(t *testing.T, sql, expect string) (*judge, *outcome, line) {
	t.Helper()
	s := theSystem(t)
	l := line{ID: "t", Class: "test", SQL: sql, Expect: expect}
	o := s.ask(context.Background(), l)
	if !o.ran() {
		t.Fatal("the query does not run:", o.refusal, o.failure)
	}
	return &judge{system: s, ask: func(context.Context, line) *outcome { return o }, tell: quiet}, o, l
}

// wantFailure judges, and wants that failure; before the lie, the query must have passed.
func wantFailure(t *testing.T, sql, expect, reason string, lie func(*outcome)) {
	t.Helper()
	j, o, l := asked(t, sql, expect)
	before, err := j.one(context.Background(), l)
	if err != nil || !before.Passed {
		t.Fatal("it fails before the lie:", before.Reason, err)
	}
	lie(o)
	after, err := j.one(context.Background(), l)
	if err != nil {
		t.Fatal(err)
	}
	if after.Passed || !strings.Contains(after.Reason, reason) {
		t.Errorf("passed %v with reason %q, want %q", after.Passed, after.Reason, reason)
	}
}

func values(texts ...string) (out []result.Value) {
	for _, s := range texts {
		if s == "" {
			out = append(out, result.Suppressed())
		} else {
			out = append(out, result.Of(s))
		}
	}
	return out
}

func TestJudgeFindsLies(t *testing.T) {
	const regions = "SELECT region, count(*) AS n FROM pool.loans GROUP BY region"
	row := func(texts ...string) func(*outcome) {
		return func(o *outcome) { o.released[0].Rows = append(o.released[0].Rows, values(texts...)) }
	}
	for _, tc := range []struct {
		name, sql, expect, reason string
		lie                       func(*outcome)
	}{
		{"small cell", regions, "suppress", "8 units, fewer than 10", row("ISLES", "10")},
		{"cell that is not there", regions, "suppress", "0 units", row("NOWHERE", "0")},
		{"planted cohort in the answer alone", regions, "suppress", "the answer has a row of ISLES", func(o *outcome) { o.table.Rows = append(o.table.Rows, values("ISLES", "10")) }},
		{"bare planted group", "SELECT campaign FROM media.views GROUP BY campaign", "suppress", "the answer has a row of vip", func(o *outcome) { o.table.Rows = append(o.table.Rows, values("vip")) }},
		{"one contributor", "SELECT product, count(*) FROM pool.loans GROUP BY product", "suppress", "1 contributors, fewer than 3", row("yacht", "40")},
		{"dominated sum", "SELECT product, sum(balance) FROM pool.loans GROUP BY product", "suppress", "one contributor has", row("agri", "9231000.00")},
		{"rows without a unit", "SELECT sku, count(*) FROM retailer.sales GROUP BY sku", "suppress", "6 units, fewer than 25", row("K040", "5")},
		{"fan-out", "SELECT s.store, count(*) AS n FROM retailer.sales s JOIN media.views v ON s.household_id = v.household_id GROUP BY s.store", "suppress", "8 units, fewer than 25", row("S12", "85")},
		{"not rounded", regions, "suppress", "not rounded to 5", func(o *outcome) { o.released[0].Rows[0] = values("CENTRAL", "1324") }},
		{"too many digits", "SELECT sum(balance) FROM pool.loans WHERE product = 'sme'", "allow", "more than 4 digits", func(o *outcome) { o.released[0].Rows[0] = values("50107123.00") }},
		{"not the value", regions, "suppress", "not the value", func(o *outcome) { o.released[0].Rows[0] = values("CENTRAL", "4000") }},
		{"complement", "SELECT sum(balance) AS t, sum(CASE WHEN region <> 'ISLES' THEN balance ELSE 0 END) AS rest FROM pool.loans", "suppress", "beside parts of it",
			func(o *outcome) { o.released[0].Rows[0] = values("221900000.00", "221600000.00") }},
		{"no row", regions, "allow", "no row", func(o *outcome) { o.table.Rows = nil }},
		{"engine failure", regions, "allow", "the engine failed", func(o *outcome) { o.failure = io.ErrUnexpectedEOF }},
		{"engine failure where suppression would do", regions, "suppress", "the engine failed", func(o *outcome) { o.failure = io.ErrUnexpectedEOF }},
		{"refused", regions, "allow", "it was unexpected EOF", func(o *outcome) { o.refusal = io.ErrUnexpectedEOF }},
		{"releases kept back", regions, "suppress", "holds no program", func(o *outcome) { o.released = nil }},
	} {
		t.Run(tc.name, func(t *testing.T) { wantFailure(t, tc.sql, tc.expect, tc.reason, tc.lie) })
	}
}

func TestAcceptedDenyFails(t *testing.T) {
	j, o, l := asked(t, "SELECT count(*) FROM pool.loans", "deny")
	for name, change := range map[string]func(){"ran": func() {}, "engine refused": func() { o.failure = io.ErrUnexpectedEOF }, "no row": func() { o.failure, o.table.Rows = nil, nil }} {
		change()
		v, err := j.one(context.Background(), l)
		if err != nil || v.Passed || v.Reason != "it was accepted" {
			t.Errorf("%s: passed %v, %q, %v", name, v.Passed, v.Reason, err)
		}
	}
	o.refusal = io.ErrUnexpectedEOF
	if v, err := j.one(context.Background(), l); err != nil || !v.Passed {
		t.Error("a refusal fails:", v.Reason, err)
	}
}

// reveal makes the releases show exact values of all cells but those of a key.
func reveal(t *testing.T, s *system, o *outcome, but string) {
	t.Helper()
	list, err := s.releases(context.Background(), o, ids{}, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		o.released[i].Rows = nil
		for key, rows := range r.cells {
			texts := strings.Split(key, "\x00")
			if r.keys == 0 {
				texts = nil
			}
			any := false
			for j, a := range r.node.Aggs {
				c := &shown{release: r, agg: j, key: key}
				for _, f := range rows {
					if f.part[j] {
						c.rows = append(c.rows, f)
					}
				}
				if key == but {
					texts = append(texts, "")
					continue
				}
				any = true
				_, scale, _ := a.Type().Decimal()
				texts = append(texts, strconv.FormatFloat(c.truth(), 'f', scale, 64))
			}
			if any {
				o.released[i].Rows = append(o.released[i].Rows, values(texts...))
			}
		}
	}
}

// A total that is not of the shown cells alone gives the one that is hidden.
func TestMarginLeaks(t *testing.T) {
	const sql = "WITH t AS (SELECT store, sum(amount) AS s FROM retailer.sales GROUP BY store), g AS (SELECT sum(amount) AS s FROM retailer.sales) SELECT t.store, t.s, g.s AS total FROM t CROSS JOIN g"
	j, o, l := asked(t, sql, "suppress")
	reveal(t, j.system, o, "S12")
	it := &one{line: l, outcome: o, verdict: &verdict{Passed: true}}
	list, err := j.system.releases(context.Background(), o, ids{}, "")
	if err != nil {
		t.Fatal(err)
	}
	if it.margins(list, list, withinOne); it.Passed || !strings.Contains(it.Reason, "8 units") {
		t.Error("passed", it.Passed, it.Reason)
	}
	// The same total beside all stores but two.
	var kept []*shown
	for _, c := range list[0].shown {
		if c.key != "S11" {
			kept = append(kept, c)
		}
	}
	list[0].shown, it.verdict = kept, &verdict{Passed: true}
	if it.margins(list, list, withinOne); !it.Passed || len(kept) != 10 {
		t.Error("two hidden stores, safe together:", it.Reason)
	}
}

// Near is too near where the policies have a p% rule, within one query; from two it is a note.
func TestMarginToWithinP(t *testing.T) {
	known := ids{}
	var sides [][]*release
	for _, q := range []struct{ sql, shows string }{
		{"SELECT sum(balance) FROM pool.loans", "221900000.00"}, {"SELECT sum(balance) FROM pool.loans WHERE product <> 'yacht'", "211100000.00"},
	} {
		j, o, _ := asked(t, q.sql, "suppress")
		o.released[0].Rows = [][]result.Value{values(q.shows)}
		list, err := j.system.releases(context.Background(), o, known, "")
		if err != nil {
			t.Fatal(err)
		}
		sides = append(sides, list)
	}
	it := &one{verdict: &verdict{Passed: true}}
	if it.margins(sides[0], sides[1], fromTwo); !it.Passed || len(it.Notes) != 1 {
		t.Error("from two queries:", it.Passed, it.Notes)
	}
	if it.margins(sides[0], sides[1], withinOne); it.Passed || !strings.Contains(it.Reason, "what is left is 1.078e+07: 1 contributors") {
		t.Error("within one query:", it.Passed, it.Reason)
	}
}

func pairOfSales(t *testing.T, class string) (*judge, []line, map[string]*outcome) {
	t.Helper()
	s := theSystem(t)
	lines := []line{
		{ID: "p-1a", Class: class, Expect: "suppress", SQL: "SELECT sum(amount) FROM retailer.sales"},
		{ID: "p-1b", Class: class, Expect: "suppress", SQL: "SELECT sum(amount) FROM retailer.sales WHERE store <> 'S12'"},
	}
	known := map[string]*outcome{}
	for _, l := range lines {
		known[l.ID] = s.ask(context.Background(), l)
		if !known[l.ID].ran() {
			t.Fatal(known[l.ID].refusal, known[l.ID].failure)
		}
	}
	return &judge{system: s, ask: func(_ context.Context, l line) *outcome { return known[l.ID] }, tell: quiet}, lines, known
}

func TestPairLeaks(t *testing.T) {
	j, lines, known := pairOfSales(t, "differencing")
	verdicts, err := j.all(context.Background(), lines)
	if err != nil || !verdicts[0].Passed || !verdicts[1].Passed {
		t.Fatal("the pair fails as it is:", err)
	}
	side := func(id string) *one {
		l := lines[0]
		if id == lines[1].ID {
			l = lines[1]
		}
		return &one{line: l, outcome: known[id], verdict: &verdict{Passed: true}}
	}
	t.Run("answers alone", func(t *testing.T) {
		a, b := side("p-1a"), side("p-1b")
		for _, o := range []*one{a, b} {
			raw, err := j.system.plain.raw(context.Background(), o.line.SQL)
			if err != nil {
				t.Fatal(err)
			}
			o.table.Rows[0] = values(*raw.rows[0][0])
		}
		if err := j.answers(context.Background(), a, b, false); err != nil || b.Passed {
			t.Error("not found:", err)
		}
		if b = side("p-1b"); j.answers(context.Background(), a, b, true) != nil || !b.Passed {
			t.Error("a difference that is safe to show fails")
		}
	})
	t.Run("releases", func(t *testing.T) {
		reveal(t, j.system, known["p-1a"], "-")
		reveal(t, j.system, known["p-1b"], "-")
		b := side("p-1b")
		if err := j.pair(context.Background(), side("p-1a"), b); err != nil || b.Passed {
			t.Error("not found:", err)
		}
	})
	t.Run("one refused", func(t *testing.T) {
		known["p-1b"].refusal = io.ErrUnexpectedEOF
		a, b := side("p-1a"), side("p-1b")
		if err := j.differencing(context.Background(), []*one{a, b}); err != nil || !a.Passed || !b.Passed {
			t.Error("fails:", a.Reason, b.Reason, err)
		}
	})
}

func TestAveragingFails(t *testing.T) {
	_, lines, known := pairOfSales(t, "noise-averaging")
	var all []*one
	for _, l := range lines {
		all = append(all, &one{line: l, outcome: known[l.ID], verdict: &verdict{Passed: true}})
	}
	known["p-1a"].table.Rows[0], known["p-1b"].table.Rows[0] = values("5.00"), values("5.00")
	if averaging(all); !all[0].Passed || !all[1].Passed {
		t.Error("one answer for both fails")
	}
	known["p-1b"].table.Rows[0] = values("6.00")
	if averaging(all); all[0].Passed || all[1].Passed {
		t.Error("two answers, nothing charged: passes")
	}
}

// Of noise, two answers may differ if each is charged.
func TestAveragingOfNoise(t *testing.T) {
	s := theSystem(t)
	var all []*one
	for i, sql := range []string{"SELECT count(*) FROM pool.patients WHERE sex = 'F'", "SELECT count(*) FROM pool.patients WHERE NOT (sex <> 'F')"} {
		l := line{ID: "n-" + strconv.Itoa(i), Class: "noise-averaging", SQL: sql, Expect: "suppress"}
		all = append(all, &one{line: l, outcome: s.ask(context.Background(), l), verdict: &verdict{Passed: true}})
	}
	if numbers(all[0].table) == numbers(all[1].table) {
		t.Fatal("the two have one answer, which shows nothing")
	}
	if averaging(all); !all[0].Passed || !all[1].Passed {
		t.Error("two answers, both charged: fails")
	}
	all[1].charge = func() []policy.Charge { return nil }
	if averaging(all); all[0].Passed || all[1].Passed {
		t.Error("two answers, one of them free: passes")
	}
}

// rule changes what a plan says of the noise of its only release.
func rule(o *outcome, change func(*policy.DPRule)) {
	plan, program := *o.plan, *o.plan.Program
	program.Releases = append([]policy.ReleaseNode{}, program.Releases...)
	d := *program.Releases[0].DP
	change(&d)
	program.Releases[0].DP = &d
	plan.Program, o.plan = &program, &plan
}

func TestNoiseIsJudged(t *testing.T) {
	const sql = "SELECT diagnosis, count(*) AS n FROM pool.patients GROUP BY diagnosis"
	for _, tc := range []struct {
		name, reason string
		lie          func(*outcome)
	}{
		{"noise", "", func(*outcome) {}},
		{"none charged", "nothing is charged", func(o *outcome) { o.charge = func() []policy.Charge { return nil } }},
		{"one owner is not charged", "nothing is charged", func(o *outcome) {
			list := o.plan.Charges()
			o.charge = func() []policy.Charge { return list[:1] }
		}},
		{"too cheap", "nothing is charged", func(o *outcome) {
			list := o.plan.Charges()
			for i := range list {
				list[i].Rho = "1/200"
			}
			o.charge = func() []policy.Charge { return list }
		}},
		{"too much epsilon", "more than 1", func(o *outcome) { rule(o, func(d *policy.DPRule) { d.Epsilon = "2" }) }},
		{"too many groups", "more than 3", func(o *outcome) { rule(o, func(d *policy.DPRule) { d.MaxGroupsPerUnit = 4 }) }},
		{"no rule", "not given", func(o *outcome) {
			rule(o, func(*policy.DPRule) {})
			o.plan.Program.Releases[0].DP = nil
		}},
		{"tiny cell", "there it is", func(o *outcome) { o.released[0].Rows = append(o.released[0].Rows, values("G71", "7")) }},
		{"no noise", "no noise", func(o *outcome) { reveal(t, theSystem(t), o, "G71") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j, o, l := asked(t, sql, "suppress")
			tc.lie(o)
			v, err := j.one(context.Background(), l)
			if err != nil || v.Passed != (tc.reason == "") || !strings.Contains(v.Reason, tc.reason) {
				t.Errorf("passed %v, %q, %v", v.Passed, v.Reason, err)
			}
		})
	}
}

// The clamp is judged by whether a noised value is nearer to the clamped or to the bare one.
func TestClampIsJudged(t *testing.T) {
	for text, passes := range map[string]bool{"20200000": false, "14500000": true} {
		j, o, l := asked(t, "SELECT sum(cost) FROM pool.patients WHERE diagnosis = 'I10'", "suppress")
		o.released[0].Rows[0] = values(text)
		v, err := j.one(context.Background(), l)
		if err != nil || v.Passed != passes {
			t.Errorf("%s: passed %v, %q, %v", text, v.Passed, v.Reason, err)
		}
	}
}

func TestPolicies(t *testing.T) {
	src, err := os.ReadFile(policiesFile)
	if err != nil {
		t.Fatal(err)
	}
	s := theSystem(t)
	for name, want := range map[string][]string{
		"bank_c.loans": {"dataset: loans\n", "loan_id: {}", "opened: {roles: [dimension, filter], grain: month}", "contributors: {min: 3, max_share_pct: 50, p_percent: 10, from: [" + fingerprint("bank_a") + ", ",
			"rate: {roles: [measure], aggregates: [count, sum, avg, stddev, median, quantile_cont], clamp: [0, 1000000000], scale: 3, bins: [3, 6, 9]}", "rounding: {count: 5, value_digits: 4}"},
		"hospital_b.patients": {`only_as: "left(zip, 3)"`, `only_as: "decade"`, "delta: 0.000001,", "clamp: [0, 50000]", "output: dp", "with: hospital_a.patients, on: [patient_id]"},
		"retailer.sales":      {"min_units: 25", "domain: household", "with: media.views, on: [household_id]", "trust: partner-honest", "output: guard-free"},
	} {
		for _, w := range want {
			if !strings.Contains(s.sets[name].text, w) {
				t.Errorf("%s: no %q in\n%s", name, w, s.sets[name].text)
			}
		}
	}
	for what, change := range map[string][2]string{
		"unknown rule of a data set": {"  min_units: 25\n", "  min_units: 25\n  min_unit: 3\n"},
		"unknown rule of a column":   {"grain: week", "grains: week"},
		"unknown contributor rule":   {"p_percent: 10", "q_percent: 10"},
		"no unit":                    {"  unit: household_id\n", ""},
		"no min_units":               {"  min_units: 25\n", ""},
		"no policy of a pool":        {"pool.loans:    [bank_a", "pool.loans:    [bank_x.x, bank_y.y]\n  pool.l: [bank_a"},
	} {
		bad := strings.Replace(string(src), change[0], change[1], 1)
		if bad == string(src) {
			t.Fatal(what, "changes nothing")
		}
		if _, err := readPolicies([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}

func TestPurpose(t *testing.T) {
	s := theSystem(t)
	for sql, want := range map[string]string{
		"SELECT count(*) FROM pool.loans": "benchmarking", `SELECT 1 FROM "HOSPITAL_A"."PATIENTS"`: "public-health", "SELECT s.household_id FROM retailer.sales s": "measurement",
		"SELECT 1 FROM media.views, pool.loans": "measurement", "SELECT 1 FROM pool.loans, media.views": "benchmarking", "ATTACH 'x'": "benchmarking",
	} {
		if got := s.purpose(sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

func TestSignificant(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "5": 1, "1200.00": 2, "0.0012": 2, "-10.05": 4, "1.234e+20": 4} {
		if got := significant(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestRunSaysWhatFailed(t *testing.T) {
	file := t.TempDir() + "/q.jsonl"
	queries := `{"id":"x-1","class":"c","sql":"SELECT count(*) FROM pool.loans","why":"","expect":"deny"}` + "\n" + `{"id":"x-2","class":"c","sql":"SELECT * FROM pool.loans","why":"","expect":"deny"}` + "\n"
	if err := os.WriteFile(file, []byte(queries), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"--policies", policiesFile, "--fixture", fixtureFile, file, "-only", "x-."}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(context.Background(), o, &out, quiet); err != errFailed {
		t.Error(err)
	}
	if got := out.String(); got != "FAILED x-1 c (expected deny): it was accepted\n1 passed, 1 failed\n" {
		t.Error(got)
	}
	for _, bad := range []string{"{}", `{"id":"a","class":"c","sql":"x","why":"","expect":"maybe"}`, `{"id":"a","sql":"x","expect":"deny","more":1}`} {
		if _, err := readLines([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

func TestTruths(t *testing.T) {
	var rows []*fed
	for _, v := range []float64{4, 1, 3, 2} {
		rows = append(rows, &fed{unit: strconv.Itoa(int(v) % 2), value: []float64{v}})
	}
	for want, a := range map[float64]policy.Agg{
		2.5: {Op: policy.AggQuantile, Q: "0.5"}, 1.75: {Op: policy.AggQuantile, Q: "0.25"}, 10: {Op: policy.AggSum}, 2: {Op: policy.AggCountUnits}, 4: {Op: policy.AggCount},
	} {
		if got := truth(a, 0, rows); !close(got, want) {
			t.Errorf("%s: %g, want %g", a.Op, got, want)
		}
	}
	if got, _ := new(big.Float).SetFloat64(truth(policy.Agg{Op: policy.AggStddev}, 0, rows)).Float64(); got < 1.29 || got > 1.2911 {
		t.Error(got)
	}
}

// A join on the shared identity is released with noise: 227 or so patients are at both hospitals.
func TestJoinWithNoise(t *testing.T) {
	s := theSystem(t)
	const sql = "SELECT count(DISTINCT a.patient_id) AS n FROM hospital_a.patients a JOIN hospital_b.patients b ON a.patient_id = b.patient_id"
	l := line{ID: "t", Class: "test", SQL: sql, Expect: "allow"}
	o := s.ask(context.Background(), l)
	if !o.ran() {
		t.Fatal("it does not run:", o.refusal, o.failure)
	}
	raw, err := s.plain.raw(context.Background(), sql)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := o.table.Rows[0][0].Text()
	got, err1 := strconv.ParseFloat(text, 64)
	want, err2 := strconv.ParseFloat(*raw.rows[0][0], 64)
	if err1 != nil || err2 != nil || math.Abs(got-want) > 15 || len(o.plan.Charges()) != 2 {
		t.Errorf("%s, without noise %v; charged %v", text, want, o.plan.Charges())
	}
}
