package tpch

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rows are a result's, each value as text.
type Rows struct {
	rows  [][]string
	order []int
}

// ReadRows reads a result to its end.
func ReadRows(from *sql.Rows, order []int) (*Rows, error) {
	defer from.Close()
	names, err := from.Columns()
	if err != nil {
		return nil, err
	}
	out := &Rows{order: order}
	values := make([]any, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for from.Next() {
		if err := from.Scan(into...); err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = text(v)
		}
		out.rows = append(out.rows, row)
	}
	return out, from.Err()
}

func text(v any) string {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.DateOnly)
	case float64:
		return strconv.FormatFloat(v, 'e', -1, 64)
	case nil:
		return "NULL"
	}
	return fmt.Sprint(v)
}

// tolerance of numbers in binary floating point, which depend on the order of summing.
const tolerance = 1e-9

func equal(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.ContainsRune(a, 'e') || !strings.ContainsRune(b, 'e') {
		return false
	}
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && math.Abs(x-y) <= tolerance*max(math.Abs(x), math.Abs(y))
}

// Same says where two answers to one query differ. What ORDER BY names must come in the same order; rows that it does not
// tell apart may come in any.
func Same(a, b *Rows) error {
	if len(a.rows) != len(b.rows) {
		return fmt.Errorf("%d rows and %d", len(a.rows), len(b.rows))
	}
	for i := range a.rows {
		for _, c := range a.order {
			if !equal(a.rows[i][c], b.rows[i][c]) {
				return fmt.Errorf("row %d is ordered otherwise in column %d", i+1, c+1)
			}
		}
	}
	x, y := sorted(a.rows), sorted(b.rows)
	for i := range x {
		if len(x[i]) != len(y[i]) || !slices.EqualFunc(x[i], y[i], equal) {
			return fmt.Errorf("row %d differs", i+1)
		}
	}
	return nil
}

// sorted by all that is exact, then by the rest.
func sorted(rows [][]string) [][]string {
	key := func(row []string) string {
		var exact, rest strings.Builder
		for _, v := range row {
			if _, err := strconv.ParseFloat(v, 64); err == nil && strings.ContainsRune(v, 'e') {
				rest.WriteString(v + "\x00")
			} else {
				exact.WriteString(v + "\x00")
			}
		}
		return exact.String() + rest.String()
	}
	return slices.SortedFunc(slices.Values(rows), func(a, b []string) int { return strings.Compare(key(a), key(b)) })
}

// Check compares an answer at scale factor 1 with what the specification says: numbers to the last digit that it prints,
// and one in it, as its answers are rounded sums.
func (q *Query) Check(r *Rows) error {
	if len(r.rows) != q.Rows {
		return fmt.Errorf("query %d: %d rows, the specification has %d", q.Number, len(r.rows), q.Rows)
	}
	if len(q.First) == 0 || len(r.rows[0]) < len(q.First) {
		return fmt.Errorf("query %d: nothing to compare with", q.Number)
	}
	for i, want := range q.First {
		if err := like(want, r.rows[0][i]); err != nil {
			return fmt.Errorf("query %d: column %d: %w", q.Number, i+1, err)
		}
	}
	return nil
}

func like(want, got string) error {
	if want == got {
		return nil
	}
	w, err := strconv.ParseFloat(want, 64)
	g, err2 := strconv.ParseFloat(got, 64)
	_, decimals, ok := strings.Cut(want, ".")
	if err != nil || err2 != nil || !ok {
		return errors.New("another value than the specification's")
	}
	if math.Abs(w-g) > 1.01*math.Pow(10, -float64(len(decimals))) {
		return fmt.Errorf("%s where the specification has %s", got, want)
	}
	return nil
}
