package policy_test

import (
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

// Each case breaks one thing in a policy that is accepted.
func TestModeFaults(t *testing.T) {
	for name, c := range map[string]struct{ file, old, new, at, msg string }{
		"unknown output":             {"loans-free", "output: guard-free", "output: free", "13:9", "output is not known"},
		"output as a list":           {"loans-free", "output: guard-free", "output: [dp]", "13:9", "output is not known"},
		"lattice beside a mode":      {"strikes", "[damage]]}", "[damage]], dp: {}}", "12:48", "unknown key"},
		"bins in lattice mode":       {"strikes", "scale: 1}", "scale: 1, bins: [1]}", "11:79", "bins is not for lattice mode"},
		"grain in lattice mode":      {"strikes", "damage: {roles: [dimension]}", "damage: {roles: [dimension], grain: month}", "8:32", "grain is not for lattice mode"},
		"only_as in lattice mode":    {"strikes", "damage: {roles: [dimension]}", "damage: {roles: [dimension], only_as: decade}", "8:32", "only_as is not for lattice mode"},
		"median in lattice mode":     {"strikes", "aggregates: [count]", "aggregates: [median]", "11:42", "not allowed"},
		"joins in lattice mode":      {"strikes", "max_queries:", "joins: [{with: a.b, on: [report_id], kind: [inner], trust: partner-honest}]\nmax_queries:", "27:8", "not for lattice mode"},
		"stddev with noise":          {"patients-dp", "aggregates: [sum, avg, count]", "aggregates: [sum, count, stddev]", "10:53", "not allowed"},
		"stddev alone":               {"loans-free", "aggregates: [sum, count, avg]", "aggregates: [stddev, count]", "12:50", "stddev needs sum and count"},
		"average without count":      {"loans-free", "aggregates: [sum, count, avg]", "aggregates: [avg, sum]", "12:50", "avg needs sum and count"},
		"bins of a dimension":        {"loans-free", "grain: month", "bins: [1]", "9:40", "bins is for measures"},
		"bins empty":                 {"loans-free", "bins: [10, 50, 250]", "bins: []", "12:104", "empty"},
		"bins descend":               {"loans-free", "bins: [10, 50, 250]", "bins: [50, 10]", "12:109", "ascend"},
		"bin twice":                  {"loans-free", "bins: [1000,", "bins: [1000, 1000.00,", "11:137", "ascend"},
		"bin finer than scale":       {"loans-free", "bins: [10, 50, 250]", "bins: [10.5]", "12:105", "fit the scale"},
		"bin with exponent":          {"loans-free", "bins: [10, 50, 250]", "bins: [1e3]", "12:105", "plain decimals"},
		"bin in quotes":              {"loans-free", "bins: [10, 50, 250]", "bins: ['10']", "12:105", "plain decimals"},
		"bin above the clamp":        {"loans-free", "bins: [10, 50, 250]", "bins: [10001]", "12:105", "outside the clamp"},
		"bin below the clamp":        {"loans-free", "bins: [10, 50, 250]", "bins: [-1, 10]", "12:105", "outside the clamp"},
		"too many bins":              {"loans-free", "bins: [10, 50, 250]", "bins: [" + strings.Repeat("1, ", 64) + "1]", "12:104", "more than 64"},
		"unknown grain":              {"loans-free", "grain: month", "grain: day", "9:47", "grain is not known"},
		"grain of a measure":         {"loans-free", "bins: [10, 50, 250]", "grain: month", "12:98", "for dimensions and filters"},
		"only_as beside grain":       {"loans-free", "grain: month", "grain: month, only_as: decade", "9:63", "not both"},
		"only_as of another":         {"patients-dp", `"left(zip, 3)"`, `"left(sex, 3)"`, "6:46", "only_as is not known"},
		"only_as of no kind":         {"patients-dp", `"left(zip, 3)"`, `"right(zip, 3)"`, "6:46", "only_as is not known"},
		"only_as of nothing":         {"patients-dp", `"left(zip, 3)"`, `"left(zip, 0)"`, "6:46", "only_as is not known"},
		"only_as of too much":        {"patients-dp", `"left(zip, 3)"`, `"left(zip, 1000)"`, "6:46", "at most 999"},
		"only_as of a measure":       {"patients-dp", "bins: [100, 1000]", "only_as: decade", "10:88", "for dimensions and filters"},
		"values of a mere filter":    {"loans-free", "defaulted: {roles: [filter]}", "defaulted: {roles: [filter], values: [true]}", "10:32", "values is for dimensions"},
		"clamp of nothing":           {"patients-dp", "clamp: [0, 50000]", "clamp: [0, 0]", "10:66", "nothing but 0"},
		"domain of no form":          {"loans-free", "domain: bank_a.customer", "domain: Bank A", "3:37", "identity space"},
		"domain of three":            {"loans-free", "domain: bank_a.customer", "domain: a.b.c", "3:37", "identity space"},
		"no rounding":                {"sales-free", ", rounding: {count: 5, value_digits: 4}", "", "11:8", "rounding is missing"},
		"rounding of noise by half":  {"patients-dp", "guard: {min_units: 10}", "guard: {min_units: 10, rounding: {count: 5}}", "13:34", "value_digits is missing"},
		"joins of no list":           {"sales-free", "joins: [{with: media.views, on: [household_id], kind: [inner, left], trust: partner-honest}]", "joins: any", "12:8", "none or a list"},
		"joins without domain":       {"sales-free", ", domain: household", "", "12:8", "joins without unit.domain"},
		"joins with a stranger":      {"sales-free", ", trust: partner-honest", "", "12:9", "can isolate one unit"},
		"joins with no data set":     {"sales-free", "with: media.views", "with: views", "12:16", "name a data set"},
		"joins on another column":    {"sales-free", "on: [household_id]", "on: [store]", "12:33", "unit columns alone"},
		"joins on two columns":       {"sales-free", "on: [household_id]", "on: [household_id, store]", "12:33", "unit columns alone"},
		"joins of no kind":           {"sales-free", "kind: [inner, left]", "kind: [full]", "12:56", "not allowed"},
		"joins without kind":         {"sales-free", ", kind: [inner, left]", "", "12:9", "kind is missing"},
		"joins with other trust":     {"sales-free", "trust: partner-honest", "trust: full", "12:77", "trust is not known"},
		"joins twice":                {"sales-free", "joins: [", "joins: [{with: media.views, on: [household_id], kind: [inner], trust: partner-honest}, ", "12:88", "twice"},
		"dp missing":                 {"patients-dp", "dp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, period: 30d, max_groups_per_unit: 3, per_org: 2.5}\n", "", "11:9", "output: dp without dp"},
		"dp without output":          {"loans-free", "joins: none", "dp: {epsilon: 1}", "24:5", "dp goes with output: dp"},
		"no epsilon":                 {"patients-dp", "epsilon: 10, ", "", "12:5", "epsilon is missing"},
		"epsilon of nothing":         {"patients-dp", "epsilon_max_query: 1", "epsilon_max_query: 0", "12:25", "above 0"},
		"epsilon without bound":      {"patients-dp", "epsilon: 10", "epsilon: 1001", "12:37", "at most 1000"},
		"epsilon with exponent":      {"patients-dp", "epsilon: 10", "epsilon: 1e1", "12:37", "plain decimal"},
		"query past the budget":      {"patients-dp", "epsilon_max_query: 1,", "epsilon_max_query: 11,", "12:25", "cost more than the budget"},
		"organisation past budget":   {"patients-dp", "per_org: 2.5", "per_org: 11", "12:104", "spend more than the budget"},
		"organisation under a query": {"patients-dp", "per_org: 2.5", "per_org: 0.5", "12:104", "could never ask"},
		"no delta":                   {"patients-dp", "delta: 0.000001, ", "", "12:5", "delta is missing"},
		"large delta":                {"patients-dp", "delta: 0.000001", "delta: 0.01", "12:48", "larger than 0.001"},
		"no bound on groups":         {"patients-dp", "max_groups_per_unit: 3, ", "", "12:5", "max_groups_per_unit is missing"},
		"dp for hours":               {"patients-dp", "delta: 0.000001, period: 30d", "delta: 0.000001, period: 30h", "12:66", "number of days"},
		"quota of no organisation":   {"loans-free", "per_org: 500", "per_org: 0", "30:42", "from 1"},
		"ticks of no time":           {"loans-free", "timing: off", "timing: tick 0s", "32:9", "off or ticks"},
		"ticks in minutes":           {"loans-free", "timing: off", "timing: tick 5m", "32:9", "off or ticks"},
		"pruning of another kind":    {"loans-free", "pruning: allowed", "pruning: always", "31:10", "refused or allowed"},
		"mode of another kind":       {"loans-free", "mode: free", "mode: open", "33:7", "free or templates-only"},
		"template of no SQL":         {"strikes-templates", "SELECT size, count(*) FROM", "SELECT size, count(* FROM", "16:34", "template by-size leaves the grammar at 1:"},
		"templates in free mode":     {"strikes-templates", "mode: templates-only\n", "", "15:1", "templates without mode"},
		"no templates":               {"strikes-templates", `templates: [{name: by-size, sql: "SELECT size, count(*) FROM alpha.strikes GROUP BY size"}]`, "", "1:1", "templates is missing"},
		"templates empty":            {"strikes-templates", `[{name: by-size, sql: "SELECT size, count(*) FROM alpha.strikes GROUP BY size"}]`, "[]", "16:12", "empty"},
		"template without a name":    {"strikes-templates", "name: by-size, ", "", "16:13", "name is missing"},
		"template without SQL":       {"strikes-templates", `, sql: "SELECT size, count(*) FROM alpha.strikes GROUP BY size"`, "", "16:13", "sql is missing"},
		"template of no name":        {"strikes-templates", "by-size", "By Size", "16:20", "not a name of a template"},
		"template twice":             {"patients-dp", "name: total", "name: cost-by-sex", "24:5", "twice"},
		"too long a template":        {"strikes-templates", "SELECT size", "SELECT " + strings.Repeat("x", 4096), "16:34", "longer than 4096"},
		"parameter without type":     {"patients-dp", "{type: int32}", "{name: a}", "24:113", "type is missing"},
		"parameter of odd type":      {"patients-dp", "{type: int32}", "{type: hugeint}", "24:120", "not a type of parameters"},
		"parameter of no name":       {"patients-dp", "{name: sex, ", "{name: Sex!, ", "24:135", "not a name of a parameter"},
		"parameter twice":            {"patients-dp", "{type: int32}", "{name: sex, type: int32}", "24:146", "twice"},
		"too many parameters":        {"patients-dp", "params: [{type: int32}", "params: [" + strings.Repeat("{type: date}, ", 64) + "{type: int32}", "24:112", "more than 64"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", "policies", c.file+".yaml"))
			if err != nil || !strings.Contains(string(b), c.old) {
				t.Fatalf("%s has no %q: %v", c.file, c.old, err)
			}
			p, err := policy.Parse([]byte(strings.Replace(string(b), c.old, c.new, 1)))
			var s *policy.SyntaxError
			if !errors.As(err, &s) || p != nil {
				t.Fatalf("accepted or of another kind: %v", err)
			}
			if !strings.Contains(s.Msg, c.msg) || c.at != "" && !strings.HasPrefix(s.Error(), "policy:"+c.at+": ") {
				t.Errorf("%v\nwant %s at %s", err, c.msg, c.at)
			}
			if s.Hint == "" {
				t.Errorf("no hint: %v", err)
			}
		})
	}
}

func TestModeAccessors(t *testing.T) {
	loans, sales, patients, ticks := readPolicy(t, "loans-free"), readPolicy(t, "sales-free"), readPolicy(t, "patients-dp"), readPolicy(t, "strikes-ticks")
	for got, want := range map[policy.Mode]policy.Mode{loans.Output(): policy.ModeGuard, patients.Output(): policy.ModeDP, ticks.Output(): policy.ModeLattice, new(policy.Policy).Output(): ""} {
		if got != want {
			t.Errorf("output %q, want %q", got, want)
		}
	}
	if got := ticks.Lattice(); !reflect.DeepEqual(got, [][]string{{"size"}, {}}) {
		t.Errorf("lattice %v", got)
	}
	cols := map[string]policy.ColumnRule{}
	for _, c := range append(loans.Columns(), patients.Columns()...) {
		cols[c.Name] = c
	}
	for name, want := range map[string]policy.ColumnRule{
		"opened":     {Name: "opened", Dimension: true, Filter: true, Grain: "month"},
		"defaulted":  {Name: "defaulted", Filter: true},
		"loan_id":    {Name: "loan_id"},
		"zip":        {Name: "zip", Dimension: true, Filter: true, OnlyAs: "left(zip, 3)"},
		"birth_year": {Name: "birth_year", Dimension: true, Filter: true, OnlyAs: "floor(birth_year, 10)"},
		"sex":        {Name: "sex", Dimension: true, Filter: true, Values: []string{"F", "M"}},
		"balance": {Name: "balance", Measure: true, Aggregates: []string{"sum", "count", "avg", "stddev", "median", "quantile_cont"},
			Clamp: [2]string{"0", "1000000"}, Scale: 2, Bins: []string{"1000", "10000", "50000", "250000"}},
	} {
		if !reflect.DeepEqual(cols[name], want) {
			t.Errorf("%s: %+v", name, cols[name])
		}
	}
	if !loans.HasRole("defaulted") || loans.HasRole("loan_id") {
		t.Error("a filter is a role")
	}
	if loans.UnitDomain() != "bank_a.customer" || ticks.UnitDomain() != "" {
		t.Error("domain")
	}
	if want := []policy.Join{{With: "media.views", On: []string{"household_id"}, Inner: true, Left: true, PartnerHonest: true}}; !reflect.DeepEqual(sales.Joins(), want) || loans.Joins() != nil {
		t.Errorf("joins %+v", sales.Joins())
	}
	if j := patients.Joins()[0]; j.Left || j.Outer || !j.Inner || j.PartnerHonest {
		t.Errorf("joins %+v", j)
	}
	if j := readPolicy(t, "views-free").Joins()[0]; j.Left || !j.Outer || !j.Inner || !j.PartnerHonest {
		t.Errorf("joins %+v", j)
	}
	if g := patients.Guard(); g.RoundCount != 1 || g.ValueDigits != 15 {
		t.Errorf("noise is not rounded unless the policy says so: %+v", g)
	}
	if loans.Timing() != 0 || patients.Timing() != 5*time.Second || ticks.Timing() != 5*time.Second {
		t.Error("timing")
	}
	if !loans.MayPrune() || sales.MayPrune() {
		t.Error("pruning")
	}
	if q := loans.MaxQueries(); q.PerOrg != 500 {
		t.Error("quota of organisations")
	}
	if org := loans.Organisation(fingerprint("e")); !reflect.DeepEqual(org, []string{fingerprint("e"), fingerprint("f")}) {
		t.Error("organisation", org)
	}
	if org := loans.Organisation(fingerprint("a")); !reflect.DeepEqual(org, []string{fingerprint("a")}) {
		t.Error("organisation of one", org)
	}
	if g := loans.Guard(); g.MinUnits != 10 || g.MinContributors != 3 || g.Coalition != 1 || g.RoundCount != 5 || len(g.Affiliates) != 1 || len(g.Recognised) != 3 {
		t.Errorf("guard %+v", g)
	}
}

func TestNoiseAndTemplates(t *testing.T) {
	p := readPolicy(t, "patients-dp")
	n, ok := p.Noise()
	if !ok || n.EpsilonMaxQuery.Cmp(big.NewRat(1, 1)) != 0 || n.Epsilon.Cmp(big.NewRat(10, 1)) != 0 || n.Delta.Cmp(big.NewRat(1, 1_000_000)) != 0 ||
		n.Period != 30*24*time.Hour || n.MaxGroupsPerUnit != 3 || n.PerOrg.Cmp(big.NewRat(5, 2)) != 0 {
		t.Errorf("noise %+v", n)
	}
	n.Epsilon.SetInt64(99)
	if again, _ := p.Noise(); again.Epsilon.Cmp(big.NewRat(10, 1)) != 0 {
		t.Error("a caller changed the budget")
	}
	if _, ok := readPolicy(t, "loans-free").Noise(); ok {
		t.Error("a guard has no budget")
	}
	list, only := p.Templates()
	if !only || len(list) != 2 || list[0].Name != "cost-by-sex" || !strings.HasPrefix(list[0].SQL, "SELECT sex") ||
		!reflect.DeepEqual(list[1].Params, []policy.TemplateParam{{Type: policy.Int32}, {Name: "sex", Type: policy.Varchar}}) {
		t.Errorf("templates %+v", list)
	}
	if list, only := readPolicy(t, "loans-free").Templates(); only || list != nil {
		t.Error("mode: free")
	}
}

// What a policy asks for that an encoding of plans can't say is refused for others than the owner.
func TestModesNeedTheirEncoding(t *testing.T) {
	for name, c := range map[string]struct{ dataset, owner, policy, sql, rule string }{
		"noise":      {"patients", "7", "patients-dp", "SELECT sex, count(*) FROM x.patients GROUP BY sex", "output/mode"},
		"ticks":      {"strikes", "a", "strikes-ticks", "SELECT size, count(*) FROM x.strikes GROUP BY size", "timing/encoding"},
		"guard-free": {"sales", "5", "sales-free", "SELECT store, count(*) FROM x.sales GROUP BY store", "output/mode"},
	} {
		t.Run(name, func(t *testing.T) {
			r := world(t)
			r.Tables = []policy.Table{single(source(t, c.owner, "x", c.dataset, c.policy))}
			r.Encoding = policy.Encoding
			refusedAs(t, r, c.sql, c.rule)
			if policy.EncodingFor(r.Tables) != policy.EncodingProgram {
				t.Error("a contract would name the older encoding")
			}
			r.Requester, r.Recipients = fingerprint(c.owner), []string{fingerprint(c.owner)}
			mustCompile(t, r, c.sql)
		})
	}
}

// Templates: a query is one of them in any spacing, with parameters of its types; every data set that is read must list it.
func TestTemplates(t *testing.T) {
	r := world(t)
	r.Purpose = "research"
	r.Tables = []policy.Table{single(source(t, "a", "alpha", "strikes", "strikes-templates"))}
	for _, encoding := range []string{policy.Encoding, policy.EncodingProgram} {
		r.Encoding = encoding
		mustCompile(t, r, "select size,\n count( * ) -- as listed\nFROM alpha.strikes group by size")
		for _, sql := range []string{
			"SELECT size, count(*) FROM alpha.strikes WHERE size <> 'Large' GROUP BY size",
			"SELECT size, count(*) AS n FROM alpha.strikes GROUP BY size",
			"SELECT count(*) FROM alpha.strikes",
		} {
			refusedAs(t, r, sql, "templates/not-listed")
			r.SQL = sql
			var ref *policy.Refusal
			if _, err := policy.Compile(r); !errors.As(err, &ref) || !strings.Contains(ref.Hint, "by-size") || ref.Nearest != "SELECT size, count(*) FROM alpha.strikes GROUP BY size" {
				t.Errorf("no way out: %v", ref)
			}
		}
		own := r
		own.Requester, own.Recipients = fingerprint("a"), []string{fingerprint("a")}
		mustCompile(t, own, "SELECT count(*) FROM alpha.strikes")
	}
	r.Encoding = policy.EncodingProgram
	r.Tables = []policy.Table{single(source(t, "7", "hospital_a", "patients", "patients-dp"))}
	sql := "SELECT sex, sum(cost) FROM hospital_a.patients WHERE diagnosis = $1 GROUP BY sex"
	for _, c := range []struct {
		params []policy.Param
		rule   string
	}{
		{[]policy.Param{{Type: policy.Varchar, Value: "flu"}}, ""},
		{[]policy.Param{{Type: policy.Varchar, Value: "flu"}, {Type: policy.Varchar, Value: "flu"}}, "templates/not-listed"},
		{[]policy.Param{{Type: policy.Int32, Value: "7"}}, "templates/not-listed"},
	} {
		r.Params = c.params
		if c.rule == "" {
			mustCompile(t, r, sql)
			continue
		}
		r.SQL = sql
		if _, err := policy.Compile(r); err == nil {
			t.Errorf("%v passes", c.params)
		}
	}
}

// Ticks: an answer leaves when all that is read allows it.
func TestTicks(t *testing.T) {
	r := world(t)
	r.Purpose, r.Encoding = "research", policy.EncodingProgram
	alpha := source(t, "a", "alpha", "strikes", "strikes-ticks")
	beta := alpha
	beta.Owner, beta.OwnerName, beta.Offer = fingerprint("b"), "beta", digest("b")
	both := "SELECT a.n, b.n FROM (SELECT count(*) AS n FROM alpha.strikes) a CROSS JOIN (SELECT count(*) AS n FROM beta.strikes) b"
	for _, c := range []struct {
		a, b, sql string
		tick      int64
		rule      string
	}{
		{"tick 5s", "tick 7s", "SELECT count(*) FROM alpha.strikes", 5, ""},
		{"tick 4s", "tick 6s", both, 12, ""},
		{"tick 4s", "off", both, 4, ""},
		{"off", "off", both, 0, ""},
		{"tick 101s", "tick 99s", both, 9999, ""},
		{"tick 101s", "tick 100s", both, 0, "timing/apart"},
	} {
		r.Tables = []policy.Table{single(edited(t, alpha, "tick 5s", c.a)), single(edited(t, beta, "tick 5s", c.b))}
		if c.rule != "" {
			refusedAs(t, r, c.sql, c.rule)
			continue
		}
		p := mustCompile(t, r, c.sql)
		if p.Program.Tick != c.tick {
			t.Errorf("%s and %s: tick %d, want %d", c.a, c.b, p.Program.Tick, c.tick)
		}
		if again, err := policy.DecodePlan(p.Encode()); err != nil || again.Program.Tick != c.tick {
			t.Errorf("decoded: %v", err)
		}
	}
	p := mustCompile(t, r, "SELECT count(*) FROM alpha.strikes")
	for _, tick := range []int64{-1, 10000} {
		p.Program.Tick = tick
		if _, err := policy.DecodePlan(p.Encode()); err == nil {
			t.Errorf("tick %d passes", tick)
		}
	}
	own := r
	own.Requester, own.Recipients = fingerprint("a"), []string{fingerprint("a")}
	if p := mustCompile(t, own, "SELECT count(*) FROM alpha.strikes"); p.Program.Tick != 0 {
		t.Error("an owner waits for its own data")
	}
}

func TestValidateModes(t *testing.T) {
	for name, c := range map[string]struct{ policy, schema, old, new, msg string }{
		"grain of a text":         {"sales-free", "sales", "day:date", "day:varchar", "has no grain"},
		"first letters of a year": {"patients-dp", "patients", "zip:varchar", "zip:int32", "no first characters"},
		"bands of a text":         {"patients-dp", "patients", "birth_year:int32", "birth_year:varchar", "has no bands"},
		"filter of a double":      {"loans-free", "loans", "defaulted:boolean", "defaulted:double", "can't be a dimension or a filter"},
		"bin finer than the type": {"bins", "sales", "amount:decimal(12,2)", "amount:int32", "not a value of type int32"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", "policies", strings.Replace(c.policy, "bins", "sales-free", 1)+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if c.policy == "bins" {
				text = []byte(strings.Replace(string(text), "bins: [10,", "bins: [10.5,", 1))
			}
			p, err := policy.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			schema := schemas[c.schema]
			if err := p.Validate(columns(schema)); err != nil {
				t.Fatal(err)
			}
			var s *policy.SyntaxError
			err = p.Validate(columns(strings.Replace(schema, c.old, c.new, 1)))
			if !errors.As(err, &s) || !strings.Contains(s.Msg, c.msg) || s.Hint == "" || s.Line < 2 {
				t.Errorf("%v", err)
			}
		})
	}
}

// Where releases are of several modes, an explanation says which table each rule is of.
func TestMixedModesAreExplainedApart(t *testing.T) {
	r := replaced(t, freeWorld(t), "hospital_a.patients", func(s policy.Source) policy.Source {
		return edited(t, s, "purposes: [public-health]", "purposes: [public-health, benchmarking]")
	})
	r.Purpose = "benchmarking"
	e := mustCompile(t, r, "SELECT n, m FROM (SELECT count(*) AS n FROM hospital_a.patients) t CROSS JOIN (SELECT count(*) AS m FROM pool.loans) u").Explain()
	rules := strings.Join(e.Rules, "\n")
	if e.Mode != "mixed" || !strings.Contains(rules, "of hospital_a.patients: number of rows: noise of scale") || !strings.Contains(rules, "of pool.loans: at least") {
		t.Errorf("mode %s:\n%s", e.Mode, rules)
	}
	if e = mustCompile(t, r, "SELECT count(*) FROM pool.loans").Explain(); e.Mode != policy.ModeGuard || strings.Contains(strings.Join(e.Rules, ""), "of pool.loans") {
		t.Errorf("mode %s: %q", e.Mode, e.Rules)
	}
}
