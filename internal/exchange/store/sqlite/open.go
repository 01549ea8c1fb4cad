package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/pressly/goose/v3"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
)

const (
	fileName = "exchange.db"
	lockName = "lock.db"
	readers  = 4 // connections; queries take tens of microseconds
)

// Store is an open store. Its methods may be called concurrently.
type Store struct {
	id    string
	lock  *fileLock
	read  *sql.DB
	write *sql.DB
	w     *writer

	closing sync.Once
	closed  error

	mu       sync.Mutex
	prepared map[string]*sql.Stmt // for reading

	parties registry
	known   known
}

var _ store.Store = (*Store)(nil)

// Open opens the store in dir, or makes one. Nobody else can have it open.
func Open(ctx context.Context, dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := takeLock(ctx, filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	s := &Store{lock: lock, prepared: map[string]*sql.Stmt{}}
	if err := s.open(ctx, filepath.Join(dir, fileName)); err != nil {
		return nil, errors.Join(classify(err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, file string) (err error) {
	// synchronous is set per transaction by the writer; FULL is what migrations get.
	if s.write, err = sql.Open("sqlite", dsn(file, "journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)",
		"journal_size_limit(67108864)", "busy_timeout(5000)")); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := sqlstore.Up(ctx, goose.DialectSQLite3, s.write, migrations); err != nil {
		return err
	}
	if s.id, err = identify(ctx, s.write); err != nil {
		return err
	}
	if s.w, err = newWriter(ctx, s.write); err != nil {
		return err
	}
	if s.read, err = sql.Open("sqlite", dsn(file, "query_only(1)", "busy_timeout(5000)")); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return s.read.PingContext(ctx)
}

func dsn(file string, pragmas ...string) string {
	q := url.Values{"_pragma": pragmas}
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(file), RawQuery: q.Encode()}
	return u.String()
}

// fileLock is an exclusive transaction on a file beside the store: the system
// ends it with the process, and it works on every system.
type fileLock struct {
	db   *sql.DB
	conn *sql.Conn
}

func takeLock(ctx context.Context, file string) (*fileLock, error) {
	db, err := sql.Open("sqlite", dsn(file, "busy_timeout(0)"))
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(classify(err), db.Close())
	}
	l := &fileLock{db: db, conn: conn}
	if _, err := conn.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return nil, errors.Join(classify(err), l.Close())
	}
	return l, nil
}

func (l *fileLock) Close() error { return errors.Join(l.conn.Close(), l.db.Close()) }

func identify(ctx context.Context, db *sql.DB) (string, error) {
	var b [32]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	fresh := "exchange1" + hex.EncodeToString(b[:])
	if _, err := db.ExecContext(ctx, "INSERT OR IGNORE INTO meta (key, value) VALUES ('id', ?)", fresh); err != nil {
		return "", err
	}
	var id string
	err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'id'").Scan(&id)
	return id, err
}

// ID of the exchange.
func (s *Store) ID() string { return s.id }

// Shared is nil: one process has the file for itself.
func (s *Store) Shared() store.Shared { return nil }

// Close ends the store; what is being written is finished first.
func (s *Store) Close() error {
	s.closing.Do(func() {
		var errs []error
		if s.w != nil {
			errs = append(errs, s.w.close())
		}
		for _, db := range []*sql.DB{s.read, s.write} {
			if db != nil {
				errs = append(errs, db.Close())
			}
		}
		s.closed = errors.Join(append(errs, s.lock.Close())...)
	})
	return s.closed
}

// query prepares q once for all reading connections.
func (s *Store) query(ctx context.Context, q string) (*sql.Stmt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.prepared[q]; st != nil {
		return st, nil
	}
	st, err := s.read.PrepareContext(context.WithoutCancel(ctx), q)
	if err != nil {
		return nil, classify(err)
	}
	s.prepared[q] = st
	return st, nil
}

// one reads one row, or ErrNotFound.
func (s *Store) one(ctx context.Context, q string, args []any, into ...any) error {
	st, err := s.query(ctx, q)
	if err != nil {
		return err
	}
	err = st.QueryRowContext(ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return classify(err)
}

// each calls row for every row of q until it returns false.
func (s *Store) each(ctx context.Context, q string, args []any, row func(scan func(...any) error) (more bool, err error)) error {
	st, err := s.query(ctx, q)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		more, err := row(rows.Scan)
		if err != nil {
			return fmt.Errorf("read store: %w", classify(err))
		}
		if !more {
			return nil
		}
	}
	return classify(rows.Err())
}
