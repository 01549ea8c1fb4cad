package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
)

// Info is what a file says of itself.
type Info struct {
	ID     string // of the exchange
	Schema int64
}

// Snapshot writes the store in dir as it is at one moment to a new file, while another process may be writing. What was confirmed
// before the call is in it. The file has reached the disk when Snapshot returns; after an error, what is there is of no use.
func Snapshot(ctx context.Context, dir, file string) (*Info, error) {
	src := filepath.Join(dir, fileName)
	if _, err := os.Stat(src); err != nil {
		return nil, err
	}
	db, err := openFile(src)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", file); err != nil {
		return nil, classify(err)
	}
	if err := syncFile(file); err != nil {
		return nil, err
	}
	return Inspect(ctx, file)
}

// Place of the store's file in its folder.
func Place(dir string) string { return filepath.Join(dir, fileName) }

// openFile opens a file for reading only, whoever else has it open.
func openFile(file string) (*sql.DB, error) {
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(5000)"}}
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(file), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

func syncFile(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
}

// Inspect reads a file that nobody writes, and does not bring its schema up to date. One of a newer version is refused.
func Inspect(ctx context.Context, file string) (*Info, error) {
	db, err := openFile(file)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var in Info
	if err := db.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1").Scan(&in.Schema); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	if err := sqlstore.Known(in.Schema, migrations); err != nil {
		return nil, err
	}
	if err := db.QueryRowContext(ctx, "SELECT value FROM meta WHERE key = 'id'").Scan(&in.ID); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	return &in, nil
}

// Offers calls f with the envelope of every offer in a file, and whether it was revoked.
func Offers(ctx context.Context, file string, f func(envelope []byte, revoked bool) error) error {
	db, err := openFile(file)
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT envelope, EXISTS (SELECT 1 FROM statement_refs r JOIN statements v ON v.digest = r.digest
		WHERE r.ref = s.digest AND v.kind = 'revocation') FROM statements s WHERE kind = 'offer' AND complete = 1 ORDER BY seq`)
	if err != nil {
		return classify(err)
	}
	defer rows.Close()
	for rows.Next() {
		var envelope []byte
		var revoked bool
		if err := rows.Scan(&envelope, &revoked); err != nil {
			return classify(err)
		}
		if err := f(envelope, revoked); err != nil {
			return err
		}
	}
	return classify(rows.Err())
}
