package engine

import (
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// raw is the market as one table without any rules, read by SQL as the analyst writes it. A unit is one owner's.
func (m *market) raw(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	var arms []string
	for o, rows := range m.rows {
		path := filepath.Join(t.TempDir(), itoa(o)+".parquet")
		if err := os.WriteFile(path, parquetBytes(t, columnsOf(rows, []string{"customer", "size", "phase", "cost", "pax", "day"})...), 0o600); err != nil {
			t.Fatal(err)
		}
		arms = append(arms, fmt.Sprintf("SELECT '%d/' || customer AS customer, size, phase, cost, pax, day FROM '%s' WHERE customer IS NOT NULL", o, path))
	}
	for _, q := range []string{"CREATE SCHEMA pool", "CREATE TABLE pool.strikes AS " + strings.Join(arms, " UNION ALL ")} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// sampled is an aggregate, the number of units behind it, and how far rounding may take it.
type sampled struct {
	call, units string
	near        func(got, want float64) bool
}

func nearCount(got, want float64) bool { return math.Abs(got-want) <= 2.5 }
func nearValue(got, want float64) bool { return math.Abs(got-want) <= math.Abs(want)*0.00051+0.006 }

// sample writes a release: its keys, its condition, and its aggregates.
func sample(r *rand.Rand) (keys []string, where string, aggs []sampled) {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	condition := func() string {
		return pick("size = 'Large'", "phase IN ('Climb', 'Taxi')", "cost >= 5000", "cost < 0", "phase IS NULL", "NOT (size = 'Small')", "day >= DATE '2026-01-01'", "cost BETWEEN 0 AND 5000",
			"CASE WHEN size = 'Large' THEN cost >= 0 ELSE phase <> 'Taxi' END", "size || phase LIKE '%l%'")
	}
	for range r.IntN(3) {
		keys = append(keys, pick("size", "phase", "upper(size)", "cost >= 5000", "date_trunc('month', day)", "CASE WHEN phase = 'Climb' THEN 'up' ELSE 'on' END", "coalesce(phase, 'none')", "left(size, 1)"))
	}
	if r.IntN(2) == 0 {
		where = " WHERE " + condition() + pick("", " OR "+condition(), " AND "+condition())
	}
	for range 1 + r.IntN(3) {
		c := condition()
		units := func(also string) string { return "count(DISTINCT customer) FILTER (WHERE " + also + ")" }
		filter, then := "", "true"
		if r.IntN(2) == 0 {
			filter, then = " FILTER (WHERE "+c+")", "("+c+")"
		}
		aggs = append(aggs, []sampled{
			{"count(*)" + filter, units(then), nearCount},
			{"count(DISTINCT customer)" + filter, units(then), nearCount},
			{"count(cost)" + filter, units(then + " AND cost IS NOT NULL"), nearCount},
			{"sum(cost)" + filter, units(then + " AND cost IS NOT NULL"), nearValue},
			{"sum(pax)" + filter, units(then + " AND pax IS NOT NULL"), nearValue},
			{"sum(CASE WHEN " + c + " THEN cost ELSE 0 END)", units("(" + c + ") AND cost IS NOT NULL"), nearValue},
			{"count_if(" + c + ")", units(c), nearCount},
			{"median(cost)" + filter, units(then + " AND cost IS NOT NULL"), nearValue},
			{"quantile_cont(cost, 0.8)" + filter, units(then + " AND cost IS NOT NULL"), nearValue},
			{"stddev(cost)" + filter, units(then + " AND cost IS NOT NULL"), nearValue},
		}[r.IntN(10)])
	}
	return keys, where, aggs
}

// Every value that random releases show is the one that the analyst's own text gives over the bare rows, rounded, and has its units.
func TestRandomReleasesAgainstRawRows(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	m := newFreeMarket(9, 4)
	db := m.raw(t)
	shown := 0
	for range 24 {
		keys, where, aggs := sample(random)
		var items, units []string
		for _, a := range aggs {
			items, units = append(items, a.call), append(units, a.units)
		}
		from, group := " FROM pool.strikes"+where, ""
		if len(keys) > 0 {
			group = " GROUP BY " + strings.Join(keys, ", ")
		}
		q := "SELECT " + strings.Join(append(append([]string{}, keys...), items...), ", ") + from + group
		want := rawCells(t, db, "SELECT "+strings.Join(append(append(append([]string{}, keys...), items...), units...), ", ")+from+group, len(keys))
		for _, r := range m.run(t, q).Rows {
			var id []string
			for _, k := range r[:len(keys)] {
				if text, ok := k.Text(); ok {
					id = append(id, text)
				} else {
					id = append(id, null)
				}
			}
			raw := want[strings.Join(id, "|")]
			for j, a := range aggs {
				text, ok := r[len(keys)+j].Text()
				if !ok {
					continue
				}
				shown++
				got, err := strconv.ParseFloat(text, 64)
				if raw == nil || err != nil || !a.near(got, raw[j]) {
					t.Errorf("%s\n%v: %s is %s, the rows say %v", q, id, a.call, text, raw)
				} else if raw[len(aggs)+j] < 10 {
					t.Errorf("%s\n%v: %s is shown of %v units", q, id, a.call, raw[len(aggs)+j])
				}
			}
		}
	}
	if shown < 60 {
		t.Errorf("%d values shown: the test shows too little", shown)
	}
}

func rawCells(t *testing.T, db *sql.DB, q string, keys int) map[string][]float64 {
	t.Helper()
	var items []string
	rs, err := db.Query("SELECT * FROM (" + q + ") LIMIT 0")
	if err != nil {
		t.Fatal(err, q)
	}
	columns, _ := rs.Columns()
	rs.Close()
	for i := range columns {
		cast := "VARCHAR"
		if i >= keys {
			cast = "DOUBLE"
		}
		items = append(items, fmt.Sprintf("CAST(x%d AS %s)", i, cast))
		columns[i] = fmt.Sprintf("x%d", i)
	}
	rs, err = db.Query("SELECT " + strings.Join(items, ", ") + " FROM (" + q + ") t(" + strings.Join(columns, ", ") + ")")
	if err != nil {
		t.Fatal(err, q)
	}
	defer rs.Close()
	out := map[string][]float64{}
	for rs.Next() {
		id := make([]sql.NullString, keys)
		values := make([]sql.NullFloat64, len(columns)-keys)
		var to []any
		for i := range id {
			to = append(to, &id[i])
		}
		for i := range values {
			to = append(to, &values[i])
		}
		if err := rs.Scan(to...); err != nil {
			t.Fatal(err)
		}
		var text []string
		for _, s := range id {
			if !s.Valid {
				s.String = null
			}
			text = append(text, s.String)
		}
		var list []float64
		for _, v := range values {
			if !v.Valid {
				v.Float64 = math.NaN()
			}
			list = append(list, v.Float64)
		}
		out[strings.Join(text, "|")] = list
	}
	return out
}
