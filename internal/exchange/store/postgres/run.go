package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

const (
	maxTries   = 6                    // of a transaction that others got in the way of
	firstPause = 5 * time.Millisecond // doubles, and half of it is chance
)

// runner is a connection, inside a transaction or not.
type runner interface {
	Exec(ctx context.Context, q string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, q string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, q string, args ...any) pgx.Row
}

// tx asks a runner, for as long as one call may take.
type tx struct {
	runner
	ctx context.Context
}

// single runs f, each of whose statements is a transaction of its own, and not durable: for questions, and for writes of one statement.
func (s *Store) single(ctx context.Context, f func(t *tx) error) error {
	return s.try(ctx, s.quick, func(ctx context.Context, c *pgx.Conn) error { return f(&tx{c, ctx}) })
}

// write runs f in a transaction. It may run f several times: what it sets must not depend on that.
func (s *Store) write(ctx context.Context, durable bool, f func(t *tx) error) error {
	if s.view != nil {
		return errView
	}
	pool := s.quick
	if durable {
		pool = s.durable
	}
	return s.try(ctx, pool, func(ctx context.Context, c *pgx.Conn) error {
		return pgx.BeginFunc(ctx, c, func(x pgx.Tx) error { return f(&tx{x, ctx}) })
	})
}

// try runs f again while it is undone because of others.
func (s *Store) try(ctx context.Context, pool *pgxpool.Pool, f func(context.Context, *pgx.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.closed.Load() {
		return store.ErrClosed
	}
	if s.view != nil {
		return classify(s.view.do(ctx, f))
	}
	// Calls are never cut short: it would cost the connection.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	pause := firstPause
	for n := 1; ; n++ {
		err := s.once(ctx, pool, f)
		if err == nil || !undone(err) {
			return classify(err)
		}
		if n == maxTries {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
		time.Sleep(pause/2 + rand.N(pause/2))
		pause *= 2
	}
}

func (s *Store) once(ctx context.Context, pool *pgxpool.Pool, f func(context.Context, *pgx.Conn) error) error {
	c, err := pool.Acquire(ctx)
	if s.closed.Load() && err != nil {
		return store.ErrClosed
	}
	if err != nil {
		return lost(err)
	}
	defer c.Release()
	err = f(ctx, c.Conn())
	if err != nil && c.Conn().IsClosed() {
		return lost(err)
	}
	return err
}

// lost is an error of the connection, not of what was asked.
func lost(err error) error {
	if known := classify(err); errors.Is(known, store.ErrUnavailable) || errors.Is(known, store.ErrFull) {
		return known
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// exec runs a statement.
func (t *tx) exec(q string, args ...any) error {
	_, err := t.changed(q, args...)
	return err
}

// changed is exec, and tells how many rows there were to change.
func (t *tx) changed(q string, args ...any) (int64, error) {
	tag, err := t.Exec(t.ctx, q, args...)
	return tag.RowsAffected(), err
}

// one reads one row, or ErrNotFound.
func (t *tx) one(q string, args []any, into ...any) error {
	err := t.QueryRow(t.ctx, q, args...).Scan(into...)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.ErrNotFound
	}
	return err
}

// Changed is changed for rules of all stores, whose arguments are ?1, ?2, …
func (t *tx) Changed(q string, args ...any) (int64, error) { return t.changed(dollars(q), args...) }

// One is one for them.
func (t *tx) One(q string, args []any, into ...any) error { return t.one(dollars(q), args, into...) }

func dollars(q string) string { return strings.ReplaceAll(q, "?", "$") }

// each calls row for every row of q.
func (t *tx) each(q string, args []any, row func(scan func(...any) error) error) error {
	rows, err := t.Query(t.ctx, q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return fmt.Errorf("read store: %w", err)
		}
	}
	return rows.Err()
}

// texts are plain strings, for the arguments of queries.
func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// typed is the other way round; nil for none.
func typed[T ~string](list []string) []T {
	var out []T
	for _, v := range list {
		out = append(out, T(v))
	}
	return out
}
