package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strconv"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// makeLineitem writes the table: the same rows on every run. An order has one to
// seven lines, dates and prices spread as in TPC-H.
func makeLineitem(ctx context.Context, path string, rows int) error {
	return withDuckDB(0, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT
			(i // 7) * 2 + (CASE WHEN i %% 7 < hash(i // 7) %% 7 THEN 0 ELSE 1 END) AS l_orderkey,
			(1 + hash(i) %% 50)::DECIMAL(15,2) AS l_quantity,
			((90000 + hash(i, 1) %% 10000000) / 100)::DECIMAL(15,2) AS l_extendedprice,
			((hash(i, 2) %% 11) / 100)::DECIMAL(15,2) AS l_discount,
			['A', 'N', 'R'][(1 + hash(i, 4) %% 3)::BIGINT] AS l_returnflag,
			['F', 'O'][(1 + hash(i, 5) %% 2)::BIGINT] AS l_linestatus,
			(DATE '1992-01-02' + (hash(i, 6) %% 2526)::INTEGER)::DATE AS l_shipdate
			FROM range(%d) t(i)) TO '%s' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`, rows, path))
		return err
	})
}

// makeTiny writes one owner's small table.
func makeTiny(ctx context.Context, path string, owner int) error {
	return withDuckDB(0, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT
			['Large', 'Medium', 'Small'][(1 + i %% 3)] AS size, 100 + hash(i, %d) %% 100 AS cost
			FROM range(%d) t(i)) TO '%s' (FORMAT csv, HEADER)`, owner, tinyRows, path))
		return err
	})
}

const tinyRows = 300

// plainQuery answers over plain Parquet: a fresh database, as the enclave has,
// and only the query itself is measured.
func plainQuery(ctx context.Context, q question, path string, threads int) (got answer, ms, busy float64, err error) {
	err = withDuckDB(threads, func(db *sql.DB) error {
		began := processorTime()
		var err error
		ms, err = timed(func() error {
			rows, err := db.QueryContext(ctx, q.over("read_parquet('"+path+"')"))
			if err != nil {
				return err
			}
			got, err = answerOfRows(rows)
			return err
		})
		busy = processorTime() - began
		return err
	})
	return got, ms, busy, err
}

// withDuckDB lends a fresh database in memory, connected.
func withDuckDB(threads int, use func(*sql.DB) error) error {
	settings := url.Values{}
	if threads > 0 {
		settings.Set("threads", strconv.Itoa(threads))
	}
	connector, err := duckdb.NewConnector(":memory:?"+settings.Encode(), nil)
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
	return withDuckDB(0, func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, "COPY (SELECT * FROM read_csv(["+list+"])) TO '"+path+"' (FORMAT parquet)")
		return err
	})
}
