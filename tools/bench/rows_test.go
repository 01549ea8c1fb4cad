package main

import (
	"context"
	"database/sql"
	"math"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/statement"
)

// A job that costs 90 ms and 0.1 ms for each thousand rows: what grows has slope 1, the whole job less.
func TestScaleSums(t *testing.T) {
	var all []*scaled
	for power := 6; power <= 8; power++ {
		s := &scaled{power: power}
		grows := math.Pow10(power - 4)
		r := &statement.Receipt{Clear: statement.Clear{Bytes: 5e8, PeakMemory: int64(5e8 + grows*2e5)}}
		for range 3 {
			s.add(&job{ms: 90 + grows, receipt: r, stages: map[string]float64{"open": 0.25 * grows, "run": 0.75 * grows, "hello": 50}})
		}
		s.plain = []float64{grows * grows, grows * grows, grows * grows}
		all = append(all, s)
	}
	f := scaleSums(all)
	if len(f) != 6 {
		t.Fatal(len(f))
	}
	if math.Abs(f[0].Value-1) > 1e-9 || f[0].Missed || f[0].N != 3 {
		t.Error(f[0].Line())
	}
	if f[1].Value > 0.95 || f[1].Missed {
		t.Error(f[1].Line())
	}
	if math.Abs(f[2].Value-2) > 1e-9 {
		t.Error(f[2].Line())
	}
	for i, missed := range []bool{false, false, true} { // 20 MB, 200 MB and 2 GB beyond
		if f[3+i].Missed != missed || math.Abs(f[3+i].Value-2e7*math.Pow10(i)) > 1 {
			t.Error(f[3+i].Line())
		}
	}
	if one := scaleSums(all[:1]); one[0].Failed == "" {
		t.Error("one size has a slope")
	}
}

// What is made has as many rows as were asked for, in all groups, within what lineitem's policy lists.
func TestMakeRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.parquet")
	if err := makeRows(t.Context(), path, 10_000); err != nil {
		t.Fatal(err)
	}
	err := withDuckDB(func(db *sql.DB) error {
		var n, groups, odd int64
		err := db.QueryRowContext(context.Background(), `SELECT count(*), count(DISTINCT l_returnflag || l_linestatus), count(*) FILTER (NOT coalesce(
			l_quantity BETWEEN 1 AND 50 AND l_extendedprice BETWEEN 900 AND 100900 AND l_discount BETWEEN 0 AND 0.1 AND l_tax BETWEEN 0 AND 0.08 AND
			l_shipdate BETWEEN DATE '1992-01-02' AND DATE '1998-12-01' AND l_orderkey < 2500, false)) FROM '`+path+`'`).Scan(&n, &groups, &odd)
		if n != 10_000 || groups != 6 || odd != 0 {
			t.Error(n, groups, odd)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
