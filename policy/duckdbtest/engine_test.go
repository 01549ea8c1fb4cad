//go:build cgo

package duckdbtest

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/policy"
)

// thresholds of the policies of these tests.
var thresholds = []int64{10, 25}

func open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	for _, most := range thresholds {
		registerUnits(t, db, most)
	}
	return db
}

func exec(t testing.TB, db *sql.DB, q string) {
	t.Helper()
	if _, err := db.Exec(q); err != nil {
		t.Fatalf("%v\n%s", err, q)
	}
}

// account asks the engine how it understands a text.
func account(t testing.TB, db *sql.DB, function, text string) []byte {
	t.Helper()
	var s string
	q := "SELECT CAST(" + function + "('" + strings.ReplaceAll(text, "'", "''") + "') AS VARCHAR)"
	if err := db.QueryRow(q).Scan(&s); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return []byte(s)
}

// rows runs a query and gives each row as text.
func rows(t testing.TB, db *sql.DB, q string) []string {
	t.Helper()
	rs, err := db.Query(q)
	if err != nil {
		t.Fatalf("%v\n%s", err, q)
	}
	defer rs.Close()
	cols, _ := rs.Columns()
	var out []string
	for rs.Next() {
		vals, ptrs := make([]any, len(cols)), make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rs.Scan(ptrs...); err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, v := range vals {
			if ts, ok := v.(time.Time); ok {
				v = ts.Format(time.DateOnly)
			}
			parts = append(parts, fmt.Sprint(v))
		}
		out = append(out, strings.Join(parts, "|"))
	}
	if err := rs.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func fingerprint(c string) string { return "cordon1" + strings.Repeat(c, 64) }
func digest(c string) string      { return "sha256:" + strings.Repeat(c, 64) }

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parsed(t testing.TB, name string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
