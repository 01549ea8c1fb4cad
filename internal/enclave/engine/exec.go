package engine

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
)

// errTooMany says that a query gave more rows than it may.
var errTooMany = errors.New("too many rows")

// exec runs one generated statement.
func (e *Engine) exec(ctx context.Context, sql string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := e.conn.(driver.ExecerContext).ExecContext(ctx, sql, nil)
	return err
}

// prepare binds one generated statement, which the engine closes. It keeps its meaning while no table is made or changed in its form:
// what rows tables have does not matter, since nothing is planned by statistics (Inspect).
func (e *Engine) prepare(ctx context.Context, sql string) (driver.StmtQueryContext, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := e.conn.(driver.ConnPrepareContext).PrepareContext(ctx, sql)
	if err != nil {
		return nil, err
	}
	e.statements = append(e.statements, s)
	q, ok := s.(driver.StmtQueryContext)
	if !ok {
		return nil, errUnexpected
	}
	return q, nil
}

// query runs one generated statement and gives its rows to each, at most limit of them.
func (e *Engine) query(ctx context.Context, sql string, limit int, each func([]driver.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rows, err := e.conn.(driver.QueryerContext).QueryContext(ctx, sql, nil)
	if err != nil {
		return err
	}
	return read(rows, limit, each)
}

// queryPrepared is query of a statement that was prepared.
func queryPrepared(ctx context.Context, s driver.StmtQueryContext, limit int, each func([]driver.Value) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, nil)
	if err != nil {
		return err
	}
	return read(rows, limit, each)
}

func read(rows driver.Rows, limit int, each func([]driver.Value) error) error {
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for n := 0; ; n++ {
		err := rows.Next(values)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == limit {
			return errTooMany
		}
		if err := each(values); err != nil {
			return err
		}
	}
}

// one runs a query that must give one row.
func (e *Engine) one(ctx context.Context, sql string) ([]driver.Value, error) {
	var out []driver.Value
	err := e.query(ctx, sql, 1, func(v []driver.Value) error {
		out = append(out, v...)
		return nil
	})
	if err == nil && out == nil {
		err = io.ErrUnexpectedEOF
	}
	return out, err
}

func (e *Engine) count(ctx context.Context, sql string) (int64, error) {
	row, err := e.one(ctx, sql)
	if err != nil {
		return 0, err
	}
	n, ok := row[0].(int64)
	if !ok {
		return 0, errUnexpected
	}
	return n, nil
}

func (e *Engine) text(ctx context.Context, sql string) (string, error) {
	row, err := e.one(ctx, sql)
	if err != nil {
		return "", err
	}
	s, ok := row[0].(string)
	if !ok {
		return "", errUnexpected
	}
	return s, nil
}

// errUnexpected says that DuckDB gave another type than the one that was asked for.
var errUnexpected = errors.New("unexpected type")
