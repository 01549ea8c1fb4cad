package publishing

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/internal/party/publish"
)

const policy = `policy: 1
dataset: lineitem
unit: {column: line, rows_are_units: true}
columns:
  line: {roles: [unit]}
  l_returnflag: {roles: [dimension, filter], values: [A, "N", R]}
  l_linestatus: {roles: [dimension, filter], values: [F, O]}
  l_shipdate: {roles: [dimension, filter]}
  l_quantity: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000], scale: 2}
  l_extendedprice: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 1000000], scale: 2}
  l_discount: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 100], scale: 2}
  l_tax: {roles: [measure], aggregates: [count, sum, avg], clamp: [0, 100], scale: 2}
output: {lattice: [[l_returnflag], [l_linestatus], [l_shipdate]]}
guard:
  min_units: 10
  rounding: {count: 5, value_digits: 4}
purposes: [research]
analysts: [any]
operators: [cordon1dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2026-01-01, until: 2027-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

// source writes a small table in the shape of lineitem.
func source(t *testing.T, rows int) string {
	t.Helper()
	dec := &arrow.Decimal128Type{Precision: 15, Scale: 2}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "l_returnflag", Type: arrow.BinaryTypes.String}, {Name: "l_linestatus", Type: arrow.BinaryTypes.String}, {Name: "l_shipdate", Type: arrow.FixedWidthTypes.Date32},
		{Name: "l_quantity", Type: dec}, {Name: "l_extendedprice", Type: dec}, {Name: "l_discount", Type: dec}, {Name: "l_tax", Type: dec},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range rows {
		b.Field(0).(*array.StringBuilder).Append([]string{"A", "N", "R"}[i%3])
		b.Field(1).(*array.StringBuilder).Append([]string{"F", "O"}[i%2])
		b.Field(2).(*array.Date32Builder).Append(arrow.Date32FromTime(time.Date(1992, 1, 2+i%2000, 0, 0, 0, 0, time.UTC)))
		for c, n := range []uint64{uint64(100 + i%50), uint64(90000 + i*37%10000), uint64(i % 11), uint64(i % 9)} {
			b.Field(3 + c).(*array.Decimal128Builder).Append(decimal128.FromU64(n))
		}
	}
	path := filepath.Join(t.TempDir(), "lineitem.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(b.NewRecordBatch()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMeasure: every side writes, by turns, and what is measured is there. BENCH_SOURCE and BENCH_PYTHON measure a real table.
func TestMeasure(t *testing.T) {
	path, rounds := os.Getenv("BENCH_SOURCE"), 5
	if path == "" {
		path, rounds = source(t, 1000), 2
	}
	samples, err := Measure(t.Context(), Options{
		Request: publish.Request{Path: path, Dataset: "lineitem", Policy: []byte(policy), RowID: "line"},
		Dir:     t.TempDir(), Rounds: rounds, Python: os.Getenv("BENCH_PYTHON"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != rounds {
		t.Fatalf("%d samples", len(samples))
	}
	for _, s := range samples {
		t.Logf("sealed %+v checked %+v unchecked %+v pyarrow %+v", s.Sealed, s.Checked, s.Unchecked, s.PyArrow)
		if s.Sealed.Seconds <= 0 || s.Sealed.Bytes <= s.Checked.Bytes || s.Checked.Bytes != s.Unchecked.Bytes || s.Sealed.Rows < 1000 {
			t.Errorf("%+v", s)
		}
	}
}
