package query

import (
	"reflect"
	"strings"
	"testing"
)

var samples = []string{
	"SELECT a, count(*) AS n FROM p.t AS x WHERE x.a <> 'it''s' AND NOT b IS NULL GROUP BY a, 2 HAVING sum(c) > 1.5 ORDER BY 2 DESC NULLS FIRST LIMIT 3 OFFSET $1;",
	`SELECT "A b" + -c * (d - 2) / 3 || 'x' n FROM "p"."t" GROUP BY ALL -- end`,
	"SELECT CASE a WHEN 1 THEN 'x' ELSE NULL END, CASE WHEN a THEN b END, CAST(a AS decimal(9,2)), a::int::varchar FROM p.t /* a /* nested */ comment */ OFFSET 1 LIMIT 2",
	"SELECT a NOT BETWEEN 1 AND 2, a NOT IN (1, 2), a NOT LIKE 'x%', a ILIKE 'y', a IS NOT TRUE, DATE '2020-01-01', left(a, 3) FROM p.t",
	"SELECT count(DISTINCT a), - - 1, NOT NOT true, +a FROM p.t",
}

// strip removes places, which change when a tree is written anew.
func strip(e *Expr) {
	if e == nil {
		return
	}
	e.Pos = Pos{}
	for _, a := range e.Args {
		strip(a)
	}
}

func (s *Select) strip() *Select {
	s.From.Pos, s.GroupPos = Pos{}, Pos{}
	for _, it := range s.Items {
		strip(it.Expr)
	}
	for _, g := range s.GroupBy {
		strip(g)
	}
	for _, o := range s.OrderBy {
		strip(o.Expr)
	}
	for _, e := range []*Expr{s.Where, s.Having, s.Limit, s.Offset} {
		strip(e)
	}
	return s
}

func TestFormatIsRead(t *testing.T) {
	for _, q := range samples {
		s, err := Parse(q)
		if err != nil {
			t.Errorf("%v\n%s", err, q)
			continue
		}
		again, err := Parse(s.Format())
		if err != nil || !reflect.DeepEqual(again.strip(), s.strip()) {
			t.Errorf("%v\n%s\nis written as\n%s", err, q, s.Format())
		}
	}
}

func TestPrecedence(t *testing.T) {
	for in, want := range map[string]string{
		"a OR b AND c":            "(a OR (b AND c))",
		"NOT a = b AND c":         "((NOT (a = b)) AND c)",
		"a + b * c - d":           "((a + (b * c)) - d)",
		"a - b - c":               "((a - b) - c)",
		"a = b IS NULL":           "((a = b) IS NULL)",
		"a || b = c":              "((a || b) = c)",
		"a BETWEEN 1 AND 2 AND b": "((a BETWEEN 1 AND 2) AND b)",
		"a < 1 + 2":               "(a < (1 + 2))",
		"-a::int":                 "(- CAST(a AS int))",
		"a != 1":                  "(a <> 1)",
	} {
		s, err := Parse("SELECT " + in + " FROM p.t")
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := s.Items[0].Expr.Format(); got != want {
			t.Errorf("%s is read as %s, want %s", in, got, want)
		}
	}
}

func TestPlaces(t *testing.T) {
	s, err := Parse("SELECT\n  a,\n\tcount( \"é\" ) -- é\nFROM p.t WHERE\n'é' = b")
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[Pos]Pos{
		s.Items[0].Expr.Pos:         {2, 3},
		s.Items[1].Expr.Pos:         {3, 2},
		s.Items[1].Expr.Args[0].Pos: {3, 9},
		s.From.Pos:                  {4, 6},
		s.Where.Args[1].Pos:         {5, 7},
	} {
		if got != want {
			t.Errorf("place %v, want %v", got, want)
		}
	}
}

// Bombs end in a refusal, soon.
func TestLimits(t *testing.T) {
	for name, q := range map[string]string{
		"parentheses":    "SELECT " + strings.Repeat("(", 20000) + "1" + strings.Repeat(")", 20000) + " FROM p.t",
		"not":            "SELECT " + strings.Repeat("NOT ", 7000) + "a FROM p.t",
		"minus":          "SELECT " + strings.Repeat("- ", 7000) + "a FROM p.t",
		"case":           "SELECT " + strings.Repeat("CASE WHEN ", 3000) + "a FROM p.t",
		"casts":          "SELECT a" + strings.Repeat("::int", 3000) + " FROM p.t",
		"chain":          "SELECT a" + strings.Repeat(" + a", 3000) + " FROM p.t",
		"items":          "SELECT a" + strings.Repeat(", a", 64) + " FROM p.t",
		"in":             "SELECT a IN (1" + strings.Repeat(", 1", 1024) + ") FROM p.t",
		"arguments":      "SELECT coalesce(a" + strings.Repeat(", a", 64) + ") FROM p.t",
		"keys":           "SELECT a FROM p.t GROUP BY a" + strings.Repeat(", a", 64),
		"sort keys":      "SELECT a FROM p.t ORDER BY a" + strings.Repeat(", a", 64),
		"bytes":          "SELECT '" + strings.Repeat("x", 65<<10) + "' FROM p.t",
		"name":           "SELECT " + strings.Repeat("x", 200) + " FROM p.t",
		"quoted name":    `SELECT "` + strings.Repeat("x", 200) + `" FROM p.t`,
		"digits":         "SELECT " + strings.Repeat("1", 50) + " FROM p.t",
		"NUL":            "SELECT 'a\x00b' FROM p.t",
		"invalid UTF-8":  "SELECT '\xff' FROM p.t",
		"comment depth":  "SELECT 1 " + strings.Repeat("/*", 30000),
		"empty name":     `SELECT "" FROM p.t`,
		"when":           "SELECT CASE" + strings.Repeat(" WHEN a THEN b", 65) + " END FROM p.t",
		"is null chain?": "SELECT a IS FROM p.t",
	} {
		if s, err := Parse(q); err == nil || s != nil || err.Line < 1 || err.Col < 1 || err.Code == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse: what is accepted is written so that it reads as the same tree.
func FuzzParse(f *testing.F) {
	for _, q := range samples {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		s, err := Parse(q)
		if err != nil {
			if s != nil || err.Line < 1 || err.Col < 1 {
				t.Fatalf("%+v", err)
			}
			return
		}
		again, err := Parse(s.Format())
		if err != nil {
			if err.Code == "too-long" || err.Code == "too-deep" {
				return // parentheses and quotes make the text longer and deeper
			}
			t.Fatalf("%v\n%s", err, s.Format())
		}
		if !reflect.DeepEqual(again.strip(), s.strip()) {
			t.Fatalf("%q is written as %q", q, s.Format())
		}
	})
}
