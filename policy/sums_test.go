package policy_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// A domain need not be looked at among rows that a condition lets through for a value of it, and must among others.
func TestDomainsThatConditionsKeep(t *testing.T) {
	r := freeWorld(t)
	for _, table := range r.Tables {
		for i, m := range table.Members {
			if table.Name == "pool.loans" {
				table.Members[i] = edited(t, m, "product: {roles: [dimension, filter]}", "product: {roles: [dimension, filter], values: [auto, mortgage]}")
			}
		}
	}
	for where, looks := range map[string]bool{
		"product = 'mortgage'":                           false,
		"'mortgage' = product":                           true, // written the other way: looked at, which costs time alone
		"product IN ('mortgage', 'auto')":                false,
		"product = 'mortgage' AND region = 'x'":          false,
		"product = 'mortgage' OR region = 'x'":           true,
		"product <> 'mortgage'":                          true,
		"NOT (product = 'mortgage')":                     true,
		"product NOT IN ('mortgage', 'auto')":            true,
		"region = 'mortgage'":                            true,
		"product = 'x' AND product IN ('x', 'mortgage')": true,
		"product = 'y'":                                  true,
	} {
		r.SQL = "SELECT sum(employee_count) FROM pool.loans WHERE " + where
		if !strings.Contains(where, "product") {
			r.SQL = "SELECT count(*) FILTER (WHERE product = 'mortgage') FROM pool.loans WHERE " + where
		}
		p, err := policy.Compile(r)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		text := p.ReleaseText(0, make([]string, len(p.Sources))).SQL()
		if got := strings.Contains(text, "NOT IN ("); got != looks {
			t.Errorf("%s: looked at: %t", where, got)
		}
	}
}

// The one whole number whose absolute value has no place in 64 bits may be a bound: then sums are 128 bits wide, and the bound is looked at.
func TestTheLeastBound(t *testing.T) {
	p := mustCompile(t, corpusWorld(t), "SELECT product, sum(balance) FROM pool.loans GROUP BY product")
	if len(p.Measures) != 1 {
		t.Fatal(p.Measures)
	}
	p.Measures[0].Type, p.Measures[0].Scale, p.Measures[0].Lo = policy.Int64, 0, math.MinInt64
	for _, nullable := range []bool{true, false} {
		p.Measures[0].Nullable = nullable
		text, sums := p.ScanSQL(make([]string, len(p.Sources))), p.Sums()
		if !strings.Contains(text, `"sum"(`) || len(sums) != 1 || len(sums[0].Terms) != 0 || !sums[0].Columns[0].Checked {
			t.Errorf("%+v in %s", sums, text)
		}
	}
}

// What is named is made, and is of these measures and bounds: measures past one aggregate's places have another, and each is looked at
// once, whether it is added up or not.
func TestSumsArePartsOfTheStatement(t *testing.T) {
	r := freeWorld(t)
	r.SQL = "SELECT region, sum(balance), sum(rate), sum(balance * rate), count(*) FILTER (WHERE employee_count > 10), sum(balance) FILTER (WHERE defaulted), stddev(rate) FROM pool.loans GROUP BY region"
	p := mustCompile(t, r, r.SQL)
	text := p.ReleaseText(0, make([]string, len(p.Sources))).SQL()
	checked := map[string]int{}
	names := map[string]bool{}
	for _, s := range p.Sums() {
		if names[s.Name()] {
			t.Errorf("%s is there twice", s.Name())
		}
		names[s.Name()] = true
		if len(s.Columns) > policy.MaxSumsColumns || len(s.Terms) > policy.MaxSumsTerms {
			t.Errorf("%+v", s)
		}
		for _, c := range s.Columns {
			if c.Checked {
				checked[fmt.Sprint(c.Type, c.Lo, c.Hi)]++
			}
		}
	}
	for i, part := range strings.Split(text, `"sums_`) {
		if name, _, ok := strings.Cut(part, `"`); i > 0 && (!ok || !names["sums_"+name]) {
			t.Errorf("the statement names %s, which nobody makes", name)
		}
	}
	for c, n := range checked {
		if n != 1 {
			t.Errorf("%s is looked at %d times", c, n)
		}
	}
	if len(checked) != 3 {
		t.Errorf("%v: not all three measures", checked)
	}
	other := policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Hi: 1}}}
	for _, c := range []policy.SumsColumn{{Type: policy.Int32, Hi: 1}, {Type: policy.Int64, Hi: 2}, {Type: policy.Int64, Lo: 1, Hi: 1}, {Type: policy.Int64, Hi: 1, Checked: true}} {
		if (policy.Sums{Columns: []policy.SumsColumn{c}}).Name() == other.Name() {
			t.Errorf("%+v has another's name", c)
		}
	}
	if (policy.Sums{Columns: other.Columns, Units: 5}).Name() == (policy.Sums{Columns: other.Columns, Units: 6}).Name() {
		t.Error("two caps have one name")
	}
	for _, x := range []policy.SumsTerm{{B: -1}, {B: -1, Abs: true}, {B: -1, Counted: true}, {}} {
		with := policy.Sums{Columns: other.Columns, Terms: []policy.SumsTerm{x}}
		if with.Name() == other.Name() || with.Name() == (policy.Sums{Columns: other.Columns, Terms: []policy.SumsTerm{{A: 1}}}).Name() {
			t.Errorf("%+v has another's name", x)
		}
	}
}
