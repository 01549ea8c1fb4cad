package engine

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

// BenchmarkRun compares a whole Run with the analyst's plain aggregate over the same memory file, in the same settings. The
// data is made by DuckDB: six million rows in the shape of TPC-H's lineitem.
func BenchmarkRun(b *testing.B) {
	ctx := context.Background()
	m := &market{policy: lineitemPolicy, schema: lineitemSchema, rows: make([][]row, 1), request: func(*policy.Request) {}}
	path := lineitem(b)
	for _, q := range []struct{ name, ours, plain string }{
		{"one sum", "SELECT l_returnflag, count(*) AS n, sum(l_extendedprice) AS price FROM owner0.strikes GROUP BY l_returnflag",
			"SELECT l_returnflag, count(*), sum(l_extendedprice) FROM read_parquet('%s') GROUP BY l_returnflag"},
		{"four means", "SELECT l_returnflag, count(*) AS n, avg(l_extendedprice) AS p, avg(l_quantity) AS q, avg(l_discount) AS d, avg(l_tax) AS t FROM owner0.strikes GROUP BY l_returnflag",
			"SELECT l_returnflag, count(*), avg(l_extendedprice), avg(l_quantity), avg(l_discount), avg(l_tax) FROM read_parquet('%s') GROUP BY l_returnflag"},
	} {
		plan := m.compile(b, q.ours)
		file := columnsFile(b, path, plan.Sources[0].Columns)
		b.Run(q.name+"/plain", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				e := bind(b, file)
				b.StartTimer()
				if err := e.query(ctx, fmt.Sprintf(q.plain, file), 10, func([]driver.Value) error { return nil }); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				e.Close()
				b.StartTimer()
			}
		})
		b.Run(q.name+"/run", func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				e := bind(b, file)
				b.StartTimer()
				if _, err := e.Run(ctx, plan); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				e.Close()
				b.StartTimer()
			}
		})
	}
}

// maker is an engine that may write, for test data only.
func maker(b *testing.B) *Engine { return open(b) }

func lineitem(b *testing.B) string {
	path := b.TempDir() + "/lineitem.parquet"
	err := maker(b).exec(context.Background(), `COPY (SELECT
		(1 + hash(i) % 50)::DECIMAL(15,2) AS l_quantity, ((90000 + hash(i, 1) % 10000000) / 100)::DECIMAL(15,2) AS l_extendedprice,
		((hash(i, 2) % 11) / 100)::DECIMAL(15,2) AS l_discount, ((hash(i, 3) % 9) / 100)::DECIMAL(15,2) AS l_tax,
		['A', 'N', 'R'][(1 + hash(i, 4) % 3)::BIGINT] AS l_returnflag, i AS l_id FROM range(6000000) t(i)) TO '`+path+`' (COMPRESSION zstd)`)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// columnsFile is a memory file with some columns of a file, as opening leaves them.
func columnsFile(b *testing.B, path string, names []string) string {
	part := b.TempDir() + "/part.parquet"
	list := ""
	for i, n := range names {
		if i > 0 {
			list += ", "
		}
		list += n
	}
	if err := maker(b).exec(context.Background(), "COPY (SELECT "+list+" FROM '"+path+"') TO '"+part+"' (COMPRESSION zstd)"); err != nil {
		b.Fatal(err)
	}
	content, err := os.ReadFile(part)
	if err != nil {
		b.Fatal(err)
	}
	return memFile(b, content)
}

const lineitemPolicy = `
policy: 1
dataset: strikes
unit: {column: l_id, rows_are_units: true}
columns:
  l_id: {roles: [unit]}
  l_returnflag: {roles: [dimension]}
  l_quantity: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1000], scale: 2}
  l_extendedprice: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1000000], scale: 2}
  l_discount: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1], scale: 2}
  l_tax: {roles: [measure], aggregates: [sum, avg, count], clamp: [0, 1], scale: 2}
output: {lattice: [[l_returnflag]]}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}} # %s
purposes: [safety]
analysts: [any]
operators: [` + outsider + `]
evidence: {accept: [simulated], builds: [sha256:0000000000000000000000000000000000000000000000000000000000000000], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

var lineitemSchema = []policy.Column{
	{Name: "l_id", Type: policy.Int64}, {Name: "l_returnflag", Type: policy.Varchar}, {Name: "l_quantity", Type: policy.Decimal(15, 2)},
	{Name: "l_extendedprice", Type: policy.Decimal(15, 2)}, {Name: "l_discount", Type: policy.Decimal(15, 2)}, {Name: "l_tax", Type: policy.Decimal(15, 2)},
}
