package pme_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/cordon-exchange/cordon/pme"
)

var ctx = context.Background()

// testKey makes a key of n bytes that differs by name.
func testKey(name string, n int) []byte {
	b := bytes.Repeat([]byte{byte(n)}, n)
	copy(b, name)
	binary.LittleEndian.PutUint16(b[n-2:], uint16(len(name)))
	return b
}

// sampleSchema has flat columns of many types, and every way of nesting.
func sampleSchema() *arrow.Schema {
	point := arrow.StructOf(
		arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		arrow.Field{Name: "label", Type: arrow.BinaryTypes.String, Nullable: true})
	return arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "flag", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "small", Type: arrow.PrimitiveTypes.Int16, Nullable: true},
		{Name: "ratio", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "price", Type: &arrow.Decimal128Type{Precision: 12, Scale: 2}, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "place", Type: point, Nullable: true},
		{Name: "route", Type: arrow.ListOf(point), Nullable: true},
		{Name: "props", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
	}, nil)
}

// sampleLeaves are the leaf columns of sampleSchema as Parquet names them.
func sampleLeaves() []string {
	return []string{"id", "flag", "small", "ratio", "name", "city", "price", "day", "at", "tags.list.element",
		"place.x", "place.label", "route.list.element.x", "route.list.element.label", "props.key_value.key",
		"props.key_value.value"}
}

// sampleTable fills sampleSchema with rows from a fixed seed, nulls among them.
func sampleTable(t testing.TB, rows int) arrow.Table {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	null := func(s string) string {
		if r.IntN(7) == 0 {
			return "null"
		}
		return s
	}
	point := func() string {
		return null(fmt.Sprintf(`{"x":%s,"label":%s}`, null(fmt.Sprint(r.IntN(100))), null(fmt.Sprintf("%q", fmt.Sprint("p", r.IntN(9))))))
	}
	list := func(item func() string) string {
		var items []string
		for range r.IntN(4) {
			items = append(items, item())
		}
		return null("[" + strings.Join(items, ",") + "]")
	}
	var b strings.Builder
	b.WriteByte('[')
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		props := list(func() string { return fmt.Sprintf(`{"key":"k%d","value":%s}`, r.Int64(), null(fmt.Sprint(r.IntN(50)))) })
		fmt.Fprintf(&b, `{"id":%d,"flag":%s,"small":%s,"ratio":%s,"name":%s,"city":%s,"price":%s,"day":%s,"at":%s,"tags":%s,"place":%s,"route":%s,"props":%s}`,
			i, null("true"), null(fmt.Sprint(r.IntN(3000)-1500)), null(fmt.Sprint(r.Float32())),
			null(fmt.Sprintf("%q", fmt.Sprint("name ", r.Int64()))), null(fmt.Sprintf("%q", []string{"Oslo", "Rome", "Lima"}[r.IntN(3)])),
			null(fmt.Sprintf(`"%d.%02d"`, r.IntN(100000), r.IntN(100))), null(fmt.Sprintf(`"20%02d-0%d-1%d"`, r.IntN(30), 1+r.IntN(9), r.IntN(10))),
			null(fmt.Sprintf(`"2024-05-0%dT0%d:00:00.%06dZ"`, 1+r.IntN(9), r.IntN(10), r.IntN(1000000))),
			list(func() string { return null(fmt.Sprintf("%q", fmt.Sprint("t", r.IntN(20)))) }), point(), list(point), props)
	}
	b.WriteByte(']')
	tbl, err := array.TableFromJSON(memory.DefaultAllocator, sampleSchema(), []string{b.String()})
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// writeTable writes a table with arrow-go, encrypted if enc is not nil.
func writeTable(t testing.TB, tbl arrow.Table, rowGroup int64, enc *parquet.FileEncryptionProperties, props ...parquet.WriterProperty) []byte {
	t.Helper()
	if enc != nil {
		props = append(props, parquet.WithEncryptionProperties(enc))
	}
	var buf bytes.Buffer
	err := pqarrow.WriteTable(tbl, &buf, rowGroup, parquet.NewWriterProperties(props...),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// readTable reads a file with arrow-go, decrypting if dec is not nil.
func readTable(t testing.TB, b []byte, dec *parquet.FileDecryptionProperties) arrow.Table {
	t.Helper()
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.FileDecryptProps = dec
	tbl, err := pqarrow.ReadTable(ctx, bytes.NewReader(b), props, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	return tbl
}

// sameTable compares values and types, but neither chunks nor schema metadata.
func sameTable(t testing.TB, got, want arrow.Table) {
	t.Helper()
	if got.NumRows() != want.NumRows() || got.NumCols() != want.NumCols() {
		t.Fatalf("got %d rows of %d columns, want %d of %d", got.NumRows(), got.NumCols(), want.NumRows(), want.NumCols())
	}
	for i := range int(want.NumCols()) {
		g, w := got.Column(i), want.Column(i)
		if g.Name() != w.Name() || !arrow.TypeEqual(g.DataType(), w.DataType()) {
			t.Fatalf("column %d is %s %s, want %s %s", i, g.Name(), g.DataType(), w.Name(), w.DataType())
		}
		if !array.ChunkedEqual(g.Data(), w.Data()) {
			t.Errorf("column %s differs", w.Name())
		}
	}
}

// sealed is a sealed file with all that one needs to open it.
type sealed struct {
	plain, file []byte
	keys        pme.Keys
	prefix      []byte
}

func sampleKeys(size int) pme.Keys {
	k := pme.Keys{Footer: testKey("footer", size), Columns: map[string][]byte{}}
	for _, l := range sampleLeaves() {
		k.Columns[l] = testKey(l, size)
	}
	return k
}

// sealSample seals a sample of these rows, in row groups of half of them, with every feature that arrow-go writes.
func sealSample(t testing.TB, rows int, props ...parquet.WriterProperty) sealed {
	t.Helper()
	props = append([]parquet.WriterProperty{parquet.WithPageIndexEnabled(true), parquet.WithCompression(compress.Codecs.Snappy)}, props...)
	return sealBytes(t, writeTable(t, sampleTable(t, rows), int64(rows+1)/2, nil, props...), sampleKeys(32))
}

func sealBytes(t testing.TB, plain []byte, keys pme.Keys) sealed {
	t.Helper()
	s := sealed{plain: plain, keys: keys, prefix: []byte("samples/1/0")}
	var buf bytes.Buffer
	res, err := pme.Seal(ctx, bytes.NewReader(plain), int64(len(plain)), &buf, pme.SealOptions{Keys: keys, AADPrefix: s.prefix})
	if err != nil {
		t.Fatal(err)
	}
	if res.Size != int64(buf.Len()) {
		t.Fatalf("size is %d, want %d", res.Size, buf.Len())
	}
	s.file = buf.Bytes()
	return s
}

// options opens everything, as strictly as it gets.
func (s sealed) options() pme.OpenOptions {
	return pme.OpenOptions{Keys: s.keys, AADPrefix: s.prefix, AllWithKeys: true}
}

func openAll(b []byte, opt pme.OpenOptions) ([]byte, error) {
	out, _, err := pme.Open(ctx, pme.Bytes(b), int64(len(b)), opt)
	return out, err
}

func mustOpen(t testing.TB, b []byte, opt pme.OpenOptions) []byte {
	t.Helper()
	out, err := openAll(b, opt)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
