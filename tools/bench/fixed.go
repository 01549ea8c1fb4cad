package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

// The goals of a job that has nearly no data, cold.
const (
	goalFixedP50 = 100
	goalFixedP99 = 200
)

func bySize() question {
	return question{"tiny", "SELECT size, count(*) AS n, sum(cost) AS cost, avg(cost) AS mean FROM %s GROUP BY size ORDER BY size", 1, []kind{count, sum, mean}}
}

// fixedRows measures a job over a few hundred rows of three owners: everything real, an enclave process of its own each time.
func fixedRows(ctx context.Context, b *bench, r *figure.Report) error {
	w, err := b.exchange(ctx)
	if err != nil {
		return err
	}
	q := bySize()
	exact, err := b.tinyAnswer(ctx, w, q)
	if err != nil {
		return err
	}
	var wall []float64
	var stages map[string][]float64
	for i := -1; i < b.o.cold; i++ {
		r.Machine.Sample()
		j, err := w.ask(ctx, q, tinyPool)
		if err != nil {
			return err
		}
		if err := same(q, exact, j.result); err != nil {
			return err
		}
		if i >= 0 { // the first job finds cold file caches: a matter of the disk
			wall, stages = append(wall, j.ms), addAll(stages, j.stages)
		}
	}
	note := fmt.Sprintf("3 owners, %d rows, a cold enclave", 3*tinyRows)
	inside := 0.0
	for _, v := range stages {
		inside += figure.Median(v)
	}
	stage := func(name string) float64 { return figure.Median(stages[name]) }
	r.Add(figure.At("fixed cost of a job, p50", figure.Millis, wall, 0.5, figure.Goal{AtMost: goalFixedP50}).
		In("fixed", "%s; in the enclave %.0f ms: brief %.0f, hello %.0f, quote %.0f, open %.0f, run %.0f, seal %.0f",
			note, inside, stage("brief"), stage("hello"), stage("quote"), stage("open"), stage("run"), stage("seal")))
	r.Add(figure.At("fixed cost of a job, p99", figure.Millis, wall, 0.99, figure.Goal{AtMost: goalFixedP99}).In("fixed", "%s", note))
	return nil
}

func addAll(to map[string][]float64, one map[string]float64) map[string][]float64 {
	if to == nil {
		to = map[string][]float64{}
	}
	for name, v := range one {
		to[name] = append(to[name], v)
	}
	return to
}

func (b *bench) tinyAnswer(ctx context.Context, w *world, q question) (answer, error) {
	list := ""
	for i, name := range owners() {
		if i > 0 {
			list += ", "
		}
		list += "'" + w.file(name+".csv") + "'"
	}
	path := w.file("tiny.parquet")
	if err := copyCSV(ctx, list, path); err != nil {
		return nil, err
	}
	s, err := b.plainAnswer(ctx, q, path)
	if err != nil {
		return nil, err
	}
	return s.Answer.(answer), nil
}

func same(q question, exact answer, released []byte) error {
	got, err := q.answerOfJSON(released)
	if err != nil {
		return err
	}
	return agree(q, exact, got)
}

// job is one whole job, by the command.
type job struct {
	ms      float64
	result  []byte
	stages  map[string]float64 // milliseconds, by the enclave's clock
	receipt *statement.Receipt
}

// ask submits a question and opens the result, with one command, as a person would.
func (w *world) ask(ctx context.Context, q question, table string) (*job, error) {
	return w.askClass(ctx, q, table, "standard")
}

func (w *world) askClass(ctx context.Context, q question, table, class string) (*job, error) {
	before, err := w.jobs()
	if err != nil {
		return nil, err
	}
	j := &job{}
	began := time.Now()
	j.result, err = w.cordon(ctx, "query", "run", "--open", "--quiet", "--format", "json", "--class", class,
		"--home", w.home(analyst), "--contract", w.contract[table], q.over(table))
	j.ms = milliseconds(time.Since(began))
	if err != nil {
		return nil, err
	}
	after, err := w.jobs()
	if err != nil {
		return nil, err
	}
	for name := range before {
		delete(after, name)
	}
	if len(after) != 1 {
		return nil, fmt.Errorf("%d new jobs where one was asked for", len(after))
	}
	for digest := range after {
		if j.receipt, err = w.receipt(ctx, digest); err != nil {
			return nil, err
		}
	}
	j.stages = map[string]float64{}
	for _, s := range j.receipt.Stages {
		j.stages[s.Name] = float64(s.Micros) / 1000
	}
	return j, nil
}

// jobs of the analyst, by digest.
func (w *world) jobs() (map[string]bool, error) {
	dir, err := home.Open(w.home(analyst))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir.Jobs())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	out := map[string]bool{}
	for _, e := range entries {
		out["sha256:"+e.Name()] = true
	}
	return out, nil
}

// receipt of a job; exporting it verifies it.
func (w *world) receipt(ctx context.Context, digest string) (*statement.Receipt, error) {
	path := w.file("bundle.json")
	defer os.Remove(path)
	if _, err := w.cordon(ctx, "receipt", "export", digest, "--home", w.home(analyst), "-o", path); err != nil {
		return nil, err
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, err := receipt.Decode(src)
	if err != nil {
		return nil, err
	}
	return statement.DecodeUnverified[statement.Receipt](b.Receipt.Payload)
}
