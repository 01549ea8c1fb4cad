package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

const termsPolicy = `policy: 1
dataset: strikes
unit: {column: report_id, rows_are_units: true}
columns:
  report_id: {roles: [unit]}
  size: {roles: [dimension, filter]}
  pilot: {}
output: {lattice: [[size]]}
guard:
  min_units: 10
  rounding: {count: 5, value_digits: 4}
purposes: [research, benchmarking]
analysts: [any]
operators: [cordon1dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2020-01-01, until: 2100-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

const goodTerms = `terms: 1
access: purchase
price: {per_query: 5, per_day: 30, flat: 100}
quotas: {per_contract: 1000, per_month: 200}
purposes: [research]
licence: {name: "Research licence 1.0", text: "For research alone."}
statistics:
  size: {distinct: 10, years: [1990, 2020]}
`

func TestParseTerms(t *testing.T) {
	p, err := Parse([]byte(termsPolicy))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseTerms([]byte(goodTerms), p)
	if err != nil {
		t.Fatal(err)
	}
	if got.PerQuery != 5 || got.PerDay != 30 || got.Flat != 100 || got.OfContract != 1000 || got.OfMonth != 200 || got.Access != statement.AccessPurchase ||
		got.Purposes[0] != "research" || got.Licence.Text != "For research alone." || got.Statistics[0] != (statement.Statistic{Column: "size", Distinct: 10, MinYear: 1990, MaxYear: 2020}) {
		t.Fatalf("got %+v", got)
	}
	for name, c := range map[string]struct {
		old, new string
		line     int
		msg      string
	}{
		"version":                {"terms: 1", "terms: 2", 1, "version 1"},
		"access missing":         {"access: purchase\n", "", 1, "access is missing"},
		"access unknown":         {"access: purchase", "access: sale", 2, "access must be"},
		"free at a price":        {"access: purchase", "access: free", 2, "there is a price"},
		"sold for nothing":       {"price: {per_query: 5, per_day: 30, flat: 100}\n", "", 2, "there is no price"},
		"price negative":         {"flat: 100", "flat: -1", 3, "flat must be"},
		"price by rows":          {"flat: 100", "per_row: 1", 3, "unknown key"},
		"quota of nothing":       {"per_month: 200", "per_month: 0", 4, "per_month must be"},
		"purpose past policy":    {"purposes: [research]", "purposes: [marketing]", 5, "not allowed in purposes"},
		"licence without text":   {", text: \"For research alone.\"", "", 6, "a text or the digest"},
		"licence, digest wrong":  {"text: \"For research alone.\"", "digest: sha256:00", 6, "digest is none"},
		"column without a role":  {"  size:", "  pilot:", 8, "may not name"},
		"column of units":        {"  size:", "  report_id:", 8, "may not name"},
		"column unknown":         {"  size:", "  none:", 8, "may not name"},
		"an exact count":         {"distinct: 10", "distinct: 12", 8, "power of ten"},
		"years upside down":      {"[1990, 2020]", "[2020, 1990]", 8, "upside down"},
		"one year":               {"[1990, 2020]", "[1990]", 8, "[first, last]"},
		"nothing said of column": {"{distinct: 10, years: [1990, 2020]}", "{}", 8, "nothing is said"},
	} {
		t.Run(name, func(t *testing.T) {
			src := strings.Replace(goodTerms, c.old, c.new, 1)
			if src == goodTerms {
				t.Fatal("nothing changed")
			}
			_, err := ParseTerms([]byte(src), p)
			var s *SyntaxError
			if !errors.As(err, &s) || s.Line != c.line || !strings.Contains(s.Msg, c.msg) || s.Hint == "" {
				t.Fatalf("got %v", err)
			}
		})
	}
}
