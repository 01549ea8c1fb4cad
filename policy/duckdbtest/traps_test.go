package duckdbtest

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// trap is something that DuckDB does and that no analyst may reach: what it shows when asked directly, and the query by which an
// analyst would ask.
type trap struct {
	raw    string // over table loans
	shows  string // what of it, in a row or an error
	sql    string // over pool.loans
	refuse string // rule/code
}

var traps = map[string]trap{
	"max(x, n) gives the largest values":             {"SELECT max(balance, 2) FROM loans", "999.25", "SELECT max(balance, 2) FROM pool.loans", "aggregates/"},
	"SUMMARIZE is a table":                           {"SELECT min, max FROM (SUMMARIZE SELECT balance FROM loans)", "999.25", "SELECT min FROM (SUMMARIZE SELECT balance FROM pool.loans)", "grammar/statement"},
	"a cast's error quotes the value":                {"SELECT sum(CAST(region AS INTEGER)) FROM loans", "'north'", "SELECT sum(CAST(region AS INTEGER)) FROM pool.loans", "grammar/"},
	"an alias list gives columns other names":        {"SELECT sum(length(balance)) FROM loans AS t(balance, x, y)", "8", "SELECT sum(balance) FROM pool.loans AS t(balance, x, y)", "grammar/"},
	"a table's name is its row":                      {"SELECT loans FROM loans", "customer_id:C1", "SELECT loans FROM pool.loans", "columns/"},
	"rowid is a column that nobody declared":         {"SELECT max(rowid) FROM loans", "3", "SELECT sum(rowid) FROM pool.loans", "columns/"},
	"catalog functions list columns":                 {"SELECT column_name FROM duckdb_columns() WHERE table_name = 'loans'", "balance", "SELECT column_name FROM duckdb_columns()", "grammar/"},
	"the information schema is a schema":             {"SELECT column_name FROM information_schema.columns", "balance", "SELECT column_name FROM information_schema.columns", "tables/"},
	"a file is a table":                              {"SELECT count(*) FROM read_text('/etc/passwd')", "1", "SELECT count(*) FROM read_text('/etc/passwd')", "grammar/"},
	"query() runs a text":                            {"SELECT * FROM query('SELECT balance FROM loans')", "999.25", "SELECT * FROM query('SELECT balance FROM pool.loans')", "grammar/"},
	"VALUES make up rows":                            {"SELECT sum(a) FROM (VALUES (7), (8)) t(a)", "15", "SELECT sum(a) FROM (VALUES (7), (8)) t(a)", "grammar/"},
	"stats() prints the least and the largest value": {"SELECT stats(balance) FROM loans LIMIT 1", "999.25", "SELECT stats(balance) FROM pool.loans", "columns/"},
	"LIMIT takes a query":                            {"SELECT region FROM loans LIMIT (SELECT count(*) FROM loans WHERE balance > 900)", "north", "SELECT region, count(*) FROM pool.loans GROUP BY region LIMIT (SELECT count(*) FROM pool.loans)", "grammar/"},
	"COLUMNS runs over all columns":                  {"SELECT max(COLUMNS(*)) FROM loans", "C4", "SELECT max(COLUMNS(*)) FROM pool.loans", "grammar/"},
	"a lambda picks values out of a list":            {"SELECT list_filter(list(balance), lambda x: x > 900) FROM loans", "999.25", "SELECT list_filter(list(balance), lambda x: x > 900) FROM pool.loans", "grammar/"},
	"USING SAMPLE picks rows":                        {"SELECT count(*) FROM loans USING SAMPLE 1 ROWS", "1", "SELECT count(*) FROM pool.loans USING SAMPLE 1 ROWS", "grammar/"},
}

const purpose = "benchmarking"

// TestTraps: each trap is there in this version of DuckDB, and the compiler refuses the query that would step into it, with a
// refusal that says nothing of the data.
func TestTraps(t *testing.T) {
	db := open(t)
	exec(t, db, "CREATE TABLE loans (customer_id VARCHAR, region VARCHAR, balance DECIMAL(12,2))")
	exec(t, db, "INSERT INTO loans VALUES ('C1', 'north', 10.00), ('C2', 'north', 20.00), ('C3', 'south', 30.00), ('C4', 'south', 999.25)")
	r := freeWorld(t)
	r.Purpose = purpose
	for name, c := range traps {
		t.Run(name, func(t *testing.T) {
			if got := shown(t, db, c.raw); !strings.Contains(got, c.shows) {
				t.Errorf("DuckDB shows %q: no trap any more?", got)
			}
			r := r
			r.SQL = c.sql
			_, err := policy.Compile(r)
			var ref *policy.Refusal
			if !errors.As(err, &ref) || !strings.HasPrefix(ref.Rule+"/"+ref.Code, c.refuse) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(ref.Error()+ref.Hint, "999.25") || strings.Contains(ref.Error()+ref.Hint, "C4") {
				t.Errorf("the refusal quotes data: %s", ref)
			}
		})
	}
}

// TestTextIsNoBoundary: that a text serialises as a SELECT says nothing about what it is.
func TestTextIsNoBoundary(t *testing.T) {
	db := open(t)
	for _, text := range []string{
		"SUMMARIZE SELECT 1", "VALUES (1)", "SHOW TABLES", "DESCRIBE SELECT 1", "FROM duckdb_settings()", "SELECT 1; SELECT 2",
	} {
		var got string
		if err := db.QueryRow("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", text).Scan(&got); err != nil || !strings.Contains(got, `"error":false`) {
			t.Errorf("%s: %v, %.60s: no trap any more?", text, err, got)
		}
		r := freeWorld(t)
		r.SQL, r.Purpose = text, purpose
		if _, err := policy.Compile(r); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

// TestOperatorsAreFunctions: a macro in the engine can take the place of sum and of +, and does not in canonical text.
func TestOperatorsAreFunctions(t *testing.T) {
	db := open(t)
	refs := fixture(t, db)
	exec(t, db, `CREATE MACRO "+"(a, b) AS a - b`)
	exec(t, db, `CREATE MACRO sum(x) AS max(x)`)
	if got := shown(t, db, "SELECT sum(x) + 1 FROM (SELECT unnest([5, 7]) AS x)"); !strings.Contains(got, "6") {
		t.Errorf("got %q: no trap any more?", got)
	}
	plan := compile(t, parsed(t, "strikes.yaml"), "SELECT size, sum(cost), count(cost) FROM pool.strikes GROUP BY size")
	fresh := open(t)
	if with, without := scanned(t, db, plan, refs), scanned(t, fresh, plan, fixture(t, fresh)); !sameRows(with, without) {
		t.Errorf("%q, and without the macros %q", with, without)
	}
}

// shown is what a query gives, values and error in one text.
func shown(t *testing.T, db *sql.DB, q string) string {
	t.Helper()
	list, err := db.Query(q)
	if err != nil {
		return err.Error()
	}
	defer list.Close()
	names, err := list.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for list.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := list.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			fmt.Fprintf(&out, "%v ", v)
		}
	}
	if err := list.Err(); err != nil {
		out.WriteString(err.Error())
	}
	return out.String()
}

func sameRows(a, b []string) bool {
	count := map[string]int{}
	for _, x := range a {
		count[x]++
	}
	for _, x := range b {
		count[x]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}
