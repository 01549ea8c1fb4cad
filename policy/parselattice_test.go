package policy_test

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// Which sets may stand beside each other: those whose tables say no more together than apart.
func TestLatticeOfSeveralColumns(t *testing.T) {
	for name, c := range map[string]struct{ lattice, msg string }{
		"two columns":                    {"[[size, phase], [size], [phase], []]", ""},
		"four columns":                   {"[[size, phase, crew, damage]]", ""},
		"five columns":                   {"[[size, phase, crew, damage, tail]]", "more than 4"},
		"two tables share a column":      {"[[size, phase], [phase, damage]]", ""},
		"three in a row":                 {"[[size, phase], [phase, damage], [damage, crew]]", ""},
		"three around one":               {"[[size, phase], [size, damage], [size, crew]]", ""},
		"tables that share nothing":      {"[[size, phase], [damage, crew]]", ""},
		"two such, joined":               {"[[size, phase], [damage, crew], [crew, phase]]", ""},
		"a circle of three":              {"[[size, phase], [phase, damage], [damage, size]]", "more together than apart"},
		"a circle of four":               {"[[size, phase], [damage, crew], [crew, phase], [damage, size]]", "more together than apart"},
		"two shared columns":             {"[[size, phase, crew], [size, phase, damage]]", "more together than apart"},
		"the first columns":              {"[[phase, size, tail], [phase, size], [phase]]", ""},
		"the first columns, turned":      {"[[size, phase], [tail, size, phase]]", ""},
		"the first two and three":        {"[[crew, damage, phase, size], [crew, damage, phase], [crew, damage]]", ""},
		"the last columns":               {"[[phase, size, tail], [size, tail]]", "not its beginning"},
		"first and last":                 {"[[phase, tail], [phase, size, tail]]", "not its beginning"},
		"a circle within a larger set":   {"[[phase, size], [size, tail], [phase, tail], [phase, size, tail]]", "not its beginning"},
		"first columns, shared once":     {"[[crew, damage, phase], [crew, damage], [phase, size]]", ""},
		"first columns of two that meet": {"[[crew, damage, phase], [crew, damage], [crew, damage, size]]", "more together than apart"},
	} {
		text := strings.Replace(policyText(t), "crew: {}", "crew: {roles: [dimension]}\n  tail: {roles: [dimension]}", 1)
		text = strings.Replace(text, "[[size], [phase], [damage]]", c.lattice, 1)
		_, err := policy.Parse([]byte(text))
		if c.msg == "" && err != nil || c.msg != "" && (err == nil || !strings.Contains(err.Error(), c.msg)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Where a unit may have rows in several cells, the cells of a margin do not add up.
func TestSeveralColumnsNeedRowsAsUnits(t *testing.T) {
	text := strings.Replace(policyText(t), ", rows_are_units: true", "", 1)
	if _, err := policy.Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	text = strings.Replace(text, "[[size], [phase], [damage]]", "[[size, phase]]", 1)
	if _, err := policy.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), "units that are rows") {
		t.Error(err)
	}
}

// The smallest set that holds the columns of a query is scanned whole, its columns in the order of names.
func TestSetOfSeveralColumnsIsScanned(t *testing.T) {
	p, err := policy.Parse([]byte(strings.Replace(policyText(t), "[[size], [phase], [damage]]", "[[size], [size, phase, damage], [phase, damage]]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for by, want := range map[string]string{"size": "size", "phase": "damage phase", "phase, damage": "damage phase", "size, phase": "damage phase size", "size, damage, phase": "damage phase size"} {
		r := world(t, "strikes", "strikes", "strikes")
		members := r.Tables[len(r.Tables)-1].Members
		for i := range members {
			members[i].Policy = p
		}
		r.SQL = "SELECT " + by + ", count(*) AS n FROM pool.strikes GROUP BY " + by
		plan, err := policy.Compile(r)
		if err != nil {
			t.Fatal(err)
		}
		var dims []string
		for _, d := range plan.Dims {
			dims = append(dims, d.Column)
		}
		if got := strings.Join(dims, " "); got != want {
			t.Errorf("by %s: %s is scanned, want %s", by, got, want)
		}
	}
}

// Beside a set of several columns the values of a column with NULL are not counted, by whatever set: rows with a value and
// rows would bound each other.
func TestNullableValuesAreNotCountedBesideSeveralColumns(t *testing.T) {
	p, err := policy.Parse([]byte(strings.Replace(policyText(t), "[[size], [phase], [damage]]", "[[size], [phase, size]]", 1)))
	if err != nil {
		t.Fatal(err)
	}
	compile := func(aggregate string, who int) error {
		r := world(t, "strikes", "strikes", "strikes")
		members := r.Tables[len(r.Tables)-1].Members
		for i := range members[:who] {
			members[i].Policy = p
		}
		r.SQL = "SELECT size, " + aggregate + " AS n FROM pool.strikes GROUP BY size"
		_, err := policy.Compile(r)
		return err
	}
	for aggregate, refused := range map[string]bool{"count(cost)": true, "avg(cost)": true, "sum(cost)": false, "count(*)": false, "count(speed)": false} {
		err := compile(aggregate, 3)
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "may be NULL") {
			t.Errorf("%s: %v", aggregate, err)
		}
		if err := compile(aggregate, 2); err != nil { // one policy has single columns only, so the pool has
			t.Errorf("%s, where no set of several columns is shared: %v", aggregate, err)
		}
	}
}
