package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the plain engine that recomputes
)

// table is a result as `cordon result open --format json` writes it. Every job of
// the demo has the columns: key, strikes, mean_cost.
type table struct {
	Rows       []map[string]json.RawMessage `json:"rows"`
	Suppressed int64                        `json:"suppressed"`
}

const suppressedCell = `{"suppressed":true}`

// results recomputes every cell of every result and returns how many there were.
func (c *checker) results(ctx context.Context, s *summary) (int, error) {
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE reports AS SELECT * FROM read_csv("+quote(c.csv, '\'')+", header=true, all_varchar=true)"); err != nil {
		return 0, err
	}
	cells := 0
	for _, j := range s.Jobs {
		if j.Result == "" {
			continue
		}
		n, err := c.result(ctx, db, s, j)
		if err != nil {
			return 0, fmt.Errorf("result of %s: %w", j.Name, err)
		}
		cells += n
	}
	return cells, nil
}

func quote(s string, q byte) string {
	return string(q) + strings.ReplaceAll(s, string(q), string(q)+string(q)) + string(q)
}

func (c *checker) result(ctx context.Context, db *sql.DB, s *summary, j job) (int, error) {
	src, err := os.ReadFile(filepath.Join(c.out, j.Result))
	if err != nil {
		return 0, err
	}
	var t table
	if err := json.Unmarshal(src, &t); err != nil {
		return 0, err
	}
	counts, costs, err := contributions(ctx, db, s, j)
	if err != nil {
		return 0, err
	}
	operators := map[string]string{}
	for _, a := range s.Airlines {
		operators[a.Name] = a.Operator
	}
	if owner, _, _ := strings.Cut(j.Table, "."); owner == j.Asker {
		return compare(t, expectOwn(counts, costs), 0)
	}
	want, hidden := expectMarket(counts, costs, operators[j.Asker])
	return compare(t, want, hidden)
}

// contributions by value of the dimension and airline: of reports, and of cost.
func contributions(ctx context.Context, db *sql.DB, s *summary, j job) (counts, costs map[string]cell, err error) {
	owner, _, _ := strings.Cut(j.Table, ".")
	var operators []string
	for _, a := range s.Airlines {
		if owner == "pool" || owner == a.Name {
			operators = append(operators, quote(a.Operator, '\''))
		}
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf(`
		SELECT %s, "Aircraft Airline Operator", count(*), sum(CAST("Cost Total $" AS BIGINT))
		FROM reports WHERE "Aircraft Airline Operator" IN (%s) GROUP BY ALL`, quote(j.Dimension, '"'), strings.Join(operators, ",")))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	counts, costs = map[string]cell{}, map[string]cell{}
	for rows.Next() {
		var key, operator string
		var n int64
		var cost big.Int
		var text any
		if err := rows.Scan(&key, &operator, &n, &text); err != nil {
			return nil, nil, err
		}
		if _, ok := cost.SetString(fmt.Sprint(text), 10); !ok || !cost.IsInt64() {
			return nil, nil, fmt.Errorf("unexpected sum of costs")
		}
		if counts[key] == nil {
			counts[key], costs[key] = cell{}, cell{}
		}
		counts[key][operator] = part{units: n, weight: n, value: n}
		costs[key][operator] = part{units: n, weight: cost.Int64(), value: cost.Int64()}
	}
	return counts, costs, rows.Err()
}

// expected cells of one row; nil is suppressed.
type expected struct{ strikes, meanCost *big.Rat }

// expectMarket applies the policy. Every report has a cost, so the count of
// reports is also the count behind the mean.
func expectMarket(counts, costs map[string]cell, asker string) (map[string]expected, int64) {
	countShown, costShown := protect(counts, asker), protect(costs, asker)
	want := map[string]expected{}
	var hidden int64
	for key := range counts {
		var e expected
		if countShown[key] {
			e.strikes = new(big.Rat).SetInt64(roundCount(counts[key].total()))
		}
		if countShown[key] && costShown[key] {
			sum := roundDigits(new(big.Rat).SetInt64(costs[key].total()))
			e.meanCost = roundDigits(new(big.Rat).Quo(sum, e.strikes))
		}
		want[key] = e
		if !countShown[key] {
			hidden++
		}
		if !costShown[key] {
			hidden++
		}
	}
	return want, hidden
}

// expectOwn: an airline's own figures are exact.
func expectOwn(counts, costs map[string]cell) map[string]expected {
	want := map[string]expected{}
	for key := range counts {
		n := new(big.Rat).SetInt64(counts[key].total())
		want[key] = expected{n, new(big.Rat).Quo(new(big.Rat).SetInt64(costs[key].total()), n)}
	}
	return want
}

// compare requires exactly the expected rows and cells.
func compare(t table, want map[string]expected, hidden int64) (int, error) {
	seen := map[string]bool{}
	for _, row := range t.Rows {
		if len(row) != 3 {
			return 0, fmt.Errorf("a row with %d columns", len(row))
		}
		key, err := rowKey(row)
		if err != nil {
			return 0, err
		}
		e, ok := want[key]
		if !ok || seen[key] {
			return 0, fmt.Errorf("row %q is not in the data, or twice", key)
		}
		seen[key] = true
		for column, w := range map[string]*big.Rat{"strikes": e.strikes, "mean_cost": e.meanCost} {
			if err := compareCell(string(row[column]), w); err != nil {
				return 0, fmt.Errorf("row %q, %s: %w", key, column, err)
			}
		}
	}
	for key := range want {
		if !seen[key] {
			return 0, fmt.Errorf("row %q is missing", key)
		}
	}
	if t.Suppressed < hidden || t.Suppressed%countMultiple != 0 {
		return 0, fmt.Errorf("says %d cells are suppressed", t.Suppressed)
	}
	return 2 * len(seen), nil
}

func rowKey(row map[string]json.RawMessage) (string, error) {
	for name, raw := range row {
		if name != "strikes" && name != "mean_cost" {
			var key string
			return key, json.Unmarshal(raw, &key)
		}
	}
	return "", fmt.Errorf("a row without a key")
}

func compareCell(got string, want *big.Rat) error {
	if want == nil || got == suppressedCell {
		if want == nil && got == suppressedCell {
			return nil
		}
		return fmt.Errorf("shown or suppressed wrongly")
	}
	g, ok := new(big.Rat).SetString(got)
	if !ok {
		return fmt.Errorf("not a number")
	}
	// the engine divides in double precision; nothing else may differ
	slack := new(big.Rat).Mul(new(big.Rat).Abs(want), big.NewRat(1, 1_000_000_000))
	if diff := new(big.Rat).Sub(g, want); diff.Abs(diff).Cmp(slack) > 0 {
		return fmt.Errorf("is %s, want %s", got, want.FloatString(4))
	}
	return nil
}
