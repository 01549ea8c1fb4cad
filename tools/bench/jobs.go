package main

import (
	"context"
	"fmt"

	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

const (
	goalJob = 1.05
	// leastPlain is how long a query must take in plain DuckDB for its ratio to count, in milliseconds, and leastLong how many
	// queries must take so long for a ratio of all.
	leastPlain = 1000
	leastLong  = 8
	// roundsOfJobs: each takes seconds.
	roundsOfJobs = 3
)

// jobTables are what jobs ask over, under one contract.
type jobTables struct {
	contract string
	tables   []string
	plain    []string // files of the same rows
}

// jobSet is what is asked over some tables.
type jobSet struct {
	over      jobTables
	questions []question
}

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
		q("subtotals", "l_returnflag, l_linestatus, "+all, "GROUP BY ROLLUP (l_returnflag, l_linestatus) ORDER BY l_returnflag, l_linestatus", 2, kinds...),
		q("quantiles of a year", "l_returnflag, count(*) AS n, median(l_quantity) AS middle, quantile_cont(l_extendedprice, 0.9) AS high", "WHERE l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1995-01-01' GROUP BY l_returnflag ORDER BY l_returnflag", 1, count, quantile, quantile),
	}
}

// latticeQuestions are of a lattice: what a question asks is a function of the cells that it lists.
func latticeQuestions() []question {
	const all = "count(*) AS n, sum(l_extendedprice) AS price, sum(l_quantity) AS quantity, avg(l_discount) AS discount, avg(l_tax) AS tax"
	kinds := []kind{count, sum, sum, mean, mean}
	return []question{
		{"lattice, by flag", "SELECT l_returnflag, " + all + " FROM %s GROUP BY l_returnflag ORDER BY l_returnflag", 1, kinds},
		{"lattice, by status", "SELECT l_linestatus, " + all + " FROM %s GROUP BY l_linestatus ORDER BY l_linestatus", 1, kinds},
	}
}

// joinQuestions join two owners' tables on orders, which are the units.
func joinQuestions() []question {
	const from = " FROM %s l JOIN %s o ON l.l_orderkey = o.o_orderkey "
	return []question{
		{"join, by priority", "SELECT o.o_orderpriority, count(*) AS n, sum(l.l_extendedprice) AS price, avg(l.l_discount) AS discount" + from +
			"GROUP BY o.o_orderpriority ORDER BY o.o_orderpriority", 1, []kind{count, sum, mean}},
		{"join, returned lines", "SELECT l.l_linestatus, count(*) AS n, sum(l.l_quantity) AS quantity" + from +
			"WHERE l.l_returnflag = 'R' GROUP BY l.l_linestatus ORDER BY l.l_linestatus", 1, []kind{count, sum}},
	}
}

// jobRows measures whole jobs, from asking to the opened result, beside the analyst's own SQL over the plain file.
func jobRows(ctx context.Context, b *bench, r *figure.Report) error {
	w, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	rows, cells, joined, err := b.publishForJobs(ctx, w)
	if err != nil {
		return err
	}
	r.Settings = []string{fmt.Sprintf("lineitem at scale factor %g, rows are units, class %s; joined: lineitem and orders at scale factor %g, orders are units; both sides' DuckDB may use %d MiB",
		b.o.jobScale, b.o.jobClass, b.joinScale(), b.jobMemory()>>20)}
	var pairs []*figure.Pair
	var each []*figure.Figure
	var seen exposures
	for _, set := range []jobSet{{rows, jobQuestions()}, {cells, latticeQuestions()}, {joined, joinQuestions()}} {
		for _, q := range set.questions {
			r.Machine.Sample()
			p, f, err := b.jobPair(ctx, w, set.over, q, &seen)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			b.say("%s: %.0f ms, plain %.0f ms; %s", f.Name, f.A, f.B, f.Note)
			pairs, each = append(pairs, p), append(each, f)
		}
	}
	for _, f := range jobSums(pairs, each) {
		r.Add(f)
	}
	for _, f := range seen.figures() {
		r.Add(f)
	}
	return nil
}

// jobPair measures one question.
func (b *bench) jobPair(ctx context.Context, w *world, over jobTables, q question, seen *exposures) (*figure.Pair, *figure.Figure, error) {
	var stages map[string][]float64
	ours := func(ctx context.Context) (figure.Sample, error) {
		j, err := w.askUnder(ctx, over.contract, q.over(over.tables...), b.o.jobClass)
		if err != nil {
			return figure.Sample{}, err
		}
		seen.add(j)
		stages = addAll(stages, j.stages)
		a, err := q.answerOfJSON(j.result)
		return figure.Sample{Amount: j.ms, Answer: a}, err
	}
	analysts := func(ctx context.Context) (figure.Sample, error) {
		return b.plainWithin(ctx, q, b.jobMemory(), over.plain...)
	}
	p, err := figure.Turns(ctx, min(b.o.rounds, roundsOfJobs), ours, analysts, func(x, y any) error { return agree(q, y.(answer), x.(answer)) })
	if err != nil {
		return nil, nil, err
	}
	f := figure.Of("job, "+q.name, p, figure.Goal{}, "")
	return p, f.In("jobs", "in the enclave: open %.0f ms, run %.0f", figure.Median(stages["open"]), figure.Median(stages["run"])), nil
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

// jobSums are the figures of all queries that are long enough, then of each. Too few of them leave no figure of all.
func jobSums(pairs []*figure.Pair, each []*figure.Figure) []*figure.Figure {
	const name, worst = "whole job, geometric mean", "whole job, worst"
	goal := figure.Goal{AtMost: goalJob}
	var long []*figure.Pair
	var counted, out []*figure.Figure
	for i, f := range each {
		if f.B < leastPlain {
			out = append(out, tooQuick(f))
			continue
		}
		long, counted, out = append(long, pairs[i]), append(counted, f), append(out, f)
	}
	mean, err := figure.Mean(name, long, goal)
	if err != nil || len(long) < leastLong {
		why := fmt.Sprintf("%d queries take %d ms in plain DuckDB, %d must: raise -job-sf", len(long), leastPlain, leastLong)
		return append([]*figure.Figure{figure.Fail(name, figure.Ratio, goal, why).In("jobs", ""), figure.Fail(worst, figure.Ratio, figure.Goal{}, why).In("jobs", "")}, out...)
	}
	return append([]*figure.Figure{mean.In("jobs", "submit to result opened, %d queries", len(long)), figure.Worst(worst, "jobs", counted, figure.Goal{})}, out...)
}

func tooQuick(f *figure.Figure) *figure.Figure {
	return figure.Fail(f.Name, figure.Ratio, figure.Goal{}, fmt.Sprintf("plain DuckDB takes %.0f ms, less than %d: raise -job-sf", f.B, leastPlain)).In("jobs", "")
}
