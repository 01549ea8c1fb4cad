package sums

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/policy"
)

func open(t testing.TB) *sql.Conn {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); db.Close() })
	return c
}

func exec(t testing.TB, c *sql.Conn, q string) {
	t.Helper()
	if _, err := c.ExecContext(context.Background(), q); err != nil {
		t.Fatalf("%v\n%s", err, q)
	}
}

// portable lets tests that hold for both register aggregates that do without what this processor has.
var portable bool

func inBothForms(t *testing.T, test func(*testing.T)) {
	t.Run("of this processor", test)
	portable = true
	defer func() { portable = false }()
	t.Run("portable", test)
}

func registerOn(t testing.TB, c *sql.Conn, s policy.Sums) error {
	t.Helper()
	return c.Raw(func(d any) error {
		if portable {
			return register(d.(driver.Conn), s, true)
		}
		return Register(d.(driver.Conn), s)
	})
}

func registered(t testing.TB, c *sql.Conn, s policy.Sums) string {
	t.Helper()
	if err := registerOn(t, c, s); err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	return s.Name()
}

// one gives what a query of one row gives, as text.
func one(t testing.TB, c *sql.Conn, q string) string {
	t.Helper()
	var s sql.NullString
	if err := c.QueryRowContext(context.Background(), q).Scan(&s); err != nil {
		t.Fatalf("%v\n%s", err, q)
	}
	return s.String
}

// Types of each width that DuckDB stores, and the digits behind the point.
var types = []struct {
	t      policy.Type
	sql    string
	digits int
	most   int64 // in whole numbers of the last place
}{
	{policy.Int32, "INTEGER", 0, math.MaxInt32},
	{policy.Int64, "BIGINT", 0, math.MaxInt64},
	{policy.Decimal(4, 1), "DECIMAL(4,1)", 1, 9999},
	{policy.Decimal(9, 3), "DECIMAL(9,3)", 3, 999999999},
	{policy.Decimal(18, 2), "DECIMAL(18,2)", 2, 999999999999999999},
}

// What units are, of a number i.
var unitForms = []string{
	"i", "CAST(i AS INTEGER)", "CAST(i AS VARCHAR)", "'a unit of more than twelve bytes ' || i", "DATE '2020-01-01' + CAST(i AS INTEGER)",
	"TIMESTAMP '2020-01-01' + to_seconds(i)", "CAST(i % 99 AS DECIMAL(4,1))", "CAST(i / 8 AS DECIMAL(18,3))", "CAST(i / 8 AS DECIMAL(38,3))", "i % 2 = 0", "i / 7",
}

// Random bounds, types, groups, NULLs, units and conditions: every field is what DuckDB's own aggregates of whole numbers say.
func TestAgainstDuckDB(t *testing.T) { inBothForms(t, testAgainstDuckDB) }

func testAgainstDuckDB(t *testing.T) {
	c := open(t)
	exec(t, c, "SET threads=4")
	random := rand.New(rand.NewPCG(56, 1))
	for round := range 60 {
		var s policy.Sums
		var items []string
		raws := []string{}
		for i := range 1 + random.IntN(4) {
			x := types[random.IntN(len(types))]
			lo, hi := bounds(random, min(x.most, []int64{100, 1 << 24, math.MaxInt64}[random.IntN(3)]))
			s.Columns = append(s.Columns, policy.SumsColumn{Type: x.t, Lo: lo, Hi: hi, Checked: true})
			value := fmt.Sprintf("CAST(%d + CAST(random() * %s AS HUGEINT) AS HUGEINT)", lo, width(lo, hi))
			value = fmt.Sprintf("least(greatest(%s, %d), %d)", value, lo, hi)
			for _, extreme := range []int64{lo, hi} { // are there
				value = fmt.Sprintf("CASE WHEN random() < 0.05 THEN %d ELSE %s END", extreme, value)
			}
			if random.IntN(2) == 0 {
				value = "CASE WHEN random() < 0.3 THEN NULL ELSE " + value + " END"
			}
			items = append(items, fmt.Sprintf("%s AS r%d", value, i))
			raws = append(raws, fmt.Sprintf("r%d", i))
		}
		for range 1 + random.IntN(5) {
			a, b := random.IntN(len(s.Columns)), random.IntN(len(s.Columns)+1)-1
			term := policy.SumsTerm{A: a, B: b, Abs: random.IntN(2) == 0, Counted: random.IntN(2) == 0}
			if fits(s, term) {
				s.Terms = append(s.Terms, term)
			}
		}
		unit := unitForms[random.IntN(len(unitForms))]
		s.Units = []int64{0, 1, 10, policy.MaxUnitCap}[random.IntN(4)]
		groups := []int{1, 2, 3, 4, 5, 15, 40, 3000}[random.IntN(8)]
		exec(t, c, fmt.Sprintf("CREATE OR REPLACE TABLE raw AS SELECT CAST(random() * %d AS INTEGER) AS g, random() < 0.7 AS w, %s, CASE WHEN random() < 0.3 THEN NULL ELSE %s END AS u FROM (SELECT CAST(random() * %d AS BIGINT) AS i FROM range(%d))",
			groups-1, strings.Join(items, ", "), unit, []int{0, 8, 12, 5000}[random.IntN(4)], random.IntN(20000)))
		var args []string
		for i, col := range s.Columns {
			args = append(args, typed(raws[i], col.Type))
		}
		if s.Units > 0 {
			args = append(args, "u")
		}
		f := registered(t, c, s)
		for _, keys := range []string{"", "g"} {
			for _, filter := range []string{"", " FILTER (WHERE w)"} {
				call := f + "(" + strings.Join(args, ", ") + ")" + filter
				checks := []string{"s.bad", "s.rows <> n"}
				own := []string{"count(*)" + filter + " AS n"}
				if s.Units > 0 {
					own = append(own, fmt.Sprintf("least(count(DISTINCT u)%s, %d) AS distinct_units", filter, s.Units))
					checks = append(checks, "s.units <> distinct_units")
				}
				for k, term := range s.Terms {
					x := raws[term.A]
					if term.B >= 0 {
						x = "CAST(" + x + " AS HUGEINT) * " + raws[term.B]
					}
					own = append(own, fmt.Sprintf("CAST(coalesce(sum(%s)%s, 0) AS HUGEINT) AS s%d, CAST(coalesce(sum(abs(%s))%s, 0) AS HUGEINT) AS a%d, count(%s)%s AS n%d", x, filter, k, x, filter, k, x, filter, k))
					checks = append(checks, fmt.Sprintf("s.s%d <> s%d", k, k))
					if term.Abs {
						checks = append(checks, fmt.Sprintf("s.a%d <> a%d", k, k))
					}
					if term.Counted {
						checks = append(checks, fmt.Sprintf("s.n%d <> n%d", k, k))
					}
				}
				group := ""
				if keys != "" {
					group = " GROUP BY " + keys
				}
				q := fmt.Sprintf("SELECT count(*) FILTER (%s) FROM (SELECT %s AS s, %s FROM raw%s)", strings.Join(checks, " OR "), call, strings.Join(own, ", "), group)
				if wrong := one(t, c, q); wrong != "0" {
					t.Errorf("round %d: %s rows differ: %+v\n%s", round, wrong, s, q)
				}
			}
		}
	}
}

func bounds(random *rand.Rand, most int64) (lo, hi int64) {
	lo, hi = random.Int64N(most), random.Int64N(most)
	switch random.IntN(3) {
	case 0:
		lo = -lo
	case 1:
		lo, hi = -lo, -hi
	}
	return min(lo, hi), max(lo, hi)
}

func width(lo, hi int64) string { return fmt.Sprint(uint64(hi) - uint64(lo)) }

func fits(s policy.Sums, t policy.SumsTerm) bool {
	most := func(c policy.SumsColumn) float64 { return max(math.Abs(float64(c.Lo)), math.Abs(float64(c.Hi))) }
	m := most(s.Columns[t.A])
	if t.B >= 0 {
		m *= most(s.Columns[t.B])
	}
	return m < math.MaxInt64*0.999
}

// typed makes a value of the type of whole numbers of its last place.
func typed(raw string, t policy.Type) string {
	for _, x := range types {
		if x.t != t {
			continue
		}
		if x.digits == 0 {
			return fmt.Sprintf("CAST(%s AS %s)", raw, x.sql)
		}
		return fmt.Sprintf("CAST(CAST(%s AS DECIMAL(20,0)) * CAST('0.%s1' AS DECIMAL(%d,%d)) AS %s)", raw, strings.Repeat("0", x.digits-1), x.digits+1, x.digits, x.sql)
	}
	return ""
}

// One value outside its bounds, wherever it is, makes the answer bad, and no value at them or NULL does: with bounds anywhere, also where
// differences go past 64 bits.
func TestBounds(t *testing.T) { inBothForms(t, testBounds) }

func testBounds(t *testing.T) {
	c := open(t)
	const least, most = math.MinInt64, math.MaxInt64
	for _, b := range [][2]int64{{0, 100}, {-5, 5}, {7, 7}, {1, 0}, {0, most}, {least, most}, {least, 0}, {least, least}, {most, most}, {-most, most}, {most - 1, most}, {3, most}, {least, -3}} {
		f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: b[0], Hi: b[1], Checked: true}}})
		for _, x := range []int64{least, least + 1, -101, -6, -5, -4, -1, 0, 1, 5, 6, 7, 8, 99, 100, 101, most - 1, most, b[0], b[1]} {
			want := fmt.Sprint(x < b[0] || x > b[1])
			inside := fmt.Sprint(b[0])
			if b[0] > b[1] {
				inside = "NULL"
			}
			for _, at := range []int{0, 1, 255, 256, 2047, 2048, 4999} {
				for _, others := range []string{inside, "NULL"} {
					q := fmt.Sprintf("SELECT bool_or(s.bad) FROM (SELECT %s(CASE WHEN i = %d THEN CAST('%d' AS BIGINT) ELSE %s END) AS s FROM range(5000) t(i) GROUP BY i %% 3)", f, at, x, strings.ReplaceAll("CAST('"+others+"' AS BIGINT)", "'NULL'", "NULL"))
					if got := one(t, c, q); got != want {
						t.Errorf("%d in %d to %d, at row %d among %s: %s", x, b[0], b[1], at, others, got)
					}
				}
			}
		}
	}
}

// A column that is not to be looked at makes nothing bad.
func TestUnchecked(t *testing.T) {
	c := open(t)
	f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 0, Hi: 1}, {Type: policy.Int32, Lo: 0, Hi: 1, Checked: true}}})
	if got := one(t, c, "SELECT "+f+"(i, CAST(i // 10000 AS INTEGER)).bad FROM range(5000) t(i)"); got != "false" {
		t.Error(got)
	}
	if got := one(t, c, "SELECT "+f+"(i, CAST(i AS INTEGER)).bad FROM range(5000) t(i)"); got != "true" {
		t.Error(got)
	}
}

// Sums of the largest terms go past 64 bits and are exact.
func TestLargest(t *testing.T) { inBothForms(t, testLargest) }

func testLargest(t *testing.T) {
	c := open(t)
	for _, bound := range []int64{math.MaxInt64, math.MaxInt64 / 256, math.MaxInt64/256 + 1, 1 << 31} {
		f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: -bound, Hi: bound, Checked: true}}, Terms: []policy.SumsTerm{{B: -1, Abs: true, Counted: true}}})
		for _, groups := range []int{1, 2, 1000} {
			q := fmt.Sprintf(`SELECT bool_and(s.s0 = w AND s.a0 = abs(w) AND s.n0 = n) FROM (SELECT %s(CAST(CASE WHEN i %% %d %% 2 = 0 THEN 1 ELSE -1 END AS BIGINT) * %d) AS s,
				sum(CAST(CASE WHEN i %% %d %% 2 = 0 THEN 1 ELSE -1 END AS HUGEINT) * %d) AS w, count(*) AS n FROM range(10000) t(i) GROUP BY i %% %d)`, f, groups, bound, groups, bound, groups)
			if got := one(t, c, q); got != "true" {
				t.Errorf("%d in %d groups: %s", bound, groups, got)
			}
		}
	}
}

// No rows give no sum that is not 0, and nothing bad.
func TestNothing(t *testing.T) {
	c := open(t)
	f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 5, Hi: 9, Checked: true}}, Terms: []policy.SumsTerm{{B: -1, Abs: true, Counted: true}}})
	for _, from := range []string{"SELECT 7 AS x WHERE false", "SELECT NULL AS x FROM range(3000)"} {
		got := one(t, c, "SELECT s.bad OR s.n0 + s.s0 + s.a0 <> 0 FROM (SELECT "+f+"(CAST(x AS BIGINT)) AS s FROM ("+from+"))")
		if got != "false" {
			t.Error(from, got)
		}
	}
}

// States that are met one after the other, few in each block and many in all, are kept apart: sorted groups, and groups of which
// each chunk has others.
func TestManyStates(t *testing.T) { inBothForms(t, testManyStates) }

func testManyStates(t *testing.T) {
	c := open(t)
	f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 0, Hi: 1 << 20, Checked: true}}, Terms: []policy.SumsTerm{{A: 0, B: -1}}, Units: 3})
	for _, g := range []string{"i // 16", "i // 17", "i // 255", "i // 300", "i // 2048 * 7 + i % 7", "i // 256 * 15 + i % 15", "i // 256 * 17 + i % 17", "i"} {
		q := fmt.Sprintf("SELECT count(*) FILTER (s.s0 <> w OR s.rows <> n OR s.units <> u) FROM (SELECT %s(i, i // 4) AS s, sum(i) AS w, count(*) AS n, least(count(DISTINCT i // 4), 3) AS u FROM range(50000) t(i) GROUP BY %s)", f, g)
		if got := one(t, c, q); got != "0" {
			t.Errorf("%s: %s differ", g, got)
		}
	}
}

// Units that several threads have met are counted once, and NULL is none.
func TestUnits(t *testing.T) { inBothForms(t, testUnits) }

func testUnits(t *testing.T) {
	c := open(t)
	exec(t, c, "SET threads=4")
	exec(t, c, "CREATE TABLE l AS SELECT i % 3 AS g, CASE WHEN i % 2 = 0 THEN i % 14 END AS u, i % 10 AS x FROM range(1000000) t(i)")
	for most, want := range map[int64]string{1: "1", 3: "3", 7: "7", 10: "7"} {
		f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 0, Hi: 9, Checked: true}}, Units: most})
		for _, from := range []string{"FROM l", "FROM l GROUP BY g"} {
			if got := one(t, c, "SELECT string_agg(DISTINCT s.units) FROM (SELECT "+f+"(x, u) AS s "+from+")"); got != want {
				t.Errorf("%d, %s: %s", most, from, got)
			}
		}
		if got := one(t, c, "SELECT s.units FROM (SELECT "+f+"(x, CAST(NULL AS BIGINT)) AS s FROM l)"); got != "0" {
			t.Errorf("of NULL: %s", got)
		}
	}
}

// A type that no unit has is refused.
func TestOtherUnits(t *testing.T) {
	c := open(t)
	f := registered(t, c, policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 0, Hi: 9, Checked: true}}, Units: 3})
	for _, u := range []string{"[i]", "INTERVAL (i) DAYS"} {
		if _, err := c.ExecContext(t.Context(), "SELECT "+f+"(i, "+u+") FROM range(9) t(i)"); err == nil {
			t.Errorf("%s passes", u)
		}
	}
}

// What is not formed is not made.
func TestRefused(t *testing.T) {
	c := open(t)
	one := policy.SumsColumn{Type: policy.Int64, Lo: 0, Hi: 1 << 32}
	for name, s := range map[string]policy.Sums{
		"no columns":           {},
		"too many columns":     {Columns: make([]policy.SumsColumn, policy.MaxSumsColumns+1)},
		"too many terms":       {Columns: []policy.SumsColumn{one}, Terms: make([]policy.SumsTerm, policy.MaxSumsTerms+1)},
		"a text":               {Columns: []policy.SumsColumn{{Type: policy.Varchar}}},
		"128 bits":             {Columns: []policy.SumsColumn{{Type: policy.Decimal(19, 0)}}},
		"units below none":     {Columns: []policy.SumsColumn{one}, Units: -1},
		"too many units":       {Columns: []policy.SumsColumn{one}, Units: policy.MaxUnitCap + 1},
		"bounds upside down":   {Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 2, Hi: 0}}},
		"no such column":       {Columns: []policy.SumsColumn{one}, Terms: []policy.SumsTerm{{A: 1, B: -1}}},
		"no such factor":       {Columns: []policy.SumsColumn{one}, Terms: []policy.SumsTerm{{A: 0, B: 1}}},
		"a negative column":    {Columns: []policy.SumsColumn{one}, Terms: []policy.SumsTerm{{A: -1, B: -1}}},
		"a product of 64 bits": {Columns: []policy.SumsColumn{one}, Terms: []policy.SumsTerm{{A: 0, B: 0}}},
		"the least number":     {Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: math.MinInt64}}, Terms: []policy.SumsTerm{{A: 0, B: -1}}},
	} {
		if err := registerOn(t, c, s); !errors.Is(err, ErrRegister) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Register(nil, policy.Sums{Columns: []policy.SumsColumn{one}}); !errors.Is(err, ErrRegister) {
		t.Error("without a connection:", err)
	}
}

func BenchmarkSums(b *testing.B) {
	c := open(b)
	s := policy.Sums{Columns: []policy.SumsColumn{{Type: policy.Int64, Lo: 0, Hi: 1000, Checked: true}, {Type: policy.Int64, Lo: 0, Hi: 100, Checked: true}}, Terms: []policy.SumsTerm{{A: 0, B: -1}, {A: 0, B: 1}}}
	f := registered(b, c, s)
	exec(b, c, "CREATE TABLE l AS SELECT (i * 7919) % 7 AS g, i % 1000 AS q, i % 100 AS d FROM range(6000000) t(i)")
	for name, q := range map[string]string{
		"own":    "SELECT g, " + f + "(q, d) FROM l GROUP BY g",
		"duckdb": "SELECT g, sum(q), sum(CAST(q AS HUGEINT) * CAST(d AS HUGEINT)), bool_or(q < 0 OR q > 1000 OR d < 0 OR d > 100) FROM l GROUP BY g",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				exec(b, c, q)
			}
		})
	}
}
