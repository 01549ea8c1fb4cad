package postgres

import (
	"context"
	"embed"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock of whoever changes the schema: processes start together.
const migrationLock = 0x636f72646f6e // "cordon"

// migrate brings the schema up to date, each step in one transaction, or refuses
// a database that a newer version has written: its rows could mean something else.
func migrate(ctx context.Context, c *pgx.ConnConfig) (err error) {
	c = c.Copy()
	delete(c.RuntimeParams, "statement_timeout") // a large table takes its time
	delete(c.RuntimeParams, "lock_timeout")
	delete(c.RuntimeParams, "idle_in_transaction_session_timeout")
	db := stdlib.OpenDB(*c)
	defer func() { err = errors.Join(err, db.Close()) }()
	lock, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer lock.Close() // the lock ends with its connection
	if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	defer func() {
		_, unlock := lock.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(migrationLock))
		err = errors.Join(err, unlock)
	}()
	return sqlstore.Up(ctx, goose.DialectPostgres, db, migrations)
}
