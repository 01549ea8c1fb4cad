package policy_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/policy"
)

type corpusLine struct{ ID, Class, SQL string }

func corpus(t testing.TB, name string) (out []corpusLine) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var l corpusLine
		if err := json.Unmarshal(sc.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		t.Fatal("no queries in " + name)
	}
	return out
}

// The hostile queries of the corpus must be refused by the compiler alone, under its policies cast into lattices.
func TestHostileQueriesAreRefused(t *testing.T) {
	r := corpusWorld(t)
	for _, l := range corpus(t, "must-refuse.jsonl") {
		r.SQL = l.SQL
		_, err := policy.Compile(r)
		var ref *policy.Refusal
		if !errors.As(err, &ref) {
			t.Errorf("%s (%s) is accepted: %s", l.ID, l.Class, l.SQL)
			continue
		}
		if ref.Rule == "" || ref.Code == "" || ref.Msg == "" || ref.Where.Line < 1 || ref.Where.Col < 1 {
			t.Errorf("%s: the refusal lacks rule, code, place or message: %+v", l.ID, ref)
		}
	}
}

// Alone, without contributor rules that would refuse first, one bank's data set is guarded by roles and grammar all the same.
func TestHostileQueriesOnOneDataSetAreRefusedByRoleOrGrammar(t *testing.T) {
	r := corpusWorld(t)
	for i, table := range r.Tables {
		if table.Pool == "" {
			m := table.Members[0]
			m.Policy = withoutContributors(t, m.Policy)
			r.Tables[i].Members = []policy.Source{m}
		}
	}
	for _, l := range corpus(t, "must-refuse.jsonl") {
		if l.Class == "contributor-dominance" {
			continue // these are refused for want of contributors alone
		}
		r.SQL = l.SQL
		if _, err := policy.Compile(r); err == nil {
			t.Errorf("%s (%s) is accepted: %s", l.ID, l.Class, l.SQL)
		}
	}
}

func withoutContributors(t *testing.T, p *policy.Policy) *policy.Policy {
	text := regexp.MustCompile(`(?s)  contributors:.*coalition: 1\n`).ReplaceAllString(string(p.Text()), "")
	out, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompileIsFast(t *testing.T) {
	r := corpusWorld(t)
	lines := corpus(t, "must-refuse.jsonl")
	for _, q := range accepted {
		lines = append(lines, corpusLine{SQL: q})
	}
	start := time.Now()
	for _, l := range lines {
		r.SQL = l.SQL
		_, _ = policy.Compile(r)
	}
	if mean := time.Since(start) / time.Duration(len(lines)); mean > 5*time.Millisecond {
		t.Errorf("%v a query on average, want under 5 ms", mean)
	}
}

// accepted queries of the corpus that this slice of the grammar covers.
var accepted = []string{
	"SELECT region, count(*) AS n, sum(balance) AS total FROM pool.loans GROUP BY region",
	"SELECT region, count(*) AS n, avg(balance) AS avg_balance FROM pool.loans WHERE region IN ('NORTH', 'SOUTH', 'EAST', 'WEST') GROUP BY region",
	"SELECT defaulted, count(*) AS n FROM pool.loans GROUP BY defaulted",
	"SELECT count(*), avg(balance) FROM pool.loans WHERE region = 'ISLES'",
	"SELECT product, sum(balance) / count(DISTINCT customer_id) AS per_customer FROM pool.loans GROUP BY product",
	"SELECT campaign, count(DISTINCT household_id) AS reach FROM media.views GROUP BY campaign ORDER BY 2 DESC",
	"SELECT sku, count(*) AS n FROM retailer.sales GROUP BY sku ORDER BY n LIMIT 3",
	"SELECT (((region))) AS region, (count(*)) AS n FROM pool.loans WHERE ((region = 'NORTH') OR (region = 'WEST')) GROUP BY 1",
	"SELECT coalesce(product, 'unknown') AS p, count(*) AS n FROM pool.loans WHERE product IN ('mortgage', 'auto') GROUP BY coalesce(product, 'unknown')",
	"SELECT product, CAST(avg(balance) AS INTEGER) AS a FROM pool.loans GROUP BY product",
	"SELECT region, count(*) AS n FROM pool.loans GROUP BY region HAVING count(*) BETWEEN 8 AND 8",
	"SELECT campaign FROM media.views GROUP BY campaign",
	"SELECT diagnosis, count(*) FROM pool.patients GROUP BY diagnosis;",
}

func TestLegitimateQueriesAreAccepted(t *testing.T) {
	r := corpusWorld(t)
	for _, q := range accepted {
		r.SQL = q
		if _, err := policy.Compile(r); err != nil {
			t.Errorf("%v\n%s", err, q)
		}
	}
}
