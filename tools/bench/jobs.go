package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
	"github.com/cordon-exchange/cordon/tools/bench/tpch"
)

const (
	goalJob = 1.05
	// leastPlain is how long a query must take in plain DuckDB for its ratio to count, in milliseconds.
	leastPlain = 1000
	// roundsOfJobs: each takes seconds.
	roundsOfJobs = 3
	jobTable     = "vendor_a.lineitem_jobs"
)

// jobQuestions are of the grammar: like Q1 and Q6, totals, groups by one and by two columns, filters by date, number and value, subtotals, quantiles.
func jobQuestions() []question {
	q := func(name, columns, rest string, keys int, kinds ...kind) question {
		return question{name, "SELECT " + columns + " FROM %s " + rest, keys, kinds}
	}
	one, six := likeQ1(), likeQ6()
	one.name, six.name = "like Q1", "like Q6"
	const all = "count(*) AS n, sum(l_extendedprice) AS price, sum(l_quantity) AS quantity, sum(l_extendedprice * l_discount) AS revenue, sum(l_extendedprice * l_tax) AS due, avg(l_discount) AS discount, avg(l_tax) AS tax"
	kinds := []kind{count, sum, sum, sum, sum, mean, mean}
	return []question{one, six,
		q("totals", all, "", 0, kinds...),
		q("by flag", "l_returnflag, "+all, "GROUP BY l_returnflag ORDER BY l_returnflag", 1, kinds...),
		q("by status", "l_linestatus, "+all, "GROUP BY l_linestatus ORDER BY l_linestatus", 1, kinds...),
		q("a year by flag", "l_returnflag, "+all, "WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' GROUP BY l_returnflag ORDER BY l_returnflag", 1, kinds...),
		q("small quantities", "l_linestatus, "+all, "WHERE l_quantity < 24 GROUP BY l_linestatus ORDER BY l_linestatus", 1, kinds...),
		q("returned", all, "WHERE l_returnflag = 'R'", 0, kinds...),
		q("by flag and status", "l_returnflag, l_linestatus, "+all, "GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus", 2, kinds...),
		q("quantiles of a year", "l_returnflag, count(*) AS n, median(l_quantity) AS middle, quantile_cont(l_extendedprice, 0.9) AS high", "WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' GROUP BY l_returnflag ORDER BY l_returnflag", 1, count, quantile, quantile),
	}
}

// jobRows measures whole jobs, from asking to the opened result, beside the analyst's own SQL over the plain file.
func jobRows(ctx context.Context, b *bench, r *figure.Report) error {
	w, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	dir := w.file("jobs")
	if err := w.steps(ctx, []step{
		{"make lineitem for jobs", func(ctx context.Context) error {
			return errors.Join(os.Mkdir(dir, 0o700), tpch.Generate(ctx, b.generator(), dir, b.o.jobScale, "lineitem"))
		}},
		{"publish lineitem for jobs", func(ctx context.Context) error {
			return errors.Join(w.publishBig(ctx, "lineitem_jobs", tpch.Path(dir, "lineitem")), os.RemoveAll(dir))
		}},
		{"agree on a contract over it", func(ctx context.Context) error { return w.agree(ctx, jobTable) }},
	}); err != nil {
		return err
	}
	files, err := w.unseal(ctx, "lineitem_jobs")
	if err != nil {
		return err
	}
	plain := w.file("jobs.parquet")
	if err := files[0].writePlain(ctx, plain); err != nil {
		return err
	}
	r.Settings = []string{fmt.Sprintf("lineitem at scale factor %g, rows are units, class %s; both sides' DuckDB may use %d MiB", b.o.jobScale, b.o.jobClass, b.jobMemory()>>20)}
	var pairs []*figure.Pair
	var each []*figure.Figure
	var seen exposures
	long := true
	for _, q := range jobQuestions() {
		r.Machine.Sample()
		var stages map[string][]float64
		ours := func(ctx context.Context) (figure.Sample, error) {
			j, err := w.askClass(ctx, q, jobTable, b.o.jobClass)
			if err != nil {
				return figure.Sample{}, err
			}
			seen.add(j)
			stages = addAll(stages, j.stages)
			a, err := q.answerOfJSON(j.result)
			return figure.Sample{Amount: j.ms, Answer: a}, err
		}
		analysts := func(ctx context.Context) (figure.Sample, error) { return b.plainWithin(ctx, q, plain, b.jobMemory()) }
		p, err := figure.Turns(ctx, min(b.o.rounds, roundsOfJobs), ours, analysts, func(x, y any) error { return agree(q, y.(answer), x.(answer)) })
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		f := figure.Of("job, "+q.name, p, figure.Goal{}, "").In("jobs", "in the enclave: open %.0f ms, run %.0f", figure.Median(stages["open"]), figure.Median(stages["run"]))
		b.say("%s: %.0f ms, plain %.0f ms; %s", f.Name, f.A, f.B, f.Note)
		if f.B < leastPlain {
			long = false
			f = tooQuick(f.Name, f.B, figure.Goal{})
		}
		pairs, each = append(pairs, p), append(each, f)
	}
	for _, f := range jobSums(pairs, each, long) {
		r.Add(f)
	}
	for _, f := range seen.figures() {
		r.Add(f)
	}
	return nil
}

// jobMemory is what an enclave of the jobs' class gives its engine: half of what the class has.
func (b *bench) jobMemory() int64 {
	switch b.o.jobClass {
	case "small":
		return 1 << 29
	case "standard":
		return 2 << 30
	}
	return 8 << 30
}

// jobSums are the figures of all queries, then of each. One query that is too quick leaves no figure of all.
func jobSums(pairs []*figure.Pair, each []*figure.Figure, long bool) []*figure.Figure {
	const name, worst = "whole job, geometric mean", "whole job, worst"
	goal := figure.Goal{AtMost: goalJob}
	mean, err := figure.Mean(name, pairs, goal)
	if err != nil || !long {
		why := fmt.Sprintf("a query takes less than %d ms in plain DuckDB: raise -job-sf", leastPlain)
		return append([]*figure.Figure{figure.Fail(name, figure.Ratio, goal, why).In("jobs", ""), figure.Fail(worst, figure.Ratio, figure.Goal{}, why).In("jobs", "")}, each...)
	}
	most := *each[0]
	for _, f := range each {
		if f.Value > most.Value {
			most = *f
		}
	}
	which := most.Name
	most.Name = worst
	return append([]*figure.Figure{mean.In("jobs", "submit to result opened"), most.In("jobs", "%s", which)}, each...)
}

func tooQuick(name string, ms float64, g figure.Goal) *figure.Figure {
	return figure.Fail(name, figure.Ratio, g, fmt.Sprintf("plain DuckDB takes %.0f ms, less than %d: raise -job-sf", ms, leastPlain)).In("jobs", "")
}
