package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"syscall"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/tools/bench/tpch"
)

// The goals over all 22 queries.
const (
	goalMean  = 1.05
	goalWorst = 1.15
)

// roundsWithout statistics: no goal hangs on them.
const roundsWithout = 3

// engineMemory is what both sides give DuckDB; the enclave's class standard gives its engine half of 4 GiB.
func (b *bench) engineMemory() int64 { return int64(2<<30) * int64(max(1, b.o.scale)) }

// database is a fresh one in memory with the settings of both sides: threads, memory, nothing spilled, no cache of files.
func (b *bench) database() (*sql.DB, error) { return b.databaseWithin(b.engineMemory()) }

func (b *bench) databaseWithin(memory int64) (*sql.DB, error) {
	settings := url.Values{"threads": {strconv.Itoa(b.threads)}, "memory_limit": {strconv.FormatInt(memory, 10) + "B"},
		"temp_directory": {""}, "enable_external_file_cache": {"false"}}
	c, err := duckdb.NewConnector(":memory:?"+settings.Encode(), nil)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(1)
	if err := db.Ping(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (b *bench) settings() []string {
	return []string{fmt.Sprintf("%d threads and %d MiB for DuckDB on both sides, nothing spilled; TPC-H at scale factor %g", b.threads, b.engineMemory()>>20, b.o.scale)}
}

// query answers over views of these files. What is measured: making the views, and the query to its last row.
func query(ctx context.Context, db *sql.DB, q *tpch.Query, path func(table string) string) (*tpch.Rows, error) {
	for _, t := range q.Tables() {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("CREATE VIEW %s AS SELECT * FROM read_parquet('%s')", t, path(t))); err != nil {
			return nil, err
		}
	}
	rows, err := db.QueryContext(ctx, q.SQL)
	if err != nil {
		return nil, err
	}
	return tpch.ReadRows(rows, q.Order)
}

// meter is what a side's work takes. It collects garbage first: what earlier work left behind is not this side's.
type meter struct {
	began     time.Time
	processor float64
}

func startMeter() meter {
	runtime.GC()
	return meter{time.Now(), processorTime()}
}

func (m meter) stop(answer any) figure.Sample {
	return figure.Sample{Amount: milliseconds(time.Since(m.began)), Processor: processorTime() - m.processor, Answer: answer}
}

// processorTime that this process has used, in milliseconds.
func processorTime() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// plain is the plain side of one query.
func (b *bench) plain(q *tpch.Query, t *tables, before func() error) figure.Side {
	return func(ctx context.Context) (figure.Sample, error) {
		db, err := b.database()
		if err != nil {
			return figure.Sample{}, err
		}
		defer db.Close()
		if err := before(); err != nil {
			return figure.Sample{}, err
		}
		m := startMeter()
		rows, err := query(ctx, db, q, func(table string) string { return t.plain[table] })
		return m.stop(rows), err
	}
}

// ours opens the columns that the query needs, and answers it.
func (b *bench) ours(open access, q *tpch.Query, t *tables, before func() error) figure.Side {
	return func(ctx context.Context) (s figure.Sample, err error) {
		db, err := b.database()
		if err != nil {
			return figure.Sample{}, err
		}
		defer db.Close()
		opened := map[string]opening{}
		for _, table := range q.Tables() {
			o, err := open(ctx, t.sealed[table], q.Columns[table])
			if err != nil {
				return figure.Sample{}, err
			}
			defer o.Close()
			opened[table] = o
		}
		if err := before(); err != nil {
			return figure.Sample{}, err
		}
		m := startMeter()
		for _, table := range q.Tables() {
			if err := opened[table].Open(ctx); err != nil {
				return figure.Sample{}, fmt.Errorf("open %s: %w", table, err)
			}
		}
		rows, err := query(ctx, db, q, func(table string) string { return opened[table].Path() })
		if err != nil {
			return figure.Sample{}, err
		}
		for _, table := range q.Tables() {
			if err := opened[table].Settle(ctx); err != nil {
				return figure.Sample{}, fmt.Errorf("open %s: %w", table, err)
			}
		}
		return m.stop(rows), nil
	}
}

func nothing() error { return nil }

func sameRows(x, y any) error { return tpch.Same(x.(*tpch.Rows), y.(*tpch.Rows)) }

func tpchRows(ctx context.Context, b *bench, r *figure.Report) error {
	t, err := b.tpch(ctx)
	if err != nil {
		return err
	}
	queries, err := tpch.Queries(b.o.scale)
	if err != nil {
		return err
	}
	r.Settings = b.settings()
	var pairs, without []*figure.Pair
	var each []*figure.Figure
	for _, q := range queries {
		r.Machine.Sample()
		p, err := figure.Turns(ctx, b.o.rounds, b.ours(withStatistics, q, t, nothing), b.checked(q, b.plain(q, t, nothing)), sameRows)
		if err != nil {
			return fmt.Errorf("query %d: %w", q.Number, err)
		}
		pairs = append(pairs, p)
		each = append(each, figure.Of(fmt.Sprintf("TPC-H Q%d", q.Number), p, figure.Goal{AtMost: goalWorst}, "").In("tpch-queries", ""))
		bare, err := figure.Turns(ctx, min(b.o.rounds, roundsWithout), b.ours(pagesOnly, q, t, nothing), b.plain(q, t, nothing), sameRows)
		if err != nil {
			return fmt.Errorf("query %d without statistics: %w", q.Number, err)
		}
		without = append(without, bare)
	}
	mean, err := figure.Mean("open+query, 22 queries, geometric mean", pairs, figure.Goal{AtMost: goalMean})
	if err != nil {
		return err
	}
	enclaves, err := figure.Mean("open+query as the enclave opens, geometric mean", without, figure.Goal{})
	if err != nil {
		return err
	}
	r.Add(mean.In("tpch", "each query in a fresh database over opened columns, hot"))
	r.Add(figure.Worst("open+query, 22 queries, worst", "tpch", each, figure.Goal{AtMost: goalWorst}))
	r.Add(enclaves.In("tpch", "without statistics, which are an owner's word; plain DuckDB keeps its file's"))
	for _, f := range each {
		r.Add(f)
	}
	return nil
}

// checked compares the plain side's answer with the specification's, where that has one.
func (b *bench) checked(q *tpch.Query, s figure.Side) figure.Side {
	if b.o.scale != 1 {
		return s
	}
	return func(ctx context.Context) (figure.Sample, error) {
		done, err := s(ctx)
		if err == nil {
			err = q.Check(done.Answer.(*tpch.Rows))
		}
		return done, err
	}
}

// coldQueries read one table, one table with another, and much of the two largest.
func coldQueries() []int { return []int{1, 6, 14, 12, 18} }

// coldRows measures with nothing of the files in the page cache.
func coldRows(ctx context.Context, b *bench, r *figure.Report) error {
	t, err := b.tpch(ctx)
	if err != nil {
		return err
	}
	queries, err := tpch.Queries(b.o.scale)
	if err != nil {
		return err
	}
	r.Settings = b.settings()
	var pairs []*figure.Pair
	for _, n := range coldQueries() {
		q := queries[n-1]
		r.Machine.Sample()
		forgetting := func() (err error) {
			for _, table := range q.Tables() {
				err = errors.Join(err, forget(t.plain[table]), forget(t.sealed[table].path))
			}
			return err
		}
		p, err := figure.Turns(ctx, b.o.rounds, b.ours(askingAhead, q, t, forgetting), b.plain(q, t, forgetting), sameRows)
		if err != nil {
			return fmt.Errorf("query %d: %w", n, err)
		}
		pairs = append(pairs, p)
		r.Add(figure.Of(fmt.Sprintf("cold TPC-H Q%d", n), p, figure.Goal{}, "").In("cold", ""))
	}
	mean, err := figure.Mean("cold, geometric mean", pairs, figure.Goal{})
	if err != nil {
		return err
	}
	r.Add(mean.In("cold", "both files out of the page cache before every run; ciphertext of the columns is asked for at once"))
	return nil
}
