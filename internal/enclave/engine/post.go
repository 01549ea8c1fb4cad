package engine

import (
	"context"
	"database/sql/driver"
	"strconv"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
	"github.com/cordon-exchange/cordon/result"
)

const (
	stagingTable  = "staging"
	releasedTable = "released"
)

func itoa(n int) string { return strconv.Itoa(n) }

// preparePost binds and plans the text above the release once it was checked: the slow part of it, for which nobody has to wait while keys are awaited.
func (j *job) preparePost(ctx context.Context) (err error) {
	j.posting, err = j.engine.prepare(ctx, j.postSQL)
	return err
}

// post computes over the released table, and nothing else: the sources are not named in its SQL.
func (j *job) post(ctx context.Context) error {
	items := j.plan.Post.Select
	t := &result.Table{Columns: j.columns, Suppressed: j.released.suppressed}
	err := queryPrepared(ctx, j.posting, maxResultRows, func(row []driver.Value) error {
		out, err := resultRow(row, items)
		t.Rows = append(t.Rows, out)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := t.Encode(); err != nil { // what can't be encoded must fail here, not after the receipt
		return err
	}
	j.result = t
	return nil
}

// resultRow reads the items and, behind them, whether a base that each item reads is suppressed.
func resultRow(row []driver.Value, items []policy.Item) ([]result.Value, error) {
	if len(row) != 2*len(items) {
		return nil, errUnexpected
	}
	out := make([]result.Value, len(items))
	for i, it := range items {
		text, present, err := canonical(row[i], it.Expr.Type)
		if err != nil {
			return nil, err
		}
		hidden, ok := row[len(items)+i].(bool)
		switch {
		case !ok:
			return nil, errUnexpected
		case present:
			out[i] = result.Of(text)
		case hidden:
			out[i] = result.Suppressed()
		default:
			out[i] = result.Null()
		}
	}
	return out, nil
}

// makeTables makes the released table, and one that holds its cells as texts on their way into it. Neither may be there.
func (j *job) makeTables(ctx context.Context) error {
	columns, err := j.releasedColumns()
	if err != nil {
		return err
	}
	var texts, typed []string
	for _, c := range columns {
		texts = append(texts, c.name+" VARCHAR")
		typed = append(typed, c.name+" "+c.sqlType)
	}
	return j.engine.exec(ctx, "CREATE TABLE memory.main."+stagingTable+" ("+strings.Join(texts, ", ")+"); "+
		"CREATE TABLE memory.main."+releasedTable+" ("+strings.Join(typed, ", ")+")")
}

// fillReleased writes the released table: texts first, then one statement that casts them to the plan's types.
func (j *job) fillReleased(ctx context.Context) error {
	columns, err := j.releasedColumns()
	if err != nil {
		return err
	}
	if err := j.appendReleased(); err != nil {
		return err
	}
	var casts []string
	for _, c := range columns {
		casts = append(casts, "CAST("+c.name+" AS "+c.sqlType+")")
	}
	return j.engine.exec(ctx, "INSERT INTO memory.main."+releasedTable+" SELECT "+strings.Join(casts, ", ")+" FROM memory.main."+stagingTable)
}

// releasedColumn is a dimension or a base.
type releasedColumn struct{ name, sqlType string }

func (j *job) releasedColumns() (out []releasedColumn, err error) {
	add := func(name string, t policy.Type) {
		sql, ok := duckType(t)
		if !ok {
			err = Error{CodePlan}
		}
		out = append(out, releasedColumn{name, sql})
	}
	for i, d := range j.plan.Dims {
		add("d"+itoa(i), d.Type)
	}
	for i := range j.plan.Bases {
		add("b"+itoa(i), j.plan.BaseType(i))
	}
	return out, err
}

func (j *job) appendReleased() error {
	a, err := duckdb.NewAppender(j.engine.conn, "memory", "main", stagingTable)
	if err != nil {
		return err
	}
	for i, key := range j.released.keys {
		if err := a.AppendRow(j.stagingRow(key, j.released.bases[i])...); err != nil {
			a.Close()
			return err
		}
	}
	return a.Close()
}

// stagingRow leaves a suppressed base NULL: there is nothing of it in the database.
func (j *job) stagingRow(key []privacy.Value, bases []cellValue) []driver.Value {
	row := make([]driver.Value, 0, len(key)+len(bases))
	for _, v := range key {
		if v.Null {
			row = append(row, nil)
		} else {
			row = append(row, v.Text)
		}
	}
	for i, b := range bases {
		if b.shown {
			row = append(row, result.FormatDecimal(b.value, j.scale(i)))
		} else {
			row = append(row, nil)
		}
	}
	return row
}

// scale of a base: that of the measure for sums, none for counts.
func (j *job) scale(base int) int {
	if b := j.plan.Bases[base]; b.Op == policy.BaseSum {
		return j.plan.Measures[b.Measure].Scale
	}
	return 0
}
