package units

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
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

func register(t testing.TB, c *sql.Conn, capped int64) error {
	t.Helper()
	return c.Raw(func(d any) error { return Register(d.(driver.Conn), policy.CappedUnits(capped), capped) })
}

// The capped count is the least of the exact count and the cap, for every group, with and without a condition, over several
// threads and with NULLs.
func TestAgainstExactCount(t *testing.T) {
	c := open(t)
	for _, capped := range []int64{1, 2, 10, 25, 100, MaxCap} {
		if err := register(t, c, capped); err != nil {
			t.Fatal(err)
		}
	}
	// Group g has g*g different units in about 20,000 rows, every fifth of which has none.
	if _, err := c.ExecContext(t.Context(), `SET threads=4; CREATE TABLE rows AS
		SELECT i % 41 AS g, CASE WHEN i % 5 = 0 THEN NULL ELSE 'u' || ((i * 48271) % greatest((i % 41) * (i % 41), 1)) END AS u, i % 3 = 0 AS c FROM range(820000) t(i)`); err != nil {
		t.Fatal(err)
	}
	for _, capped := range []int64{1, 2, 10, 25, 100, MaxCap} {
		f := policy.CappedUnits(capped)
		var groups, wrong, reached int
		err := c.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT count(*), count(*) FILTER (least(n, %[2]d) <> a OR least(m, %[2]d) <> b), count(*) FILTER (n > %[2]d) FROM (
			SELECT g, count(DISTINCT u) AS n, %[1]s(u) FILTER (WHERE u IS NOT NULL) AS a, count(DISTINCT u) FILTER (WHERE c) AS m, %[1]s(u) FILTER (WHERE c AND u IS NOT NULL) AS b
			FROM rows GROUP BY g)`, f, capped)).Scan(&groups, &wrong, &reached)
		if err != nil {
			t.Fatal(err)
		}
		if groups != 41 || wrong != 0 || reached == 0 && capped < 1000 {
			t.Errorf("up to %d: %d groups, %d wrong, %d above", capped, groups, wrong, reached)
		}
	}
}

// Units of every type that a column can have are counted. Texts differ anywhere, and short ones and long ones are there.
func TestEveryType(t *testing.T) {
	c := open(t)
	if err := register(t, c, 1000); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		"i", "CAST(-i AS INTEGER)", "CAST(i // 4 AS VARCHAR)", "'a unit of more than twelve bytes ' || i", "i || ' a unit of more than twelve bytes'", "repeat('x', CAST(i AS INTEGER))",
		"DATE '2020-01-01' + CAST(i AS INTEGER)", "TIMESTAMP '2020-01-01' + to_seconds(i)", "CAST(i / 8 AS DECIMAL(18,3))", "CAST(i / 8 AS DECIMAL(9,3))", "CAST(i % 99 AS DECIMAL(4,1))", "CAST(i / 8 AS DECIMAL(38,3))", "CAST(i AS DECIMAL(38,0)) * 10000000000000000000000", "i % 2 = 0", "CAST(i AS DOUBLE) / 7", "CASE WHEN i % 2 = 0 THEN -0.0::DOUBLE ELSE 0.0::DOUBLE END", "chr(CAST(i AS INTEGER)) || chr(0)",
	} {
		var want, got int64
		if err := c.QueryRowContext(t.Context(), "SELECT count(DISTINCT u), units_up_to_1000(u) FROM (SELECT "+form+" AS u FROM range(1, 901) t(i), range(2))").Scan(&want, &got); err != nil || got != want || want == 0 {
			t.Errorf("%s: %d, want %d: %v", form, got, want, err)
		}
	}
}

// A type that no plan's column has is refused.
func TestOtherTypes(t *testing.T) {
	c := open(t)
	if err := register(t, c, 3); err != nil {
		t.Fatal(err)
	}
	for _, u := range []string{"[i]", "{'a': i}", "INTERVAL (i) DAYS"} {
		var n int64
		if err := c.QueryRowContext(t.Context(), "SELECT units_up_to_3("+u+") FROM range(9) t(i)").Scan(&n); err == nil {
			t.Errorf("%s: %d", u, n)
		}
	}
}

// As many as there is room for, one less and more: of numbers that stand close, far apart, below 0, and of what stands for 0.
func TestFull(t *testing.T) {
	c := open(t)
	for _, most := range []int64{1, 2, 3, 4, 7, 8, 100, 512, MaxCap} {
		if err := register(t, c, most); err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"i", "-i", "i * 1024", "i << 40", "i * 4294967296 - 5", "CASE i WHEN 0 THEN -7046029254386353131 WHEN 1 THEN 0 ELSE i END"} {
			for _, n := range []int64{1, most - 1, most, most + 1, 3 * most} {
				var got int64
				if err := c.QueryRowContext(t.Context(), fmt.Sprintf("SELECT units_up_to_%d(u) FROM (SELECT %s AS u FROM range(%d) t(i), range(3))", most, form, n)).Scan(&got); err != nil || got != min(n, most) {
					t.Errorf("%d of %s up to %d: %d %v", n, form, most, got, err)
				}
			}
		}
	}
}

// A NULL is no unit, and no rows have none.
func TestNothing(t *testing.T) {
	c := open(t)
	if err := register(t, c, 3); err != nil {
		t.Fatal(err)
	}
	var none, null, one int64
	err := c.QueryRowContext(t.Context(), `SELECT (SELECT units_up_to_3(CAST(1 AS BIGINT)) FROM range(0)), units_up_to_3(CAST(NULL AS BIGINT)), units_up_to_3(CAST(7 AS BIGINT)) FROM range(3000)`).Scan(&none, &null, &one)
	if err != nil || none != 0 || null != 0 || one != 1 {
		t.Errorf("%d, %d, %d: %v", none, null, one, err)
	}
}

func TestCapsOutOfRange(t *testing.T) {
	c := open(t)
	for _, capped := range []int64{-1, 0, MaxCap + 1} {
		if err := register(t, c, capped); !errors.Is(err, ErrRegister) {
			t.Errorf("%d: %v", capped, err)
		}
	}
	if err := Register(nil, "x", 10); !errors.Is(err, ErrRegister) {
		t.Error("without a connection:", err)
	}
}

func BenchmarkUnits(b *testing.B) {
	c := open(b)
	if err := register(b, c, 10); err != nil {
		b.Fatal(err)
	}
	if _, err := c.ExecContext(b.Context(), "CREATE TABLE l AS SELECT (i * 7919) % 7 AS g, ((i * 48271) % 6000000) // 4 AS u, i % 1000 AS q FROM range(6000000) t(i)"); err != nil {
		b.Fatal(err)
	}
	for name, count := range map[string]string{"none": "0", "capped": "units_up_to_10(u)", "exact": "count(DISTINCT u)"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.ExecContext(b.Context(), "SELECT g, sum(q), "+count+" FROM l GROUP BY g"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
