package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date, each step in one transaction, or refuses
// a file that a newer version has written: its rows could mean something else.
func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	newest, err := newestSchema()
	if err != nil {
		return err
	}
	if have > newest {
		return fmt.Errorf("%w: schema %d, this version knows %d", store.ErrNewerSchema, have, newest)
	}
	_, err = p.Up(ctx)
	return err
}

// newestSchema that this version knows.
func newestSchema() (int64, error) {
	list, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(list) == 0 {
		return 0, errors.Join(errors.New("sqlite: no migrations"), err)
	}
	return goose.NumericComponent(list[len(list)-1])
}
