package tpch

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

func queries(t *testing.T) []*Query {
	t.Helper()
	out, err := Queries(1)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func database(t *testing.T) *sql.DB {
	t.Helper()
	c, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// ask answers a query over empty tables that have only these columns.
func ask(t *testing.T, q *Query, columns map[string][]string) error {
	t.Helper()
	db := database(t)
	for _, table := range Tables() {
		var list []string
		for _, c := range table.Columns {
			if slices.Contains(columns[table.Name], c.Name) {
				list = append(list, c.Name+" "+c.Type)
			}
		}
		if len(list) == 0 {
			continue
		}
		if _, err := db.Exec(fmt.Sprintf("CREATE TABLE %s (%s)", table.Name, strings.Join(list, ", "))); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Query(q.SQL)
	if err != nil {
		return err
	}
	_, err = ReadRows(rows, q.Order)
	return err
}

// Each query's columns are enough for it, and none of them can be left out.
func TestColumnsAreNeeded(t *testing.T) {
	for _, q := range queries(t) {
		if err := ask(t, q, q.Columns); err != nil {
			t.Errorf("query %d: %v", q.Number, err)
		}
		for table, columns := range q.Columns {
			for i, c := range columns {
				fewer := map[string][]string{}
				for name, all := range q.Columns {
					fewer[name] = all
				}
				fewer[table] = slices.Delete(slices.Clone(columns), i, i+1)
				if ask(t, q, fewer) == nil {
					t.Errorf("Q%d does not need %s", q.Number, c)
				}
			}
		}
	}
}

// Where ORDER BY stands is checked against names that DuckDB gives the result.
func TestOrder(t *testing.T) {
	want := map[int][]string{
		1: {"l_returnflag", "l_linestatus"}, 2: {"s_acctbal", "n_name", "s_name", "p_partkey"}, 3: {"revenue", "o_orderdate"}, 4: {"o_orderpriority"},
		5: {"revenue"}, 7: {"supp_nation", "cust_nation", "l_year"}, 8: {"o_year"}, 9: {"nation", "o_year"}, 10: {"revenue"}, 11: {"value"},
		12: {"l_shipmode"}, 13: {"custdist", "c_count"}, 15: {"s_suppkey"}, 16: {"supplier_cnt", "p_brand", "p_type", "p_size"},
		18: {"o_totalprice", "o_orderdate"}, 20: {"s_name"}, 21: {"numwait", "s_name"}, 22: {"cntrycode"},
	}
	db := database(t)
	for _, table := range Tables() {
		var list []string
		for _, c := range table.Columns {
			list = append(list, c.Name+" "+c.Type)
		}
		if _, err := db.Exec(fmt.Sprintf("CREATE TABLE %s (%s)", table.Name, strings.Join(list, ", "))); err != nil {
			t.Fatal(err)
		}
	}
	for _, q := range queries(t) {
		rows, err := db.Query(q.SQL)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		var got []string
		for _, i := range q.Order {
			got = append(got, names[i])
		}
		if !slices.Equal(got, want[q.Number]) {
			t.Errorf("Q%d is ordered by %v, not %v", q.Number, got, want[q.Number])
		}
	}
}

func TestScale(t *testing.T) {
	large, err := Queries(10)
	if err != nil {
		t.Fatal(err)
	}
	small := queries(t)
	if !strings.Contains(small[10].SQL, "* 0.0001\n") || !strings.Contains(large[10].SQL, "* 0.00001\n") {
		t.Error("Q11's fraction does not follow the scale factor")
	}
}

func TestSame(t *testing.T) {
	r := func(order []int, rows ...[]string) *Rows { return &Rows{rows: rows, order: order} }
	for _, tc := range []struct {
		name string
		a, b *Rows
		ok   bool
	}{
		{"the same", r([]int{0}, []string{"1", "x"}, []string{"2", "y"}), r([]int{0}, []string{"1", "x"}, []string{"2", "y"}), true},
		{"another order where one was asked for", r([]int{0}, []string{"1", "x"}, []string{"2", "y"}), r([]int{0}, []string{"2", "y"}, []string{"1", "x"}), false},
		{"another order of what the order does not tell apart", r([]int{0}, []string{"1", "x"}, []string{"1", "y"}), r([]int{0}, []string{"1", "y"}, []string{"1", "x"}), true},
		{"another order where none was asked for", r(nil, []string{"1"}, []string{"2"}), r(nil, []string{"2"}, []string{"1"}), true},
		{"a float within its rounding", r(nil, []string{"1e+00"}), r(nil, []string{"1.0000000001e+00"}), true},
		{"a float beyond it", r(nil, []string{"1e+00"}), r(nil, []string{"1.00000001e+00"}), false},
		{"an exact number that is nearly the same", r(nil, []string{"1000000000000.01"}), r(nil, []string{"1000000000000.02"}), false},
		{"a row too few", r(nil, []string{"1"}), r(nil), false},
		{"one row twice for two", r(nil, []string{"1"}, []string{"1"}), r(nil, []string{"1"}, []string{"2"}), false},
	} {
		if err := Same(tc.a, tc.b); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	q := &Query{Number: 9, Rows: 1, First: []string{"A", "10.05"}}
	for _, tc := range []struct {
		name string
		row  []string
		ok   bool
	}{
		{"as the specification says", []string{"A", "10.05"}, true},
		{"with more digits", []string{"A", "1.0054e+01"}, true},
		{"another number", []string{"A", "10.07"}, false},
		{"another text", []string{"B", "10.05"}, false},
		{"a column too few", []string{"A"}, false},
	} {
		if err := q.Check(&Rows{rows: [][]string{tc.row}}); (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if q.Check(&Rows{}) == nil {
		t.Error("no rows are as the specification says")
	}
}
