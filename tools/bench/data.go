package main

import (
	"context"
	"database/sql"
	"fmt"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// makeTiny writes one owner's small table.
func makeTiny(ctx context.Context, path string, owner int) error {
	return withDuckDB(func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT
			['Large', 'Medium', 'Small'][(1 + i %% 3)] AS size, 100 + hash(i, %d) %% 100 AS cost
			FROM range(%d) t(i)) TO '%s' (FORMAT csv, HEADER)`, owner, tinyRows, path))
		return err
	})
}

const tinyRows = 300

// withDuckDB lends a fresh database in memory, connected.
func withDuckDB(use func(*sql.DB) error) error {
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxOpenConns(1)
	if err := db.Ping(); err != nil {
		return err
	}
	return use(db)
}

// copyCSV makes one Parquet file of several CSV files.
func copyCSV(ctx context.Context, list, path string) error {
	return withDuckDB(func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "COPY (SELECT * FROM read_csv(["+list+"])) TO '"+path+"' (FORMAT parquet)")
		return err
	})
}
