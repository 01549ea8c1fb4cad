package policy_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

func policyText(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/policies/strikes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each case breaks one thing in a policy that is accepted.
func TestPolicyFaults(t *testing.T) {
	for name, c := range map[string]struct{ old, new, at, msg string }{
		"unknown key":            {"purposes:", "purpose:", "22:1", "unknown key"},
		"missing guard number":   {"  min_units: 10\n", "", "14:3", "min_units is missing"},
		"duplicate key":          {"dataset: strikes\n", "dataset: strikes\ndataset: strikes\n", "3:1", "twice"},
		"anchor":                 {"dataset: strikes", "dataset: &a strikes", "2:10", "anchors"},
		"alias":                  {"values: [Small, Medium, Large]", "values: *a", "", "not YAML"},
		"tag":                    {"dataset: strikes", "dataset: !!str strikes", "2:10", "tags"},
		"merge key":              {"columns:\n", "columns:\n  <<: {}\n", "5:3", "plain text"},
		"two documents":          {"dataset: strikes", "dataset: strikes\n---\na: 1", "", "more than one"},
		"not a mapping":          {"purposes: [research]", "purposes: research", "22:11", "must be a list"},
		"empty list":             {"purposes: [research]", "purposes: []", "22:11", "empty"},
		"bad purpose":            {"purposes: [research]", "purposes: [Research!]", "22:12", "not allowed"},
		"bad fingerprint":        {"operators: [cordon1d", "operators: [cordon2d", "24:13", "not allowed"},
		"any operator":           {"operators: [cordon1", "operators: [any, cordon1", "24:13", "not allowed"},
		"any and others":         {"analysts: [any]", "analysts: [any, " + fingerprint("a") + "]", "23:11", "any and others"},
		"wrong version":          {"policy: 1", "policy: 2", "1:9", "not of version 1"},
		"later version":          {"policy: 1", "policy: 2\nlanguage: german", "1:9", "not of version 1"},
		"quoted number":          {"policy: 1", "policy: '1'", "1:9", "not of version 1"},
		"dataset name":           {"dataset: strikes", "dataset: Strikes", "2:10", "not a name"},
		"zero units":             {"min_units: 10", "min_units: 0", "14:14", "from 1"},
		"float units":            {"min_units: 10", "min_units: 1e1", "14:14", "whole number"},
		"hex units":              {"min_units: 10", "min_units: 0xA", "14:14", "whole number"},
		"share past 100":         {"max_share_pct: 50", "max_share_pct: 101", "17:20", "from 1 to 100"},
		"p past 100":             {"p_percent: 10", "p_percent: 101", "18:16", "from 0 to 100"},
		"no coalition":           {"  coalition: 1\n", "", "14:3", "coalition is missing"},
		"coalition of none":      {"coalition: 1", "coalition: 0", "20:14", "from 1"},
		"affiliate alone":        {"  coalition: 1\n", "  coalition: 1\n  affiliates: [[" + fingerprint("a") + "]]\n", "21:16", "at least two"},
		"unknown role":           {"roles: [unit]", "roles: [owner]", "5:23", "not allowed"},
		"unit with a role":       {"roles: [unit]", "roles: [unit, dimension]", "5:14", "no other role"},
		"measure as dimension":   {"{roles: [measure], aggregates: [sum, avg, count]", "{roles: [measure, dimension], aggregates: [sum, avg, count]", "10:9", "can't be a dimension"},
		"filter alone":           {"damage: {roles: [dimension]}", "damage: {roles: [filter]}", "8:11", "must also be a dimension"},
		"no clamp":               {", clamp: [0, 20000000]", "", "10:9", "clamp is missing"},
		"clamp upside down":      {"clamp: [0, 20000000]", "clamp: [5, 4]", "10:66", "upside down"},
		"clamp with exponent":    {"clamp: [0, 20000000]", "clamp: [0, 2e7]", "10:70", "plain decimals"},
		"clamp finer than scale": {"clamp: [0, 500.5]", "clamp: [0, 500.55]", "11:61", "plain decimals"},
		"clamp infinite":         {"clamp: [0, 20000000]", "clamp: [0, .inf]", "10:70", "plain decimals"},
		"clamp past 2^60":        {"clamp: [0, 20000000]", "clamp: [0, 1152921504606846977]", "10:70", "plain decimals"},
		"clamp of one":           {"clamp: [0, 20000000]", "clamp: [0]", "10:66", "[lowest, highest]"},
		"no scale":               {", scale: 0", "", "10:9", "scale is missing"},
		"forbidden aggregate":    {"aggregates: [count]", "aggregates: [max]", "11:42", "not allowed"},
		"average alone":          {"aggregates: [sum, avg, count]", "aggregates: [avg]", "10:40", "avg needs"},
		"values on a measure":    {"scale: 1}", "scale: 1, values: [1]}", "11:79", "values is for dimensions"},
		"clamp on a dimension":   {"damage: {roles: [dimension]}", "damage: {roles: [dimension], clamp: [0, 1]}", "8:32", "clamp is for measures"},
		"value twice":            {"values: [Small, Medium, Large]", "values: [Small, Small]", "6:54", "twice"},
		"null value":             {"values: [Small, Medium, Large]", "values: [Small, null]", "6:54", "constants"},
		"no roles":               {"crew: {}", "crew: {values: [a]}", "9:9", "no roles"},
		"reserved column":        {"crew: {}", "rowid: {}", "9:3", "not a usable column name"},
		"column twice by case":   {"crew: {}", "PHASE: {}", "9:3", "twice"},
		"unit column unknown":    {"{column: report_id,", "{column: report,", "3:16", "no role unit"},
		"second unit":            {"crew: {}", "crew: {roles: [unit]}", "9:3", "second unit"},
		"lattice column twice":   {"[[size], [phase], [damage]]", "[[size, SIZE]]", "12:27", "twice"},
		"lattice set turned":     {"[[size], [phase], [damage]]", "[[size, phase], [phase, size]]", "12:35", "twice"},
		"lattice of a measure":   {"[[size], [phase], [damage]]", "[[cost]]", "12:21", "not a dimension"},
		"lattice set twice":      {"[[size], [phase], [damage]]", "[[size], [size]]", "12:28", "twice"},
		"lattice not of lists":   {"[[size], [phase], [damage]]", "[size]", "12:20", "list of columns"},
		"no builds":              {"builds: [\"sha256:" + strings.Repeat("0", 64) + "\"], ", "", "25:11", "builds is missing"},
		"bad digest":             {"builds: [\"sha256:0", "builds: [\"sha256:g", "25:42", "not allowed"},
		"bad date":               {"from: 2026-01-01", "from: 2026-13-01", "26:15", "must be a date"},
		"ends before it begins":  {"until: 2027-01-01", "until: 2026-01-01", "26:8", "ends before"},
		"bad period":             {"period: 30d", "period: 1h", "27:41", "days"},
		"standing past purposes": {"max_queries:", "standing: [{analysts: [any], purposes: [other], until: 2027-01-01, max_contracts: 3}]\nmax_queries:", "27:41", "not allowed"},
		"standing if replaced":   {"max_queries:", "standing: [{analysts: [any], purposes: [research], until: 2027-01-01, max_contracts: 3, even_if_replaced: yes}]\nmax_queries:", "27:107", "even_if_replaced"},
		"standing without end":   {"max_queries:", "standing: [{analysts: [any], purposes: [research], max_contracts: 3}]\nmax_queries:", "27:12", "until is missing"},
		"standing for nobody":    {"max_queries:", "standing: [{purposes: [research], until: 2027-01-01, max_contracts: 3}]\nmax_queries:", "27:12", "analysts is missing"},
		"standing for both":      {"max_queries:", "standing: [{analysts: [any], accredited_by: " + member + ", purposes: [research], until: 2027-01-01, max_contracts: 3}]\nmax_queries:", "27:12", "analysts and accredited_by"},
		"accredited by no party": {"max_queries:", "standing: [{accredited_by: any, purposes: [research], until: 2027-01-01, max_contracts: 3}]\nmax_queries:", "27:28", "no fingerprint"},
		"members of nobody":      {"max_queries:", "standing: [{analysts: [any], max_queries_month_all: 3, purposes: [research], until: 2027-01-01, max_contracts: 3}]\nmax_queries:", "27:30", "goes with accredited_by"},
		"negative price":         {"max_queries:", "price: -1\nmax_queries:", "27:8", "from 0"},
		"pruning of no kind":     {"max_queries:", "pruning: yes\nmax_queries:", "27:10", "must be refused or allowed"},
		"timing by ticks":        {"max_queries:", "timing: tick\nmax_queries:", "27:9", "must be off or ticks"},
		"not YAML":               {"columns:", "columns: [", "", "not YAML"},
		"byte order mark":        {"policy: 1", "\ufeffpolicy: 1", "1:1", "UTF-8"},
		"invalid UTF-8":          {"research", "\xff", "1:1", "UTF-8"},
		"too deep":               {"crew: {}", "crew: " + strings.Repeat("[", 20) + strings.Repeat("]", 20), "", "deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(policyText(t), c.old, c.new, 1)
			p, err := policy.Parse([]byte(text))
			var s *policy.SyntaxError
			if !errors.As(err, &s) || p != nil {
				t.Fatalf("accepted or of another kind: %v", err)
			}
			if !strings.Contains(s.Error(), c.msg) || c.at != "" && !strings.HasPrefix(s.Error(), "policy:"+c.at+": ") {
				t.Errorf("%v\nwant %s at %s", err, c.msg, c.at)
			}
			if s.Line < 1 || s.Col < 1 || s.Hint == "" {
				t.Error("no place or no hint")
			}
		})
	}
}

const member = "cordon100000000000000000000000000000000000000000000000000000000000000aa"

// TestStandingForMembers: who they are is for the caller to verify, so that the rule grants to no analyst by itself.
func TestStandingForMembers(t *testing.T) {
	p, err := policy.Parse([]byte(policyText(t) + "standing: [{accredited_by: " + member + ", purposes: [research], until: 2026-07-01, max_contracts: 3, max_queries_month: 4, max_queries_month_all: 40, outlives_accreditation: true}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	in, after := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	r := p.Standing()[0]
	if r.AccreditedBy != member || r.MaxMonth != 4 || r.MaxMonthAll != 40 || !r.OutlivesAccreditation || r.Grants(member, []string{"research"}, in) {
		t.Errorf("rule %+v", r)
	}
	if !r.GrantsMembers([]string{"research"}, in) || r.GrantsMembers([]string{"research"}, after) || r.GrantsMembers([]string{"pricing"}, in) || r.GrantsMembers(nil, in) {
		t.Error("purposes or time")
	}
	if (policy.StandingRule{Analysts: []string{policy.Any}, Purposes: []string{"research"}, Until: after}).GrantsMembers([]string{"research"}, in) {
		t.Error("a rule for analysts granted to members")
	}
}

func TestPolicyAccessors(t *testing.T) {
	text := policyText(t) + "standing: [{analysts: [any], purposes: [research], until: 2026-07-01, max_contracts: 3}]\nprice: 7\npruning: refused\ntiming: off\n"
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	day := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if string(p.Text()) != text || p.Dataset() != "strikes" || p.UnitColumn() != "report_id" || !p.RowsAreUnits() || p.Price() != 7 {
		t.Error("text, dataset, unit or price")
	}
	if p.Valid(day("2025-12-31")) || !p.Valid(day("2026-01-01")) || !p.Valid(day("2026-12-31")) || p.Valid(day("2027-01-01")) || !p.ValidUntil().Equal(day("2027-01-01")) {
		t.Error("validity")
	}
	if q := p.MaxQueries(); q.PerAnalyst != 200 || q.PerOrg != 0 || q.Period != 30*24*time.Hour {
		t.Error("quota")
	}
	if lo, hi, scale, ok := p.Clamp("SPEED"); lo != 0 || hi != 5005 || scale != 1 || !ok {
		t.Error("clamp", lo, hi, scale, ok)
	}
	if v, ok := p.Domain("size"); !ok || strings.Join(v, " ") != "Large Medium Small" {
		t.Error("domain", v)
	}
	if _, ok := p.Domain("phase"); ok {
		t.Error("phase has no declared domain")
	}
	rule := p.Standing()[0]
	if !rule.Grants(fingerprint("9"), []string{"research"}, day("2026-06-30")) {
		t.Error("the standing rule must grant")
	}
	for name, granted := range map[string]bool{
		"late":        rule.Grants(fingerprint("9"), []string{"research"}, day("2026-07-01")),
		"purpose":     rule.Grants(fingerprint("9"), []string{"research", "x"}, day("2026-06-30")),
		"no purpose":  rule.Grants(fingerprint("9"), nil, day("2026-06-30")),
		"no analyst":  rule.Grants("", []string{"research"}, day("2026-06-30")),
		"named any":   rule.Grants("any", []string{"research"}, day("2026-06-30")),
		"zero rule":   policy.StandingRule{}.Grants(fingerprint("9"), []string{"research"}, day("2026-06-30")),
		"zero policy": new(policy.Policy).Valid(day("2026-06-30")) || new(policy.Policy).AllowsAnalyst(fingerprint("9")) || new(policy.Policy).AllowsOperator(fingerprint("9")),
	} {
		if granted {
			t.Errorf("%s: granted", name)
		}
	}
}

func TestValidate(t *testing.T) {
	p := readPolicy(t, "strikes")
	good := schemas["strikes"]
	if err := p.Validate(columns(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ schema, msg string }{
		"column missing":         {strings.Replace(good, "crew:varchar?", "", 1), "no column \"crew\""},
		"other case":             {strings.Replace(good, "crew", "Crew", 1), "no column"},
		"double measure":         {strings.Replace(good, "cost:int64?", "cost:double", 1), "can't be a measure"},
		"finer than scale":       {strings.Replace(good, "cost:int64?", "cost:decimal(10,2)", 1), "can't be a measure"},
		"wide decimal":           {strings.Replace(good, "decimal(5,1)", "decimal(19,1)", 1), "can't be a measure"},
		"double dimension":       {strings.Replace(good, "phase:varchar?", "phase:double", 1), "can't be a dimension"},
		"text for numbers":       {strings.Replace(good, "size:varchar", "size:int32", 1), "not a value of type int32"},
		"double unit":            {strings.Replace(good, "report_id:varchar", "report_id:double", 1), "compared exactly"},
		"columns differ by case": {good + " COST:int64", "upper and lower case"},
		"unknown type":           {good + " extra:blob", "unknown type"},
		"engine's own name":      {good + " filename:varchar", "not a usable column name"},
	} {
		err := p.Validate(columns(c.schema))
		var s *policy.SyntaxError
		if !errors.As(err, &s) || !strings.Contains(err.Error(), c.msg) || s.Line < 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
