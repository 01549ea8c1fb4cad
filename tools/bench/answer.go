package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// question is one aggregate, asked of every side.
type question struct {
	name  string
	sql   string // with %s for each table
	keys  int    // how many columns name a row
	kinds []kind // of the columns behind them; a mean needs a count, and divides by the first
}

type kind uint8

const (
	count kind = iota
	sum
	mean
	quantile
)

func (q question) over(tables ...string) string {
	var args []any
	for _, t := range tables {
		args = append(args, t)
	}
	return fmt.Sprintf(q.sql, args...)
}

// answer is what a side said: numbers by keys.
type answer map[string][]float64

func (q question) answerOfRows(rows *sql.Rows) (answer, error) {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	out := answer{}
	for rows.Next() {
		values := make([]any, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		var numbers []float64
		for _, v := range values[q.keys:] {
			f, err := number(v)
			if err != nil {
				return nil, err
			}
			numbers = append(numbers, f)
		}
		var key strings.Builder
		for _, v := range values[:q.keys] {
			if v == nil { // of a subtotal
				v = ""
			}
			fmt.Fprintf(&key, "%v|", v)
		}
		out[key.String()] = numbers
	}
	return out, rows.Err()
}

func number(v any) (float64, error) {
	if d, ok := v.(interface{ Float64() float64 }); ok { // DuckDB's DECIMAL
		return d.Float64(), nil
	}
	return strconv.ParseFloat(strings.Trim(fmt.Sprint(v), `"`), 64)
}

// suppressed is how a result prints what the rules hide.
const suppressed = `{"suppressed":true}`

// answerOfJSON reads a result as the command prints it.
func (q question) answerOfJSON(src []byte) (answer, error) {
	var t struct {
		Columns []struct {
			Name string `json:"name"`
		} `json:"columns"`
		Rows []map[string]json.RawMessage `json:"rows"`
	}
	if err := json.Unmarshal(src, &t); err != nil {
		return nil, err
	}
	out := answer{}
	for _, row := range t.Rows {
		var key string
		for _, c := range t.Columns[:min(q.keys, len(t.Columns))] {
			var part string
			if err := json.Unmarshal(row[c.Name], &part); err != nil {
				return nil, err
			}
			key += part + "|"
		}
		var numbers []float64
		hidden := 0
		for _, c := range t.Columns[min(q.keys, len(t.Columns)):] {
			if string(row[c.Name]) == suppressed {
				hidden++
				continue
			}
			f, err := number(string(row[c.Name]))
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.Name, err)
			}
			numbers = append(numbers, f)
		}
		// A cell of the domain without rows is released as suppressed; in plain it is not there.
		if len(numbers) > 0 || hidden == 0 {
			out[key] = numbers
		}
	}
	return out, nil
}

// roundCount and valueDigits are the rounding that the policies here ask for.
const (
	roundCount  = 5
	valueDigits = 9
)

// agree reports where a released answer differs from the exact one by more than
// the rounding that the policy states.
func agree(q question, exact, released answer) error {
	if len(exact) == 0 || len(exact) != len(released) {
		return fmt.Errorf("%s: %d rows in plain, %d from the exchange", q.name, len(exact), len(released))
	}
	for key, want := range exact {
		got := released[key]
		if len(got) != len(want) || len(got) != len(q.kinds) {
			return fmt.Errorf("%s: row %s differs in its columns", q.name, key)
		}
		for i := range want {
			if math.Abs(got[i]-want[i]) > q.allowed(exact, key, i) {
				return fmt.Errorf("%s: row %s, column %d: plain says %v, the exchange %v", q.name, key, i+1, want[i], got[i])
			}
		}
	}
	return nil
}

// countAt is the place of the first count; 0 where there is none, and no mean.
func (q question) countAt() int { return max(0, slices.Index(q.kinds, count)) }

// cellsOf lists the cells that a row is the total of: those that agree in the parts of its key that are there. A row without a total's
// gaps is its own.
func cellsOf(exact answer, key string) []string {
	gaps := func(key string) bool { return strings.Contains("|"+key, "||") }
	if !gaps(key) {
		return []string{key}
	}
	parts := strings.Split(key, "|")
	var out []string
	for other := range exact {
		others := strings.Split(other, "|")
		if !gaps(other) && len(others) == len(parts) && agreeWhere(parts, others) {
			out = append(out, other)
		}
	}
	return out
}

func agreeWhere(parts, others []string) bool {
	for i, p := range parts {
		if p != "" && p != others[i] {
			return false
		}
	}
	return true
}

// allowed of a column. A subtotal is the sum of cells as they are shown, each rounded by itself; a quantile does not add up and is
// released again.
func (q question) allowed(exact answer, key string, column int) float64 {
	k, want, rows := q.kinds[column], exact[key][column], exact[key][q.countAt()]
	cells := cellsOf(exact, key)
	if k == quantile || len(cells) == 0 || cells[0] == key {
		return allowed(k, want, rows)
	}
	if k == mean {
		off := float64(len(cells)) * roundCount / 2
		return math.Abs(want) * (math.Pow(10, 1-valueDigits)/2 + off/(rows-off))
	}
	all := 0.0
	for _, c := range cells {
		all += allowed(k, exact[c][column], exact[c][q.countAt()])
	}
	return all
}

// oneCent: plain DuckDB cuts a decimal's quantile to the decimal's places, two in all tables here; a plan's quantile is a double.
const oneCent = 0.01

// allowed is half of the rounding's step, and what a double can't tell. A mean is
// the quotient of a released sum and a released count: both are rounded, then it.
func allowed(k kind, exact, rows float64) float64 {
	const half = roundCount / 2.0
	if k == count {
		return half
	}
	if exact == 0 {
		return 0
	}
	step := math.Pow(10, math.Floor(math.Log10(math.Abs(exact)))+1-valueDigits)
	if k == mean {
		return step + math.Abs(exact)*half/(rows-half)
	}
	if k == quantile {
		return step/2 + oneCent
	}
	return step/2 + math.Abs(exact)*1e-14
}
