package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/internal/party/rowsum"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// oddArrays are values on all sides of every bound, with NULL among them.
func oddArrays(t *testing.T) []arrow.Array {
	t.Helper()
	var out []arrow.Array
	ints := []int64{0, 1, -1, 7, 12, 99, 100, 101, -100, 1000, 999999999, 1e15, 1e17, -1e18, math.MaxInt64, math.MinInt64, firstDay, lastDay, lastDay + 1}
	i64, i16, u8 := array.NewInt64Builder(memory.DefaultAllocator), array.NewInt16Builder(memory.DefaultAllocator), array.NewUint8Builder(memory.DefaultAllocator)
	d0, d2, d5 := decimals(0), decimals(2), decimals(5)
	days := array.NewDate32Builder(memory.DefaultAllocator)
	f64, f32 := array.NewFloat64Builder(memory.DefaultAllocator), array.NewFloat32Builder(memory.DefaultAllocator)
	boolean := array.NewBooleanBuilder(memory.DefaultAllocator)
	for n, x := range ints {
		i64.Append(x)
		i16.Append(int16(x))
		u8.Append(uint8(x))
		days.Append(arrow.Date32(x))
		boolean.Append(x%2 == 0)
		for _, b := range []*array.Decimal128Builder{d0, d2, d5} {
			b.Append(decimal128.FromI64(x))
			b.Append(decimal128.FromI64(x).Mul(decimal128.FromI64(1000)))
		}
		f64.AppendValues([]float64{float64(x), float64(x) / 100, float64(n) * 0.1, float64(x) * 1.37}, nil)
		f32.Append(float32(x) / 3)
		if n%4 == 3 {
			for _, b := range []array.Builder{i64, i16, u8, d0, d2, d5, days, f64, f32, boolean} {
				b.AppendNull()
			}
		}
	}
	f64.AppendValues([]float64{math.Copysign(0, -1), 0.1 + 0.2, 1e300, math.NaN(), math.Inf(-1), 12.345, 123456789012.25}, nil)
	for _, b := range []array.Builder{i64, i16, u8, d0, d2, d5, days, f64, f32, boolean} {
		out = append(out, b.NewArray())
	}
	for _, unit := range []arrow.TimeUnit{arrow.Second, arrow.Millisecond, arrow.Microsecond, arrow.Nanosecond} {
		b := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: unit})
		for _, x := range ints {
			b.Append(arrow.Timestamp(x))
			b.Append(arrow.Timestamp(x / 1000 * 1000))
		}
		b.AppendNull()
		out = append(out, b.NewArray())
	}
	texts := []string{"", "0", "-0", "7", "12", "12.5", "12.50", "012", "1.", ".5", "1e3", "-", "1.2.3", "999999999999999999", "9999999999999999999", "0.001", "-99.99", "true", "false", "Small",
		"1970-01-01", "2024-02-29", "2023-02-29", "2000-02-29", "1900-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2024-13-01", "2024-1-01", "2024-04-31", "1990-01-08 10:00:00", "é", "a\xffb", "\xc3"}
	s := array.NewStringBuilder(memory.DefaultAllocator)
	view := array.NewStringViewBuilder(memory.DefaultAllocator)
	dict := array.NewDictionaryBuilder(memory.DefaultAllocator, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}).(*array.BinaryDictionaryBuilder)
	for range 2 {
		for _, x := range texts {
			s.Append(x)
			view.Append(x)
			if err := dict.AppendString(x); err != nil {
				t.Fatal(err)
			}
		}
		s.AppendNull()
		view.AppendNull()
		dict.AppendNull()
	}
	all := s.NewArray()
	return append(out, all, view.NewArray(), dict.NewArray(), array.NewSlice(all, 3, int64(all.Len())))
}

func decimals(scale int32) *array.Decimal128Builder {
	return array.NewDecimal128Builder(memory.DefaultAllocator, &arrow.Decimal128Type{Precision: 38, Scale: scale})
}

// TestFastIsPut: of every array, under every type and rule, whole runs give what single values give: the same values, and the same
// refusals.
func TestFastIsPut(t *testing.T) {
	var columns []column
	for _, typ := range []policy.Type{"boolean", "int64", "date", "timestamp", "double", "varchar", "decimal(18,2)", "decimal(9,0)", "decimal(5,3)"} {
		for _, nullable := range []bool{true, false} {
			c := column{Column: policy.Column{Name: "c", Type: typ, Nullable: nullable}}
			columns = append(columns, c)
			c.domain = map[string]bool{"7": true, "12.50": true, "Small": true, "true": true, "2024-02-29": true, "012": true, "": true}
			columns = append(columns, c)
			if kind := c.kind(); kind != rowgroup.Int64 && kind != rowgroup.Decimal {
				continue // has no measures
			}
			c.domain, c.measure = nil, &measure{lo: -100, hi: 10000, scale: 2}
			columns = append(columns, c)
			c.measure = &measure{lo: -1, hi: 12, keeps: true}
			columns = append(columns, c)
		}
	}
	fast := 0
	for _, arr := range oddArrays(t) {
		for i := range columns {
			c := &columns[i]
			b := tabular.BatchOf(arr)
			whole, single := newConverter(c, 0), newConverter(c, 0)
			var a, z rowgroup.Values
			for row := 0; row < arr.Len(); row++ {
				_, errA := whole.add(&a, b, row, arr.Len())
				before := z.Rows
				var errZ error
				for ; row < arr.Len() && errZ == nil; row++ {
					errZ = single.one(&z, b, row)
				}
				row-- // the loop goes on behind the row that was refused
				fast += z.Rows - before
				if fmt.Sprint(errA) != fmt.Sprint(errZ) {
					t.Fatalf("%s as %+v, row %d: %v, by itself %v", arr.DataType(), c, row, errA, errZ)
				}
			}
			if x, y := plainly(c, &a), plainly(c, &z); x != y || whole.outside != single.outside {
				t.Fatalf("%s as %+v:\n%s\nby itself\n%s", arr.DataType(), c, x, y)
			}
		}
	}
	if fast == 0 {
		t.Fatal("no value was taken")
	}
}

func plainly(c *column, v *rowgroup.Values) string {
	var texts []string
	for i := range v.Count(c.kind()) {
		if c.kind() == rowgroup.Text {
			texts = append(texts, string(v.At(i)))
		}
	}
	var doubles []uint64
	for _, x := range v.Doubles {
		doubles = append(doubles, math.Float64bits(x))
	}
	return fmt.Sprint(v.Rows, v.Present, v.Bools, v.Ints, doubles, fmt.Sprintf("%q", texts))
}

// header is what is digested of the columns of goodCSV that have a role.
func header() (out []byte) {
	for _, c := range [][2]string{{"cost", "decimal(18,2)"}, {"report_id", "varchar"}, {"size", "varchar"}} {
		out = append(out, statement.Frame("column", []byte(c[0]), []byte(c[1]))...)
	}
	return out
}

// TestContents: the digest of a table is what docs/spec/keyring.md says, over the product of its rows, which package rowsum tests.
func TestContents(t *testing.T) {
	tab, err := Read(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet)
	if err != nil {
		t.Fatal(err)
	}
	cost, id, size := rowgroup.Values{Rows: 4}, rowgroup.Values{Rows: 4}, rowgroup.Values{Rows: 4} // day has no role
	cost.Ints, cost.Present = []int64{0, 1250, -9999}, []bool{true, true, false, true}
	for i, word := range []string{"Small", "Large", "Medium", "Small"} {
		id.Text.Append(fmt.Sprintf("r%d", i+1))
		size.Text.Append(word)
	}
	s, err := rowsum.New(tab.contents.Key.BytesUnsafe(), []rowsum.Column{{Name: "cost", Kind: rowgroup.Decimal}, {Name: "report_id", Kind: rowgroup.Text}, {Name: "size", Kind: rowgroup.Text}})
	if err != nil {
		t.Fatal(err)
	}
	product := s.Of(4, []*rowgroup.Values{&cost, &id, &size}).Bytes()
	n := append(binary.BigEndian.AppendUint64(nil, 4), product[:]...)
	if want := dataset.Digest(sha256.Sum256(statement.Frame("cordon/rows/v2", header(), n))); tab.contents.Sum != want {
		t.Errorf("contents %x, want %x", tab.contents.Sum, want)
	}
	if tab.contents.Old != (dataset.Digest{}) {
		t.Error("digested in the old way, and nobody needs it")
	}
}

// oldContents is the digest of goodCSV in the old way, computed from its texts alone.
func oldContents() dataset.Digest {
	var sum [4]uint64
	for _, row := range [][]string{{"0.00", "r1", "Small"}, {"12.50", "r2", "Large"}, {"NULL", "r3", "Medium"}, {"-99.99", "r4", "Small"}} {
		h := sha256.New()
		for _, text := range row {
			var size [9]byte
			if text == "NULL" {
				h.Write(size[:])
				continue
			}
			size[0] = 1
			binary.BigEndian.PutUint64(size[1:], uint64(len(text)))
			h.Write(append(size[:], text...))
		}
		digest, carry := h.Sum(nil), uint64(0)
		for i := range sum {
			sum[i], carry = bits.Add64(sum[i], binary.BigEndian.Uint64(digest[8*i:]), carry)
		}
	}
	n := binary.BigEndian.AppendUint64(nil, 4)
	for _, s := range sum {
		n = binary.BigEndian.AppendUint64(n, s)
	}
	return sha256.Sum256(statement.Frame("cordon/rows/v1", header(), n))
}

// manyRows is a table of several row groups.
func manyRows(rows int) string {
	var b strings.Builder
	b.WriteString("Report,Wildlife Size,Day,Cost\n")
	for i := range rows {
		fmt.Fprintf(&b, "r%d,%s,19%02d-01-%02d,%d.25\n", i, []string{"Small", "Large", "Medium"}[i%3], i%90, 1+i%28, i%900)
	}
	return b.String()
}

// TestSeveralRowGroups: order, place of a fault and units are kept where many workers are at it, and the first fault is told.
func TestSeveralRowGroups(t *testing.T) {
	const rows = 3*rowGroup + 77
	good := manyRows(rows)
	r := request(write(t, "t.csv", []byte(good)))
	r.Schema = []Typed{{Column: "report_id", Type: "varchar"}, {Column: "size", Type: "varchar"}, {Column: "day", Type: "date"}}
	tab, err := Read(t.Context(), r, quiet)
	if err != nil {
		t.Fatal(err)
	}
	_, got := rowsOf(t, tab.Parquet)
	if len(got) != rows || tab.Rows != rows {
		t.Fatalf("%d rows", len(got))
	}
	for i := range got {
		if !strings.HasPrefix(got[i], fmt.Sprintf("r%d|", i)) {
			t.Fatalf("row %d is %s", i, got[i])
		}
	}
	lines := strings.SplitAfter(good, "\n")
	for name, c := range map[string]struct {
		change map[int]string // line, from 1: what it becomes
		want   string
	}{
		"unit of another row group": {map[int]string{300000: "r5,Small,1990-01-01,1\n"}, "line 300000, column report_id"},
		"the first of two":          {map[int]string{300000: "x,Small,1990-01-01,9999\n", 130000: "y,Small,1990-01-01,9999\n"}, "line 130000, column cost"},
		"a unit before a clamp":     {map[int]string{200001: "z,Small,1990-01-01,9999\n", 200000: "r7,Small,1990-01-01,1\n"}, "line 200000, column report_id"},
		"a clamp before a unit":     {map[int]string{200000: "z,Small,1990-01-01,9999\n", 200001: "r7,Small,1990-01-01,1\n"}, "line 200000, column cost"},
		"a row before a torn one":   {map[int]string{200000: "z,Small,1990-01-01,9999\n", 200001: "r7,Small\n"}, "line 200000, column cost"},
		"a torn one":                {map[int]string{200001: "r7,Small\n"}, "line 200001"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := slices.Clone(lines)
			for line, text := range c.change {
				bad[line-1] = text
			}
			r := r
			r.Path = write(t, "t.csv", []byte(strings.Join(bad, "")))
			if _, err := Read(t.Context(), r, quiet); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Read(ctx, r, func(Progress) { cancel() }); err == nil {
		t.Error("went on after it was cancelled")
	}
}

// TestBoundedMemory: four times the rows do not take more memory: no more than a few row groups are held.
func TestBoundedMemory(t *testing.T) {
	peak := func(groups int) uint64 {
		r := request(write(t, "t.parquet", wideParquet(t, groups*rowGroup)))
		r.Columns, r.RowID = []Rename{{"Cost", "cost"}, {"Size", "size"}, {"Day", "day"}}, "report_id"
		runtime.GC()
		var most uint64
		if _, err := WritePlain(t.Context(), r, discard{}, func(Progress) {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}); err != nil {
			t.Fatal(err)
		}
		return most
	}
	peak(2) // what is made once
	if few, many := peak(6), peak(24); many > few+few/2+8<<20 {
		t.Errorf("%d MB for 6 row groups, %d for 24", few>>20, many>>20)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func wideParquet(t *testing.T, rows int) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "Cost", Type: arrow.PrimitiveTypes.Int64}, {Name: "Size", Type: arrow.BinaryTypes.String}, {Name: "Day", Type: arrow.BinaryTypes.String},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range rows {
		b.Field(0).(*array.Int64Builder).Append(rnd.Int64N(1000))
		b.Field(1).(*array.StringBuilder).Append([]string{"Small", "Large", "Medium"}[rnd.IntN(3)])
		b.Field(2).(*array.StringBuilder).Append(fmt.Sprintf("text %d", rnd.Int64()))
	}
	return parquetFile(t, b.NewRecordBatch())
}

// TestSealIsRead: what is sealed opens to what Read gives, row group by row group.
func TestSealIsRead(t *testing.T) {
	p := newPublisher(t)
	r := request(write(t, "t.csv", []byte(manyRows(2*rowGroup+5))))
	v, err := p.Publish(t.Context(), r, quiet)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := p.open(t.Context(), v, quiet)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := Read(t.Context(), r, quiet)
	if err != nil {
		t.Fatal(err)
	}
	_, a := rowsOf(t, plain)
	_, b := rowsOf(t, tab.Parquet)
	if !slices.Equal(a, b) || len(a) != 2*rowGroup+5 {
		t.Errorf("%d rows, %d", len(a), len(b))
	}
	if bytes.Contains(p.ex.Objects[v.Body().Files[0].Object], []byte("Medium")) {
		t.Error("clear text in the lake")
	}
}
