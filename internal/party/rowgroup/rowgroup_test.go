package rowgroup

import (
	"bytes"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/parquet-go/parquet-go/format"
)

// shapes are values that lead to each encoding, and to the ends of each.
var shapes = map[string]func(r *rand.Rand, i int) int64{
	"constant":    func(*rand.Rand, int) int64 { return 42 },
	"few":         func(r *rand.Rand, _ int) int64 { return r.Int64N(5) - 2 },
	"runs":        func(_ *rand.Rand, i int) int64 { return int64(i / 100 % 7) },
	"few and far": func(r *rand.Rand, _ int) int64 { return (r.Int64N(30) - 15) * 1e10 },
	"ascending":   func(_ *rand.Rand, i int) int64 { return int64(i) * 3 },
	"near":        func(r *rand.Rand, _ int) int64 { return r.Int64N(60000) },
	"wide":        func(r *rand.Rand, _ int) int64 { return int64(r.Uint64()) },
	"ends":        func(_ *rand.Rand, i int) int64 { return []int64{math.MinInt64, math.MaxInt64, 0, int64(i)}[i%4] },
}

func columnsOf(nullable bool) (out []Column) {
	for _, c := range []Column{
		{Name: "b", Kind: Boolean}, {Name: "i", Kind: Int64}, {Name: "d", Kind: Decimal, Precision: 18, Scale: 2}, {Name: "n", Kind: Decimal, Precision: 9, Scale: 3},
		{Name: "day", Kind: Date}, {Name: "ts", Kind: Timestamp}, {Name: "f", Kind: Double}, {Name: "t", Kind: Text},
	} {
		c.Nullable = nullable
		out = append(out, c)
	}
	return out
}

// fill makes values of a shape, and the text of each row as it should be read.
func fill(c *Column, v *Values, rows, nulls int, value func(i int) int64) (texts []string) {
	v.Reset()
	v.Rows = rows
	if nulls > 0 {
		v.Present = make([]bool, rows)
	}
	for i := range rows {
		if nulls > 0 && i%nulls == 0 {
			texts = append(texts, "NULL")
			continue
		}
		if nulls > 0 {
			v.Present[i] = true
		}
		x := value(i)
		switch c.Kind {
		case Boolean:
			v.Bools = append(v.Bools, x%2 == 0)
			texts = append(texts, fmt.Sprint(x%2 == 0))
			continue
		case Double:
			v.Doubles = append(v.Doubles, float64(x)/8)
			texts = append(texts, fmt.Sprint(float64(x)/8))
			continue
		case Text:
			s := fmt.Sprintf("t%d%s", x, strings.Repeat("é", int(uint64(x)%9)))
			v.Text.Append(s)
			texts = append(texts, s)
			continue
		case Decimal:
			x %= int64(math.Pow10(c.Precision))
		case Date:
			x %= 700000
		case Timestamp:
			x %= 1e15
		}
		v.Ints = append(v.Ints, x)
		texts = append(texts, fmt.Sprint(x))
	}
	return texts
}

// TestRead: two readers that are not ours read every shape as it was, with and without NULL, of one row and of many.
func TestRead(t *testing.T) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, shape := range shapes {
		for _, rows := range []int{1, 7, 129, 9000} {
			for _, nulls := range []int{-1, 0, 1, 3} { // -1: a column that has none, by its schema
				t.Run(fmt.Sprintf("%s/%d/%d", name, rows, nulls), func(t *testing.T) {
					columns := columnsOf(nulls >= 0)
					e, err := NewEncoder(columns)
					if err != nil {
						t.Fatal(err)
					}
					var out bytes.Buffer
					f, err := NewFile(&out, columns)
					if err != nil {
						t.Fatal(err)
					}
					want := make([][]string, len(columns))
					values := make([]*Values, len(columns))
					for range 2 { // row groups
						r := rand.New(rand.NewPCG(1, uint64(rows)))
						for i := range columns {
							if values[i] == nil {
								values[i] = &Values{}
							}
							want[i] = append(want[i], fill(&columns[i], values[i], rows, nulls, func(n int) int64 { return shape(r, n) })...)
						}
						var g Group
						if err := e.Encode(&g, values); err != nil {
							t.Fatal(err)
						}
						if err := f.Append(&g); err != nil {
							t.Fatal(err)
						}
					}
					if err := f.Close(); err != nil {
						t.Fatal(err)
					}
					path := filepath.Join(t.TempDir(), "f.parquet")
					if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
						t.Fatal(err)
					}
					byDuckDB(t, db, path, want)
					byArrow(t, out.Bytes(), columns, want)
				})
			}
		}
	}
}

func byDuckDB(t *testing.T, db *sql.DB, path string, want [][]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT b::VARCHAR, i, (d::DECIMAL(38,2) * 100)::DECIMAL(38,0)::VARCHAR, (n::DECIMAL(38,3) * 1000)::DECIMAL(38,0)::VARCHAR,
		day - DATE '1970-01-01', epoch_us(ts), f, t FROM read_parquet('`+path+`')`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		got := make([]any, len(want))
		at := make([]any, len(want))
		for i := range got {
			at[i] = &got[i]
		}
		if err := rows.Scan(at...); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			text := "NULL"
			if got[i] != nil {
				text = fmt.Sprint(got[i])
			}
			if n >= len(want[i]) || text != want[i][n] {
				t.Fatalf("DuckDB reads row %d, column %d as %q", n, i, text)
			}
		}
	}
	if err := rows.Err(); err != nil || n != len(want[0]) {
		t.Fatalf("DuckDB reads %d rows of %d: %v", n, len(want[0]), err)
	}
}

func byArrow(t *testing.T, b []byte, columns []Column, want [][]string) {
	t.Helper()
	pf, err := file.NewParquetReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := fr.ReadTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range columns {
		var nulls int
		for _, w := range want[i] {
			if w == "NULL" {
				nulls++
			}
		}
		if col := tab.Column(i); col.Len() != len(want[i]) || col.NullN() != nulls || tab.Schema().Field(i).Nullable != columns[i].Nullable {
			t.Errorf("arrow reads column %s with %d values, %d NULL", columns[i].Name, col.Len(), col.NullN())
		}
	}
	text := tab.Column(len(columns) - 1)
	var got []string
	for _, chunk := range text.Data().Chunks() {
		for i := range chunk.Len() {
			if chunk.IsNull(i) {
				got = append(got, "NULL")
			} else {
				got = append(got, chunk.ValueStr(i))
			}
		}
	}
	if !slices.Equal(got, want[len(columns)-1]) {
		t.Error("arrow reads other texts")
	}
}

// TestPages: texts of more than a page are split, and nothing is lost at the seams.
func TestPages(t *testing.T) {
	columns := []Column{{Name: "t", Kind: Text, Nullable: true}}
	e, err := NewEncoder(columns)
	if err != nil {
		t.Fatal(err)
	}
	v := &Values{Rows: 3000, Present: make([]bool, 3000)}
	var want []string
	for i := range v.Rows {
		if i%5 == 0 {
			want = append(want, "NULL")
			continue
		}
		s := fmt.Sprintf("%d%s", i, strings.Repeat("x", i))
		v.Present[i] = true
		v.Text.Append(s)
		want = append(want, s)
	}
	var g Group
	if err := e.Encode(&g, []*Values{v}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f, err := NewFile(&out, columns)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Append(&g); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	byArrow(t, out.Bytes(), columns, [][]string{want})
}

// TestRefuses: what does not fill its rows is not written.
func TestRefuses(t *testing.T) {
	e, err := NewEncoder([]Column{{Name: "i", Kind: Int64}})
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string][]*Values{
		"no column":   {},
		"too few":     {{Rows: 2, Ints: []int64{1}}},
		"too many":    {{Rows: 1, Ints: []int64{1, 2}}},
		"NULL":        {{Rows: 1, Present: []bool{false}}},
		"other rows":  {{Rows: 2, Ints: []int64{1, 2}, Present: []bool{true}}},
		"two columns": {{Rows: 1, Ints: []int64{1}}, {Rows: 1, Ints: []int64{1}}},
	} {
		if err := e.Encode(&Group{}, v); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

// TestCodec: zstd is left out where it takes little off, and kept where it takes much, for all pages of a chunk alike.
func TestCodec(t *testing.T) {
	const rows = 20000
	r := rand.New(rand.NewPCG(1, 2))
	order := int64(0)
	for name, c := range map[string]struct {
		value func(i int) int64
		codec format.CompressionCodec
		enc   format.Encoding
		most  int // bits for each value
	}{
		"numbered":              {func(i int) int64 { return int64(i) }, format.Zstd, format.DeltaBinaryPacked, 1},
		"keys of several lines": {func(int) int64 { order += (r.Int64N(4) + 1) / 4; return order/8*32 + order%8 }, format.Uncompressed, format.DeltaBinaryPacked, 6},
		"in any order":          {func(int) int64 { return r.Int64N(200000) }, format.Uncompressed, format.DeltaBinaryPacked, 20},
		"wide and repeated":     {func(i int) int64 { return int64(i%5000) * 1e15 }, format.Zstd, format.DeltaBinaryPacked, 20},
		"few, in any order":     {func(int) int64 { return r.Int64N(64) }, format.Uncompressed, format.RLEDictionary, 7},
		"few, repeated":         {func(i int) int64 { return int64(i % 64) }, format.Zstd, format.RLEDictionary, 1},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := NewEncoder([]Column{{Name: "i", Kind: Int64}})
			if err != nil {
				t.Fatal(err)
			}
			v := &Values{Rows: rows}
			for i := range rows {
				v.Ints = append(v.Ints, c.value(i))
			}
			var g Group
			if err := e.Encode(&g, []*Values{v}); err != nil {
				t.Fatal(err)
			}
			m := g.chunks[0].MetaData
			if m.Codec != c.codec || !slices.Contains(m.Encoding, c.enc) || 8*g.Size() > c.most*rows {
				t.Errorf("codec %v, encodings %v, %.1f bits a value", m.Codec, m.Encoding, 8*float64(g.Size())/rows)
			}
			if same := m.TotalCompressedSize == m.TotalUncompressedSize; same != (c.codec == format.Uncompressed) {
				t.Errorf("%d bytes of %d under %v", m.TotalCompressedSize, m.TotalUncompressedSize, m.Codec)
			}
		})
	}
	e, err := NewEncoder([]Column{{Name: "t", Kind: Text}})
	if err != nil {
		t.Fatal(err)
	}
	v := &Values{Rows: rows}
	for range rows {
		v.Text.Append(fmt.Sprintf("%016x", r.Uint64()))
	}
	var g Group
	if err := e.Encode(&g, []*Values{v}); err != nil || g.chunks[0].MetaData.Codec != format.Zstd {
		t.Errorf("texts: %v, %v", g.chunks[0].MetaData.Codec, err)
	}
}
