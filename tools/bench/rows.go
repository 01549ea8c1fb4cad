package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

const (
	leastRows = 6 // powers of ten
	mostRows  = 8
	// goalMemory is what a job may hold beyond the bytes that it opened.
	goalMemory = 1e9
	slopeBand  = 0.05
)

// scaled is what jobs over one size of table took.
type scaled struct {
	power  int
	wall   []float64 // whole jobs, milliseconds
	inside []float64 // stages open and run of the same, by the enclave's clock
	beyond []float64 // peak memory less the bytes opened
	plain  []float64 // the other side, milliseconds
}

func (s *scaled) add(j *job) {
	s.wall = append(s.wall, j.ms)
	s.inside = append(s.inside, j.stages["open"]+j.stages["run"])
	s.beyond = append(s.beyond, float64(j.receipt.Clear.PeakMemory-j.receipt.Clear.Bytes))
}

// scaleRows asks the same query over tables of 10^6 rows and more.
func scaleRows(ctx context.Context, b *bench, r *figure.Report) error {
	w, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	r.Settings = []string{fmt.Sprintf("Generated tables like lineitem, rows are units, a query like Q1, class %s; both sides' DuckDB may use %d MiB", b.o.jobClass, b.jobMemory()>>20)}
	var all []*scaled
	for power := leastRows; power <= b.o.rows; power++ {
		r.Machine.Sample()
		s, f, err := b.scaled(ctx, w, power)
		if err != nil {
			return fmt.Errorf("10^%d rows: %w", power, err)
		}
		all = append(all, s)
		r.Add(f)
	}
	for _, f := range scaleSums(all) {
		r.Add(f)
	}
	return nil
}

// scaled measures one size. Its files are gone afterwards, but for the sealed one.
func (b *bench) scaled(ctx context.Context, w *world, power int) (*scaled, *figure.Figure, error) {
	dataset := fmt.Sprintf("lineitem_%d", power)
	table := owners()[0] + "." + dataset
	made, plain := w.file(dataset+".made.parquet"), w.file(dataset+".parquet")
	defer os.Remove(plain)
	if err := w.steps(ctx, []step{
		{fmt.Sprintf("make 10^%d rows", power), func(ctx context.Context) error { return makeRows(ctx, made, int64(math.Pow10(power))) }},
		{"publish them", func(ctx context.Context) error { return errors.Join(w.publishBig(ctx, dataset, made), os.Remove(made)) }},
		{"agree on a contract over them", func(ctx context.Context) error { return w.agree(ctx, table) }},
	}); err != nil {
		return nil, nil, err
	}
	files, err := w.unseal(ctx, owners()[0], dataset)
	if err != nil {
		return nil, nil, err
	}
	if err := files[0].writePlain(ctx, plain); err != nil {
		return nil, nil, err
	}
	s, q := &scaled{power: power}, likeQ1()
	ours := func(ctx context.Context) (figure.Sample, error) {
		j, err := w.askClass(ctx, q, table, b.o.jobClass)
		if err != nil {
			return figure.Sample{}, err
		}
		s.add(j)
		a, err := q.answerOfJSON(j.result)
		return figure.Sample{Amount: j.ms, Answer: a}, err
	}
	analysts := func(ctx context.Context) (figure.Sample, error) { return b.plainWithin(ctx, q, b.jobMemory(), plain) }
	p, err := figure.Turns(ctx, b.o.rounds, ours, analysts, func(x, y any) error { return agree(q, y.(answer), x.(answer)) })
	if err != nil {
		return nil, nil, err
	}
	s.wall, s.inside, s.beyond = s.wall[1:], s.inside[1:], s.beyond[1:] // the first turn warms up
	s.plain = p.Plain()
	f := figure.Of(fmt.Sprintf("job over 10^%d rows", power), p, figure.Goal{}, "").In("rows", "submit to result opened")
	f.X = math.Pow10(power)
	return s, f, nil
}

// scaleSums are the slopes over all sizes, and the memory of each.
func scaleSums(all []*scaled) []*figure.Figure {
	slopes := func(of func(*scaled) []float64) (out []float64) {
		for turn := range of(all[0]) {
			var x, y []float64
			for _, s := range all {
				x, y = append(x, float64(s.power)), append(y, math.Log10(of(s)[turn]))
			}
			out = append(out, figure.Slope(x, y))
		}
		return out
	}
	out := []*figure.Figure{
		figure.At("slope of log time in the enclave over log rows", figure.Exponent, slopes(func(s *scaled) []float64 { return s.inside }), 0.5,
			figure.Goal{AtLeast: 1 - slopeBand, AtMost: 1 + slopeBand}).In("rows", "stages open and run of the receipts, which grow with the rows"),
		figure.At("slope of log time of the whole job over log rows", figure.Exponent, slopes(func(s *scaled) []float64 { return s.wall }), 0.5,
			figure.Goal{}).In("rows", "with what a job costs over an empty table, too: below 1 as long as that counts"),
		figure.At("slope of log time of plain DuckDB over log rows", figure.Exponent, slopes(func(s *scaled) []float64 { return s.plain }), 0.5,
			figure.Goal{}).In("rows", "the same query over the plain file"),
	}
	for _, s := range all {
		out = append(out, figure.At(fmt.Sprintf("peak memory beyond the opened bytes, 10^%d rows", s.power), figure.Bytes, s.beyond, 0.5,
			figure.Goal{AtMost: goalMemory}).In("rows", "of the whole enclave, by the receipts"))
	}
	return out
}

// makeRows writes rows with the columns of lineitem that are published.
func makeRows(ctx context.Context, path string, rows int64) error {
	return withDuckDB(func(db *sql.DB) error {
		_, err := db.ExecContext(ctx, fmt.Sprintf(`COPY (SELECT i // 4 AS l_orderkey, (1 + hash(i, 1) %% 50)::DECIMAL(15,2) AS l_quantity,
			(900 + (hash(i, 2) %% 10000000) / 100)::DECIMAL(15,2) AS l_extendedprice, ((hash(i, 3) %% 11) / 100)::DECIMAL(15,2) AS l_discount,
			((hash(i, 4) %% 9) / 100)::DECIMAL(15,2) AS l_tax, ['A', 'N', 'R'][(1 + hash(i, 5) %% 3)::INTEGER] AS l_returnflag,
			['F', 'O'][(1 + hash(i, 6) %% 2)::INTEGER] AS l_linestatus, DATE '1992-01-02' + (hash(i, 7) %% 2526)::INTEGER AS l_shipdate
			FROM range(%d) t(i)) TO '%s' (FORMAT parquet, COMPRESSION zstd)`, rows, path))
		return err
	})
}
