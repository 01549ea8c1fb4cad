package parquetfile

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/result"
)

func TestWrite(t *testing.T) {
	table := &result.Table{
		Columns: []result.Column{{Name: "b", Type: "boolean"}, {Name: "i", Type: "int32"}, {Name: "n", Type: "int64"}, {Name: "h", Type: "hugeint"}, {Name: "m", Type: "decimal(38,2)"},
			{Name: "s", Type: "varchar"}, {Name: "d", Type: "date"}, {Name: "at", Type: "timestamp"}, {Name: "x", Type: "double"}},
		Rows: [][]result.Value{
			{result.Of("true"), result.Of("-7"), result.Of("120"), result.Of("-99999999999999999999999999999999999999"), result.Of("-0.05"), result.Of("é"), result.Of("1969-12-31"), result.Of("2026-01-02T03:04:05.000006"), result.Of("1.5")},
			{result.Null(), result.Null(), result.Suppressed(), result.Null(), result.Suppressed(), result.Null(), result.Null(), result.Null(), result.Null()},
		},
		Suppressed: 5, Notes: []string{"one", "two"},
	}
	var buf bytes.Buffer
	if err := Write(&buf, table); err != nil {
		t.Fatal(err)
	}
	r, err := file.NewParquetReader(bytes.NewReader(buf.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if v := r.MetaData().KeyValueMetadata().FindValue("cordon.suppressed"); v == nil || *v != "5" {
		t.Error("no number of suppressed cells in the metadata")
	}
	arrowReader, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	got, err := arrowReader.ReadTable(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	want := map[string][]string{
		"b": {"true", "(null)"}, "i": {"-7", "(null)"}, "n": {"120", "(null)"}, "n suppressed": {"false", "true"}, "m": {"-0.05", "(null)"}, "m suppressed": {"false", "true"},
		"s": {"é", "(null)"}, "d": {"1969-12-31", "(null)"}, "at": {"2026-01-02T03:04:05.000006", "(null)"}, "x": {"1.5", "(null)"}, "h": {"-99999999999999999999999999999999999999", "(null)"},
	}
	if int(got.NumCols()) != len(want) {
		t.Fatalf("%d columns, want %d", got.NumCols(), len(want))
	}
	for i := range int(got.NumCols()) {
		name, column := got.Schema().Field(i).Name, got.Column(i).Data().Chunk(0)
		for row, text := range want[name] {
			s := column.ValueStr(row)
			if d, ok := column.(*array.Decimal128); ok && name == "h" && !d.IsNull(row) {
				s = d.Value(row).BigInt().String() // Arrow prints large decimals in exponent form
			}
			if s != text {
				t.Errorf("%s, row %d: %s, want %s", name, row, s, text)
			}
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	one := func(name string, typ result.Type, v result.Value) *result.Table {
		return &result.Table{Columns: []result.Column{{Name: name, Type: typ}}, Rows: [][]result.Value{{v}}}
	}
	clash := one("a", "int64", result.Suppressed())
	clash.Columns = append(clash.Columns, result.Column{Name: "a suppressed", Type: "int64"})
	clash.Rows[0] = append(clash.Rows[0], result.Null())
	for name, table := range map[string]*result.Table{
		"no table":             nil,
		"not canonical":        one("a", "int64", result.Of("01")),
		"hugeint of 39 digits": one("a", "hugeint", result.Of("1"+strings.Repeat("0", 38))),
		"a name like a flag":   clash,
	} {
		var buf bytes.Buffer
		if err := Write(&buf, table); err != result.ErrTable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
