package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/cordon-exchange/cordon/internal/enclave/engine"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

const goalGuard = 1.3

func byFlag() question {
	return question{"sums", `SELECT l_returnflag, count(*) AS lines, sum(l_quantity) AS quantity, avg(l_extendedprice) AS price
		FROM %s GROUP BY l_returnflag ORDER BY l_returnflag`, 1, []kind{count, sum, mean}}
}

// likeQ1 is as much of TPC-H's Q1 as the grammar has: a product of three columns it has not.
func likeQ1() question {
	return question{"q1", `SELECT l_returnflag, l_linestatus, count(*) AS count_order, sum(l_quantity) AS sum_qty, sum(l_extendedprice) AS sum_base_price,
		sum(l_extendedprice * l_discount) AS sum_discount, sum(l_extendedprice * l_tax) AS sum_tax,
		avg(l_quantity) AS avg_qty, avg(l_extendedprice) AS avg_price, avg(l_discount) AS avg_disc
		FROM %s WHERE l_shipdate <= DATE '1998-09-02' GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus`,
		2, []kind{count, sum, sum, sum, sum, mean, mean, mean}}
}

func likeQ6() question {
	return question{"q6", `SELECT sum(l_extendedprice * l_discount) AS revenue, count(*) AS n
		FROM %s WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24`,
		0, []kind{sum, count}}
}

// guardCase is one query under one kind of policy.
type guardCase struct {
	name    string
	q       question
	table   string
	lattice bool
}

func guardCases() []guardCase {
	return []guardCase{
		{"guard of a lattice, rows are units", byFlag(), bigRows, true},
		{"guard of a lattice, units in a column", byFlag(), bigUnits, true},
		{"guard without a lattice, units in a column", byFlag(), bigUnits, false},
		{"guard of a query like Q1, units in a column", likeQ1(), bigUnits, false},
		{"guard of a query like Q6, units in a column", likeQ6(), bigUnits, false},
	}
}

// guardRows runs scan and release rules over open columns, beside the analyst's own aggregate over plain Parquet.
func guardRows(ctx context.Context, b *bench, r *figure.Report) error {
	w, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	if err := b.publishLineitem(ctx, w); err != nil {
		return err
	}
	files, err := w.unseal(ctx, owners()[0], "lineitem", "lineitem_orders")
	if err != nil {
		return err
	}
	plain := w.file("plain.parquet")
	if err := files[0].writePlain(ctx, plain); err != nil {
		return err
	}
	r.Settings = b.settings()
	for _, c := range guardCases() {
		s := files[0]
		if c.table == bigUnits {
			s = files[1]
		}
		r.Machine.Sample()
		f, err := b.guard(ctx, w, c, s, plain)
		if err != nil {
			return err
		}
		r.Add(f)
	}
	return nil
}

func (b *bench) guard(ctx context.Context, w *world, c guardCase, s *published, plain string) (*figure.Figure, error) {
	text, encoding := s.offer.Policy, policy.EncodingProgram
	if c.lattice {
		encoding = policy.Encoding
		text = latticeOf(text)
	}
	plan, err := s.compile(w, c.q.over(c.table), c.table, text, encoding)
	if err != nil {
		return nil, err
	}
	m, err := s.inMemory(ctx, plan.Sources[0].Columns)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	ours := func(ctx context.Context) (figure.Sample, error) { return b.guarded(ctx, c.q, s, plan, m.Path()) }
	analysts := func(ctx context.Context) (figure.Sample, error) { return b.plainAnswer(ctx, c.q, plain) }
	p, err := figure.Turns(ctx, 3*b.o.rounds, ours, analysts, func(x, y any) error { return agree(c.q, y.(answer), x.(answer)) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return figure.Of(c.name, p, figure.Goal{AtMost: goalGuard}, "").In("guard", "scan and rules alone, data open"), nil
}

// latticeOf is the policy with the lattice that lineitem's owner would list, and without what a lattice has no place for.
func latticeOf(text string) string {
	text = strings.Replace(text, "output: guard-free", "output: {lattice: "+bigLattice+"}", 1)
	return noBins.ReplaceAllString(text, "")
}

// inMemory opens columns into a memory file, which the engine reads as it would read them when they are decrypted.
func (s *published) inMemory(ctx context.Context, columns []string) (_ *memfile.File, err error) {
	src, err := os.Open(s.file.path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	p, err := pme.ReadPlan(src, s.file.size, s.file.options(columns))
	if err != nil {
		return nil, err
	}
	m, err := memfile.Create("bench", p.MaxOutput())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	done, err := p.RunTo(ctx, src, m)
	if err != nil {
		return nil, err
	}
	return m, m.Finish(done.Size)
}

// guarded answers over columns that are open: what opening costs is measured elsewhere. What happens while keys
// are awaited is not measured, as it is not waited for: the engine is open and locked, and has checked the SQL.
func (b *bench) guarded(ctx context.Context, q question, s *published, plan *policy.Plan, path string) (_ figure.Sample, err error) {
	e, err := engine.New(ctx, engine.Options{MemoryBytes: b.engineMemory(), Threads: b.threads})
	if err != nil {
		return figure.Sample{}, err
	}
	defer e.Close()
	if err := e.Bind(ctx, []engine.Source{{Index: 0, Path: path, Required: s.offer.WithoutNull()}}); err != nil {
		return figure.Sample{}, err
	}
	if err := e.Prepare(ctx, plan); err != nil {
		return figure.Sample{}, err
	}
	m := startMeter()
	t, err := e.Run(ctx, plan)
	done := m.stop(nil)
	if err != nil {
		return figure.Sample{}, err
	}
	var out bytes.Buffer
	if err := t.WriteJSON(&out); err != nil {
		return figure.Sample{}, err
	}
	done.Answer, err = q.answerOfJSON(out.Bytes())
	return done, err
}

// plainAnswer answers over plain Parquet.
func (b *bench) plainAnswer(ctx context.Context, q question, path string) (figure.Sample, error) {
	return b.plainWithin(ctx, q, b.engineMemory(), path)
}

// plainWithin gives plain DuckDB this much memory.
func (b *bench) plainWithin(ctx context.Context, q question, memory int64, paths ...string) (_ figure.Sample, err error) {
	var tables []string
	for _, p := range paths {
		tables = append(tables, "read_parquet('"+p+"')")
	}
	db, err := b.databaseWithin(memory)
	if err != nil {
		return figure.Sample{}, err
	}
	defer db.Close()
	m := startMeter()
	rows, err := db.QueryContext(ctx, q.over(tables...))
	if err != nil {
		return figure.Sample{}, err
	}
	a, err := q.answerOfRows(rows)
	return m.stop(a), err
}
