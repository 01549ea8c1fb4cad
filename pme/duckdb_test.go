//go:build cgo && linux

package pme_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
)

func duck(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// openMemfile opens columns into a write-sealed memory file.
func openMemfile(t testing.TB, file []byte, opt pme.OpenOptions) *memfile.File {
	t.Helper()
	p, err := pme.ReadPlan(pme.Bytes(file), int64(len(file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	f, err := memfile.Create("columns", p.MaxOutput())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	res, err := p.Run(ctx, pme.Bytes(file), f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(res.Size); err != nil {
		t.Fatal(err)
	}
	return f
}

// sameRows: columns of the two files have the same rows, as bags, in DuckDB's eyes.
func sameRows(t *testing.T, db *sql.DB, got, want, columns string) {
	t.Helper()
	for _, q := range [][2]string{{got, want}, {want, got}} {
		var n int
		err := db.QueryRow(fmt.Sprintf(`SELECT count(*) FROM (SELECT %[3]s FROM read_parquet('%[1]s') EXCEPT ALL SELECT %[3]s FROM read_parquet('%[2]s'))`,
			q[0], q[1], columns)).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n != 0 {
			t.Errorf("%d rows differ", n)
		}
	}
}

// TestDuckDBReads: DuckDB's own reader sees in the opened memory file what it sees in the plain file.
func TestDuckDBReads(t *testing.T) {
	db := duck(t)
	for name, props := range writerVariants() {
		t.Run(name, func(t *testing.T) {
			s := sealSample(t, 1500, props...)
			plain := filepath.Join(t.TempDir(), "plain.parquet")
			if err := os.WriteFile(plain, s.plain, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run("all columns", func(t *testing.T) {
				sameRows(t, db, openMemfile(t, s.file, s.options()).Path(), plain, "*")
			})
			t.Run("long headers", func(t *testing.T) {
				opt := s.options()
				opt.HeaderRoom = 256
				sameRows(t, db, openMemfile(t, s.file, opt).Path(), plain, "*")
			})
			for _, cols := range [][]string{{"id", "price"}, {"tags"}, {"place"}, {"route", "props"}, {"city", "at", "day", "flag"}} {
				t.Run(fmt.Sprint(cols), func(t *testing.T) {
					opt := s.options()
					opt.AllWithKeys, opt.Columns = false, cols
					f := openMemfile(t, s.file, opt)
					sameRows(t, db, f.Path(), plain, `"`+strings.Join(cols, `","`)+`"`)
					var n int
					err := db.QueryRow(`SELECT count(*) FROM (DESCRIBE SELECT * FROM read_parquet('` + f.Path() + `'))`).Scan(&n)
					if err != nil || n != len(cols) {
						t.Errorf("%d columns, want %d: %v", n, len(cols), err)
					}
				})
			}
		})
	}
}

// TestDuckDBReadsPartOfStruct: a struct with one field left is a struct with one field.
func TestDuckDBReadsPartOfStruct(t *testing.T) {
	s := sealSample(t, 500)
	opt := s.options()
	opt.AllWithKeys, opt.Columns = false, []string{"place.label", "route.list.element.x"}
	f := openMemfile(t, s.file, opt)
	plain := filepath.Join(t.TempDir(), "plain.parquet")
	if err := os.WriteFile(plain, s.plain, 0o600); err != nil {
		t.Fatal(err)
	}
	sameRows(t, duck(t), f.Path(), plain, "place.label, list_transform(route, lambda p: p.x)")
}

// TestDuckDBPrunes: statistics and bloom filters still lead to the same answers, by which rows are skipped.
func TestDuckDBPrunes(t *testing.T) {
	db := duck(t)
	s := sealSample(t, 4000, parquet.WithCompression(compress.Codecs.Zstd), parquet.WithBloomFilterEnabled(true),
		parquet.WithBloomFilterNDV(2000), parquet.WithDataPageSize(1024))
	f := openMemfile(t, s.file, s.options())
	for query, want := range map[string]int{
		`id = 17`:                         1,
		`id > 3990`:                       9,
		`city = 'Nowhere'`:                0,
		`small IS NULL AND id < 0`:        0,
		`id BETWEEN 1999 AND 2000`:        2,
		`name IS NULL AND name <> 'name'`: 0,
	} {
		var n int
		if err := db.QueryRow(`SELECT count(*) FROM read_parquet('` + f.Path() + `') WHERE ` + query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("%s: %d rows, want %d", query, n, want)
		}
	}
}

// TestDuckDBCountsNulls: where a file has no statistics, none may appear (a null count of zero would be believed).
func TestDuckDBCountsNulls(t *testing.T) {
	db := duck(t)
	s := sealSample(t, 1000, parquet.WithStats(false))
	f := openMemfile(t, s.file, s.options())
	var nulls, rest int
	err := db.QueryRow(`SELECT count(*) FILTER (city IS NULL), count(city) FROM read_parquet('`+f.Path()+`')`).Scan(&nulls, &rest)
	if err != nil {
		t.Fatal(err)
	}
	if nulls == 0 || nulls+rest != 1000 {
		t.Errorf("%d nulls and %d values", nulls, rest)
	}
}
