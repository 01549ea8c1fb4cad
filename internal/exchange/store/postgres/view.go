package postgres

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
)

// view is one connection, inside a transaction that reads and shows one moment.
type view struct {
	mu   sync.Mutex
	conn *pgx.Conn
}

// ErrNoExchange is returned by View for a database that no exchange has worked over.
var ErrNoExchange = errors.New("postgres: no exchange in this database")

var errView = errors.New("postgres: a view writes nothing")

// View opens the store in a database as it is at one moment, whoever writes there meanwhile. It writes nothing: what would change
// something fails, and a schema that is not this version's is refused (store.ErrOlderSchema, store.ErrNewerSchema).
func View(ctx context.Context, link string) (*Store, error) {
	_, quick, err := configs(link)
	if err != nil {
		return nil, err
	}
	c := quick.ConnConfig.Copy()
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		delete(c.RuntimeParams, limit) // a large store takes its time, and nobody waits for a reader
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, classify(err)
	}
	s := &Store{view: &view{conn: conn}}
	if err := s.beginView(ctx); err != nil {
		return nil, errors.Join(classify(err), s.Close())
	}
	return s, nil
}

func (s *Store) beginView(ctx context.Context) error {
	if _, err := s.view.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return err
	}
	return s.single(ctx, func(t *tx) error {
		var schema int64
		err := t.one("SELECT max(version_id) FROM goose_db_version WHERE is_applied", nil, &schema)
		var none *pgconn.PgError
		if errors.As(err, &none) && none.Code == "42P01" { // undefined_table
			return ErrNoExchange
		}
		if err != nil {
			return err
		}
		if err := sqlstore.Current(schema, migrations); err != nil {
			return err
		}
		return t.one("SELECT value FROM meta WHERE key = 'id'", nil, &s.id)
	})
}

// do asks one thing after the other.
func (v *view) do(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := f(ctx, v.conn)
	if err != nil && v.conn.IsClosed() {
		return lost(err)
	}
	return err
}

func (v *view) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = v.conn.Close(ctx) // nothing was written
}
