package policy

import (
	"math/big"
	"slices"
	"strings"
	"testing"
)

func noisyPlan(t *testing.T, sql string, change ...func(*Request)) *Plan {
	t.Helper()
	r := corpusRequest()
	r.SQL, r.Purpose = sql, "public-health"
	for _, c := range change {
		c(&r)
	}
	p, err := Compile(r)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if again, err := DecodePlan(p.Encode()); err != nil || !slices.Equal(again.Charges(), p.Charges()) {
		t.Fatalf("%s: it decodes to another plan: %v", sql, err)
	}
	return p
}

// hospital changes the budget of one hospital in both of its tables.
func hospital(name string, change func(*Policy)) func(*Request) {
	return func(r *Request) {
		for i := range r.Tables {
			for k := range r.Tables[i].Members {
				if m := &r.Tables[i].Members[k]; m.OwnerName == name {
					p := *m.Policy
					if p.dp != nil {
						d := *p.dp
						p.dp = &d
					}
					change(&p)
					m.Policy = &p
				}
			}
		}
	}
}

// Spellings that mean the same are one release; whatever else differs is another.
func TestNoiseCanonicalForm(t *testing.T) {
	digest := func(sql string) string { return noisyPlan(t, sql).Charges()[0].Release }
	const base = "SELECT count(*) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F'"
	want := digest(base)
	for _, same := range []string{
		"SELECT count(*) AS n FROM pool.patients p WHERE p.sex = 'F' AND p.diagnosis = 'C50'",
		"SELECT count(*) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F' AND 1 = 1",
		"SELECT count(*) FROM pool.patients WHERE 2 >= 2 AND ('C50' = diagnosis AND sex IN ('F') AND sex = 'F')",
		"SELECT count(*) FROM (SELECT * FROM pool.patients WHERE NOT NOT sex = 'F') WHERE diagnosis = 'C50'",
		"WITH x AS (SELECT diagnosis AS d, sex FROM pool.patients) SELECT count(*) FROM x WHERE d = 'C50' AND sex = 'F'",
		"SELECT count(*) FROM (SELECT * FROM hospital_b.patients UNION ALL SELECT * FROM hospital_a.patients) WHERE diagnosis = 'C50' AND sex = 'F'",
	} {
		if got := digest(same); got != want {
			t.Errorf("another release: %s", same)
		}
	}
	seen := map[string]string{want: base}
	for _, other := range []string{
		"SELECT count(*) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'M'",
		"SELECT count(*) FROM pool.patients WHERE diagnosis = 'C50' OR sex = 'F'",
		"SELECT count(*) FROM pool.patients WHERE diagnosis = 'C50'",
		"SELECT count(*) FROM pool.patients WHERE diagnosis <> 'C50' AND sex = 'F'",
		"SELECT count(*) FROM hospital_a.patients WHERE diagnosis = 'C50' AND sex = 'F'",
		"SELECT count(DISTINCT patient_id) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F'",
		"SELECT count_if(sex = 'F') FROM pool.patients WHERE diagnosis = 'C50'",
		"SELECT count_if(sex = 'M') FROM pool.patients WHERE diagnosis = 'C50'",
		"SELECT sex, count(*) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F' GROUP BY sex",
		"SELECT sum(cost) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F'",
		"SELECT avg(cost) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F'",
		"SELECT left(zip, 3), count(*) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F' GROUP BY 1",
		"SELECT left(zip, 3), count(*) FROM pool.patients WHERE diagnosis = 'C50' AND sex = 'F' AND left(zip, 3) = '100' GROUP BY 1",
	} {
		got := digest(other)
		if have := seen[got]; have != "" {
			t.Errorf("one release: %s and %s", have, other)
		}
		seen[got] = other
	}
	for name, change := range map[string]func(*Policy){
		"clamp":     func(p *Policy) { changeClamp(p, 7) },
		"groups":    func(p *Policy) { p.dp.maxGroupsPerUnit = 2 },
		"epsilon":   func(p *Policy) { p.dp.epsilonMaxQuery = big.NewRat(1, 2) },
		"no domain": func(p *Policy) { p.unit.domain = "" },
	} {
		sql := "SELECT diagnosis, sum(cost) FROM pool.patients WHERE diagnosis IN ('C50', 'G71', 'I10') GROUP BY diagnosis"
		both := func(r *Request) { hospital("hospital_a", change)(r); hospital("hospital_b", change)(r) }
		if noisyPlan(t, sql, both).Charges()[0].Release == digest(sql) {
			t.Errorf("%s: one release", name)
		}
	}
}

// Two sets of owners that join no identities, and those that do, have other units, whatever else is the same.
func TestNoiseNodeHasTheDomain(t *testing.T) {
	p := noisyPlan(t, "SELECT count(*) FROM hospital_a.patients")
	before, err := p.Program.noiseNode(0, p.Sources)
	p.Program.Releases[0].DP.Domain = "citizen"
	after, err2 := p.Program.noiseNode(0, p.Sources)
	if err != nil || err2 != nil || before == after {
		t.Error("one node:", err, err2)
	}
}

func changeClamp(p *Policy, hi int64) {
	columns := map[string]columnRule{}
	for name, c := range p.columns {
		if c.measure {
			c.clamp[1] = hi
		}
		columns[name] = c
	}
	p.columns = columns
}

// Each number is the strictest of all policies, and a query's releases share one epsilon.
func TestNoiseRuleIsTheStrictest(t *testing.T) {
	a := hospital("hospital_a", func(p *Policy) {
		p.dp.epsilonMaxQuery, p.dp.maxGroupsPerUnit, p.guard.minUnits = big.NewRat(1, 2), 5, 7
	})
	b := hospital("hospital_b", func(p *Policy) { p.dp.maxGroupsPerUnit, p.dp.maxRowsPerUnit = 4, 6 })
	const sql = "SELECT diagnosis, count(*), count(DISTINCT patient_id) FROM pool.patients GROUP BY diagnosis"
	d := noisyPlan(t, sql, a, b).Program.Releases[0].DP
	want := DPRule{Epsilon: "1/2", Delta: "1/80000000", MinUnits: 7, MaxGroupsPerUnit: 4, MaxRowsPerUnit: 6, Domain: "patient", Copies: 1}
	if *d != want {
		t.Errorf("%+v, want %+v", *d, want)
	}
	p := noisyPlan(t, "SELECT count(*) FROM pool.patients WHERE sex = 'F' UNION ALL SELECT count(*) FROM hospital_a.patients WHERE sex = 'M' ORDER BY 1", a)
	for _, n := range p.Program.Releases {
		if n.DP.Epsilon != "1/4" || n.DP.Delta != "" || n.DP.MaxGroupsPerUnit != 1 {
			t.Errorf("%+v", n.DP)
		}
	}
	charges := p.Charges()
	if len(charges) != 3 || charges[0].Rho != "1/32" || charges[0].Delta != "0" || charges[0].Epsilon != "1/4" || !strings.HasPrefix(charges[0].Release, "sha256:") {
		t.Errorf("%+v", charges)
	}
	if len(p.NoiseOffers()) != 2 || !slices.IsSorted(p.NoiseOffers()) {
		t.Error(p.NoiseOffers())
	}
	// The same release twice is charged once.
	twice := noisyPlan(t, "SELECT count(*) FROM pool.patients UNION ALL SELECT count(*) FROM pool.patients WHERE 1 = 1 ORDER BY 1")
	if len(twice.Program.Releases) != 2 || len(twice.Charges()) != 2 {
		t.Errorf("%d charges", len(twice.Charges()))
	}
	guard := noisyPlan(t, "SELECT store, count(*) FROM retailer.sales GROUP BY store", func(r *Request) { r.Purpose = "measurement" })
	if len(guard.NoiseOffers())+len(guard.Charges()) != 0 {
		t.Error("a guard is charged")
	}
}

func TestNoiseGroups(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT sex, count(*) FROM pool.patients GROUP BY sex":                                                                               "-",
		"SELECT sex, count(*) FROM pool.patients WHERE sex IN ('M', 'F') GROUP BY sex":                                                       "F M",
		"SELECT sex, count(*) FROM pool.patients WHERE sex = 'F' GROUP BY sex":                                                               "F",
		"SELECT sex, count(*) FROM pool.patients WHERE sex IN ('M', 'F') AND 'F' = sex GROUP BY sex":                                         "F",
		"SELECT sex, count(*) FROM pool.patients WHERE sex IN ('M', 'F') OR diagnosis = 'C50' GROUP BY sex":                                  "-",
		"SELECT sex, count(*) FROM pool.patients WHERE NOT sex = 'F' GROUP BY sex":                                                           "-",
		"SELECT sex, diagnosis, count(*) FROM pool.patients WHERE sex IN ('M', 'F') GROUP BY sex, diagnosis":                                 "- -",
		"SELECT sex, diagnosis, count(*) FROM pool.patients WHERE sex IN ('M', 'F') AND diagnosis = 'C50' GROUP BY sex, diagnosis":           "F M C50",
		"SELECT left(zip, 3), count(*) FROM pool.patients WHERE left(zip, 3) = '100' GROUP BY 1":                                             "-",
		"SELECT upper(sex), count(*) FROM pool.patients WHERE sex = 'F' GROUP BY 1":                                                          "-",
		"SELECT s, count(*) FROM (SELECT patient_id, sex AS s FROM pool.patients GROUP BY patient_id, sex) WHERE s IN ('F', 'M') GROUP BY s": "F M",
	} {
		var got []string
		for _, k := range noisyPlan(t, sql).Program.Releases[0].Keys {
			if got = append(got, k.Values...); k.Values == nil {
				got = append(got, "-")
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", sql, got, want)
		}
	}
	declared := func(r *Request) {
		for _, h := range []string{"hospital_a", "hospital_b"} {
			hospital(h, func(p *Policy) {
				columns := map[string]columnRule{}
				for name, c := range p.columns {
					if name == "sex" {
						c.values = []scalar{{text: "M", tag: "!!str"}, {text: "F", tag: "!!str"}}
					}
					columns[name] = c
				}
				p.columns = columns
			})(r)
		}
	}
	n := noisyPlan(t, "SELECT sex, count(*) FROM pool.patients GROUP BY sex", declared).Program.Releases[0]
	if !slices.Equal(n.Keys[0].Values, []string{"F", "M"}) || n.From.Reads[0].Values != nil {
		t.Errorf("declared: %v, and rows with others end the job: %v", n.Keys[0].Values, n.From.Reads[0].Values)
	}
}

func TestNoiseRefusals(t *testing.T) {
	apart := hospital("hospital_b", func(p *Policy) { p.unit.domain = "" })
	for sql, want := range map[string]string{
		"SELECT median(cost) FROM pool.patients":                                                        "dp aggregate",
		"SELECT stddev(cost) FROM pool.patients":                                                        "dp aggregate",
		"SELECT sum(cost * cost) FROM pool.patients":                                                    "dp bounds",
		"SELECT avg(CASE WHEN sex = 'F' THEN cost ELSE 0 END) FROM pool.patients":                       "dp mean",
		"SELECT avg(CASE WHEN sex = 'F' THEN 1 ELSE 0 END) FROM pool.patients":                          "dp mean",
		"SELECT sum(n) FROM (SELECT patient_id, sum(cost) AS n FROM pool.patients GROUP BY patient_id)": "dp bounds",
		"SELECT sex, diagnosis, count(*) FROM pool.patients GROUP BY ROLLUP (sex, diagnosis)":           "dp grouping-sets",
		"SELECT sex, count(*) FROM pool.patients GROUP BY sex -- apart":                                 "dp copies",
	} {
		r := corpusRequest()
		r.SQL, r.Purpose = sql, "public-health"
		if strings.Contains(sql, "apart") {
			apart(&r)
		}
		_, err := Compile(r)
		ref, ok := err.(*Refusal)
		if !ok || ref.Rule+" "+ref.Code != want {
			t.Errorf("%s: %v, want %s", sql, err, want)
		}
	}
	// With given groups, owners that do not join identities are as many copies.
	if d := noisyPlan(t, "SELECT count(*) FROM pool.patients", apart).Program.Releases[0].DP; d.Copies != 2 || d.Domain != "" {
		t.Errorf("%+v", d)
	}
	r := corpusRequest()
	r.SQL, r.Purpose = "SELECT count(*) FROM pool.patients", "public-health"
	hospital("hospital_a", func(p *Policy) { p.output = outputGuardFree })(&r)
	if _, err := Compile(r); err == nil || err.(*Refusal).Code != "modes" {
		t.Error("two kinds of output in one pool:", err)
	}
	r = corpusRequest()
	r.SQL, r.Purpose = "SELECT diagnosis, count(*) FROM pool.patients GROUP BY diagnosis", "public-health"
	hospital("hospital_a", func(p *Policy) { p.dp.epsilonMaxQuery = big.NewRat(1, 1000) })(&r)
	if _, err := Compile(r); err == nil || err.(*Refusal).Code != "numbers" {
		t.Error("an epsilon that selects nothing:", err)
	}
}

// Joins on the shared identity are within one unit.
func TestNoiseJoins(t *testing.T) {
	p := noisyPlan(t, "SELECT count(DISTINCT a.patient_id), sum(b.cost) FROM hospital_a.patients a JOIN hospital_b.patients b ON a.patient_id = b.patient_id WHERE a.sex = 'F'")
	n := p.Program.Releases[0]
	if n.Mode != ModeDP || n.DP.Domain != "patient" || n.DP.Copies != 1 || len(p.NoiseOffers()) != 2 {
		t.Errorf("%+v", n.DP)
	}
	n.From.eachScan(func(s Step) {
		for _, r := range s.Reads {
			if r.Bounds != nil && !r.Bounds.Clamp {
				t.Error("a measure is not clamped")
			}
		}
	})
}

// A plan that says less of its noise than its sources and keys ask for is none.
func TestNoisyPlansThatAreNone(t *testing.T) {
	const sql = "SELECT diagnosis, sex, avg(cost) FROM pool.patients WHERE sex = 'F' AND diagnosis IN ('C50', 'I10') GROUP BY diagnosis, sex"
	for name, change := range map[string]func(*ReleaseNode){
		"no rule":      func(n *ReleaseNode) { n.DP = nil },
		"no epsilon":   func(n *ReleaseNode) { n.DP.Epsilon = "" },
		"zero":         func(n *ReleaseNode) { n.DP.Epsilon = "0" },
		"decimal":      func(n *ReleaseNode) { n.DP.Epsilon = "0.5" },
		"groups":       func(n *ReleaseNode) { n.DP.MaxGroupsPerUnit = 0 },
		"rows":         func(n *ReleaseNode) { n.DP.MaxRowsPerUnit = 0 },
		"copies":       func(n *ReleaseNode) { n.DP.Copies = 2 },
		"domain":       func(n *ReleaseNode) { n.DP.Domain = "" },
		"delta":        func(n *ReleaseNode) { n.DP.Delta = "1/1000000" },
		"guard":        func(n *ReleaseNode) { n.Guard.MinUnits = 5 },
		"unclamped":    func(n *ReleaseNode) { n.From.Reads[2].Bounds.Clamp = false },
		"domain check": func(n *ReleaseNode) { n.From.Reads[0].Values = []string{"F", "M"} },
		"half given":   func(n *ReleaseNode) { n.Keys[1].Values = nil },
		"other order":  func(n *ReleaseNode) { a := n.From.Where.Args; a[0], a[1] = a[1], a[0] },
		"own":          func(n *ReleaseNode) { n.Mode = ModeOwn },
	} {
		p := noisyPlan(t, sql)
		n := &p.Program.Releases[0]
		change(n)
		if p.wellFormed() {
			t.Errorf("%s: well formed", name)
		}
	}
}

// Units are opened even where each row is one: it is units that noise protects, wherever their rows are.
func TestNoiseOpensUnits(t *testing.T) {
	p := noisyPlan(t, "SELECT count(*) FROM hospital_a.patients", hospital("hospital_a", func(p *Policy) { p.unit.rowsAreUnits = true }))
	if !slices.Equal(p.Sources[0].Columns, []string{"patient_id"}) || !p.Program.Tables[0].Unit.Unique {
		t.Errorf("%+v", p.Sources[0].Columns)
	}
}

func TestNoiseBudgetIsRead(t *testing.T) {
	const text = `
policy: 1
dataset: patients
unit: {column: id}
columns: {id: {roles: [unit]}, sex: {roles: [dimension, filter]}}
output: dp
guard: {min_units: 3, rounding: {count: 1, value_digits: 15}}
dp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3ROWS}
purposes: [x]
analysts: [any]
operators: [OP]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`
	for rows, want := range map[string]int64{"": 10, ", max_rows_per_unit: 1": 1, ", max_rows_per_unit: 1000000": 1000000, ", max_rows_per_unit: 0": -1, ", max_rows_per_unit: 1000001": -1} {
		p, err := Parse([]byte(strings.Replace(strings.Replace(text, "ROWS", rows, 1), "OP", fpr("d"), 1)))
		if got := int64(-1); err == nil {
			got = p.dp.maxRowsPerUnit
			if got != want {
				t.Errorf("%q: %d, want %d", rows, got, want)
			}
		} else if want != -1 {
			t.Errorf("%q: %v", rows, err)
		}
	}
}

// A mean as one aggregate is for noise: elsewhere it would leave without being rounded with its sum and count.
func TestMeansAreOfNoiseAlone(t *testing.T) {
	p := noisyPlan(t, "SELECT avg(cost) FROM hospital_a.patients")
	n := &p.Program.Releases[0]
	n.Mode, n.DP, n.From.Reads[0].Bounds.Clamp = ModeOwn, nil, false
	p.Sources[0].Columns = []string{"cost"}
	if p.wellFormed() {
		t.Error("well formed")
	}
	n.Aggs[0].Op, n.Aggs[0].Q = AggQuantile, "0.5" // of the same type
	if !p.wellFormed() {
		t.Error("it is the mean that is at fault, and nothing else")
	}
}

func TestNoiseIsExplained(t *testing.T) {
	e := noisyPlan(t, "SELECT diagnosis, count(*), sum(cost), avg(cost) FROM pool.patients GROUP BY diagnosis").Explain()
	all := strings.Join(append(e.Rules, e.Notes...), "\n")
	for _, want := range []string{
		"number of rows: noise of scale 120 (discrete Laplace)",
		"sum of cost: noise of scale 131941395333.12 (discrete Laplace)", // 3 groups of 2^40 hundredths by a quarter of epsilon 1
		"a unit counts in at most 3 groups, with at most 10 rows in each",
		"it costs epsilon 1 (rho 1/2) and delta 1/40000000, charged to every data set that it reads",
		"groups are chosen with noise",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	if e.Mode != ModeDP {
		t.Error(e.Mode)
	}
}
