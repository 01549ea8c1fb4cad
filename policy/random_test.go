package policy_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cordon-exchange/cordon/policy"
)

// Random queries over the grammar and over mutations outside it: whatever compiles has a Released root, opens declared
// columns alone, and compiles to the same plan every time.
func TestRandomQueries(t *testing.T) {
	r := world(t, "strikes", "strikes-strict", "strikes")
	declared := []string{"cost", "phase", "size", "speed", "damage"}
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		q := r
		q.SQL = randomQuery(rt)
		p, err := policy.Compile(q)
		again, err2 := policy.Compile(q)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			rt.Fatalf("two verdicts for %s", q.SQL)
		}
		if err != nil {
			return
		}
		accepted++
		if p.Digest() != again.Digest() {
			rt.Fatalf("two plans for %s", q.SQL)
		}
		checkReleased(t, p)
		for _, s := range p.Sources {
			for _, c := range s.Columns {
				if !slices.Contains(declared, c) {
					rt.Fatalf("%s opens %s", q.SQL, c)
				}
			}
		}
		if p.Mode != policy.ModeLattice || len(p.Dims) != 1 || p.Dims[0].Column != "size" {
			rt.Fatalf("%s leaves the lattice", q.SQL)
		}
	})
	if accepted == 0 {
		t.Error("no random query was accepted: the test shows nothing")
	}
}

func randomQuery(t *rapid.T) string {
	pick := func(list ...string) string { return rapid.SampledFrom(list).Draw(t, "pick") }
	column := func() string { return pick("size", "size", "size", "phase", "cost", "report_id", "crew", "speed") }
	aggregate := func() string {
		return pick("count(*)", "count(*)", "sum(cost)", "count(cost)", "avg(cost)", "count(speed)", "count(DISTINCT report_id)",
			"max("+column()+")", "sum("+column()+")", "count(DISTINCT "+column()+")", "sum(cost * 2)")
	}
	var expr func(depth int, leaf func() string) string
	expr = func(depth int, leaf func() string) string {
		if depth == 0 {
			return pick(leaf(), leaf(), "1", "'Small'", "NULL", "2.5", "true")
		}
		a, b := func() string { return expr(depth-1, leaf) }, func() string { return expr(depth-1, leaf) }
		switch rapid.IntRange(0, 8).Draw(t, "shape") {
		case 0:
			return "(" + a() + pick(" + ", " - ", " * ", " / ", " = ", " < ", " <> ", " AND ", " OR ", " || ") + b() + ")"
		case 1:
			return pick("upper", "round", "abs", "coalesce", "md5") + "(" + a() + ")"
		case 2:
			return "CASE WHEN " + a() + " THEN " + b() + " ELSE " + a() + " END"
		case 3:
			return "(" + a() + " IN (" + b() + ", 'x'))"
		case 4:
			return "CAST(" + a() + " AS " + pick("VARCHAR", "INTEGER", "DECIMAL(9,2)") + ")"
		case 5:
			return "(" + a() + pick(" IS NULL", " IS NOT NULL", " LIKE 'S%'") + ")"
		}
		return leaf()
	}
	item := func() string {
		return expr(rapid.IntRange(0, 3).Draw(t, "depth"), func() string { return pick(aggregate(), "size") })
	}
	var b strings.Builder
	b.WriteString("SELECT size, " + item())
	if rapid.Bool().Draw(t, "second") {
		b.WriteString(", " + item() + " AS x")
	}
	b.WriteString(" FROM pool.strikes")
	if rapid.Bool().Draw(t, "where") {
		b.WriteString(" WHERE " + expr(2, column))
	}
	b.WriteString(" GROUP BY size" + pick("", "", "", ", "+column(), ", 2"))
	if rapid.Bool().Draw(t, "having") {
		b.WriteString(" HAVING " + expr(2, aggregate))
	}
	b.WriteString(pick("", "", " ORDER BY 2 DESC", " ORDER BY x", " ORDER BY "+column(), " LIMIT 3", " LIMIT (SELECT 1)"))
	return b.String()
}
