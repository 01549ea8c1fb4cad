package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
)

// differencing judges pairs: from both answers together, the exact difference of the true ones must not be had.
func (j *judge) differencing(ctx context.Context, all []*one) error {
	for _, a := range all {
		m := pairID(a.line.ID)
		if a.line.Class != "differencing" || m == nil || m[2] != "a" {
			continue
		}
		i := slices.IndexFunc(all, func(b *one) bool { return b.line.ID == m[1]+"b" })
		if i < 0 {
			a.Notes = append(a.Notes, "its pair is not among the queries")
			continue
		}
		if b := all[i]; a.ran() && b.ran() {
			if err := j.pair(ctx, a, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair marks the second of two queries as failed if both together leak.
func (j *judge) pair(ctx context.Context, a, b *one) error {
	known := ids{}
	left, err := j.system.releases(ctx, a.outcome, known, a.line.ID+" ")
	if err != nil {
		return err
	}
	right, err := j.system.releases(ctx, b.outcome, known, b.line.ID+" ")
	if err != nil {
		return err
	}
	b.margins(left, right, fromTwo)
	b.margins(right, left, fromTwo)
	safe := true
	for _, r := range left {
		for _, s := range right {
			safe = b.cellwise(r, s) && safe
		}
	}
	return j.answers(ctx, a, b, safe)
}

// cellwise compares values of the same cells: rows that only one of them is made of may have no value of their own that is told
// exactly. It reports whether all such rows would be safe to show.
func (o *one) cellwise(r, s *release) bool {
	safe := true
	for _, c := range r.shown {
		for _, d := range s.shown {
			if c.key != d.key || family(c) != family(d) || c.op() != d.op() {
				continue
			}
			only, minus := without(c.rows, d.rows), without(d.rows, c.rows)
			if len(only)+len(minus) == 0 || r.rules.dp || s.rules.dp {
				continue
			}
			why := r.rules.unsafe(c.op(), c.agg, only)
			if len(only) == 0 || why == "" && len(minus) > 0 {
				why = s.rules.unsafe(d.op(), d.agg, minus)
			}
			if why == "" {
				continue
			}
			safe = false
			if additive := c.op() == policy.AggSum || c.op() == policy.AggCount || c.op() == policy.AggCountValue; additive && close(c.value-d.value, c.truth()-d.truth()) && close(c.value, c.truth()) {
				o.fail("%v, and %v: their difference is exactly that of rows of which %s", c, d, why)
			}
		}
	}
	return safe
}

func without(rows, others []*fed) (out []*fed) {
	in := map[int]bool{}
	for _, f := range others {
		in[f.id] = true
	}
	for _, f := range rows {
		if !in[f.id] {
			out = append(out, f)
		}
	}
	return out
}

// answers compares the two answers with the two raw ones, knowing nothing of releases.
func (j *judge) answers(ctx context.Context, a, b *one, safe bool) error {
	rawA, errA := j.system.plain.raw(ctx, a.line.SQL)
	rawB, errB := j.system.plain.raw(ctx, b.line.SQL)
	if errA != nil || errB != nil {
		b.Notes = append(b.Notes, "raw, one of the pair fails on the fixture")
		return nil
	}
	left, right := aligned(a.table, rawA), aligned(b.table, rawB)
	for place, p := range left {
		q, ok := right[place]
		if !ok || p.raw == q.raw || !close(p.got-q.got, p.raw-q.raw) || safe {
			continue
		}
		if close(p.got, p.raw) { // else both are rounded, and that it cancels this time nobody can know
			b.fail("with its pair it gives the exact difference %g", p.raw-q.raw)
		} else {
			b.Notes = append(b.Notes, fmt.Sprintf("with its pair it gives the exact difference %g, by chance of rounding", p.raw-q.raw))
		}
	}
	return nil
}

// averaging judges the spellings of one noised query: one answer for all, or each is charged.
func averaging(all []*one) {
	var ran []*one
	for _, o := range all {
		if o.line.Class == "noise-averaging" && o.ran() {
			ran = append(ran, o)
		}
	}
	same, charged := true, true
	for _, o := range ran {
		same = same && numbers(o.table) == numbers(ran[0].table)
		digests := map[string]bool{}
		for _, c := range o.charges() {
			digests[c.Release] = true
		}
		for i, n := range o.plan.Program.Releases {
			charged = charged && n.Mode == policy.ModeDP && n.DP != nil && digests[o.digest(i)]
		}
	}
	for _, o := range ran {
		if !same && !charged {
			o.fail("%d spellings of one query have different answers, and not each is charged", len(ran))
		}
	}
}

// numbers are the numbers of an answer, in order.
func numbers(t *result.Table) string {
	var out []string
	for _, row := range t.Rows {
		for i, v := range row {
			if text, ok := v.Text(); ok && t.Columns[i].Type.Numeric() {
				out = append(out, text)
			}
		}
	}
	return strings.Join(out, " ")
}

// pairOf is a number of an answer and the raw one in its place.
type pairOf struct{ got, raw float64 }

// aligned pairs the numbers of an answer with those of the raw one: rows that agree in all that is no number, or failing that in
// their whole numbers; where several do, in order.
func aligned(t *result.Table, raw *rawTable) map[string]pairOf {
	numeric := make([]bool, len(t.Columns))
	for i, c := range t.Columns {
		numeric[i] = c.Type.Numeric()
	}
	if len(raw.columns) != len(numeric) {
		return nil
	}
	byKey := map[string][][]*string{}
	for _, row := range raw.rows {
		k := keyOf(row, numeric)
		byKey[k] = append(byKey[k], row)
	}
	out := map[string]pairOf{}
	for _, row := range t.Rows {
		texts := make([]*string, len(row))
		for i, v := range row {
			if text, ok := v.Text(); ok {
				texts[i] = &text
			}
		}
		k := keyOf(texts, numeric)
		if len(byKey[k]) != 1 { // years and the like are keys that are numbers: no telling
			continue
		}
		for i, other := range byKey[k][0] {
			if !numeric[i] || texts[i] == nil || other == nil {
				continue
			}
			got, err1 := strconv.ParseFloat(*texts[i], 64)
			want, err2 := strconv.ParseFloat(*other, 64)
			if err1 == nil && err2 == nil && !math.IsNaN(want) {
				out[k+" "+strconv.Itoa(i)] = pairOf{got, want}
			}
		}
	}
	return out
}

func keyOf(row []*string, numeric []bool) string {
	var keys []*string
	for i, v := range row {
		if !numeric[i] {
			keys = append(keys, v)
		}
	}
	return joined(keys)
}

// rawTable is the answer that plain DuckDB gives to a query as it was written.
type rawTable struct {
	columns []string
	rows    [][]*string
}

func (p *plain) raw(ctx context.Context, query string) (*rawTable, error) {
	rows, err := p.db.QueryContext(ctx, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ("+strings.TrimRight(query, "; \n")+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t := &rawTable{}
	if t.columns, err = rows.Columns(); err != nil {
		return nil, err
	}
	for rows.Next() {
		row, dest := make([]*string, len(t.columns)), make([]any, len(t.columns))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		t.rows = append(t.rows, row)
	}
	return t, rows.Err()
}
