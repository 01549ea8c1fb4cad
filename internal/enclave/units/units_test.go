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
			SELECT g, count(DISTINCT u) AS n, %[1]s(hash(u)) FILTER (WHERE u IS NOT NULL) AS a, count(DISTINCT u) FILTER (WHERE c) AS m, %[1]s(hash(u)) FILTER (WHERE c AND u IS NOT NULL) AS b
			FROM rows GROUP BY g)`, f, capped)).Scan(&groups, &wrong, &reached)
		if err != nil {
			t.Fatal(err)
		}
		if groups != 41 || wrong != 0 || reached == 0 && capped < 1000 {
			t.Errorf("up to %d: %d groups, %d wrong, %d above", capped, groups, wrong, reached)
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
	err := c.QueryRowContext(t.Context(), `SELECT (SELECT units_up_to_3(CAST(1 AS UBIGINT)) FROM range(0)), units_up_to_3(CAST(NULL AS UBIGINT)), units_up_to_3(CAST(7 AS UBIGINT)) FROM range(3000)`).Scan(&none, &null, &one)
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
	for name, count := range map[string]string{"none": "0", "capped": "units_up_to_10(hash(u))", "exact": "count(DISTINCT u)"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := c.ExecContext(b.Context(), "SELECT g, sum(q), "+count+" FROM l GROUP BY g"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
