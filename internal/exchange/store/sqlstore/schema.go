package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// Up brings a schema up to date, each step in one transaction, or refuses what a newer version has written: its rows could mean
// something else. migrations holds a folder of that name.
func Up(ctx context.Context, dialect goose.Dialect, db *sql.DB, migrations fs.FS) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, db, dir)
	if err != nil {
		return err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return err
	}
	if err := Known(have, migrations); err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// Known refuses a schema that is newer than the migrations.
func Known(have int64, migrations fs.FS) error {
	newest, err := newest(migrations)
	if err == nil && have > newest {
		err = fmt.Errorf("%w: schema %d, this version knows %d", store.ErrNewerSchema, have, newest)
	}
	return err
}

// Current refuses a schema that is not that of the migrations, for who may not bring it up to date.
func Current(have int64, migrations fs.FS) error {
	newest, err := newest(migrations)
	if err == nil && have < newest {
		err = fmt.Errorf("%w: schema %d, this version has %d", store.ErrOlderSchema, have, newest)
	}
	return errors.Join(err, Known(have, migrations))
}

func newest(migrations fs.FS) (int64, error) {
	list, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(list) == 0 {
		return 0, errors.Join(errors.New("store: no migrations"), err)
	}
	return goose.NumericComponent(list[len(list)-1])
}
