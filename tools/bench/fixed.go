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
	"github.com/cordon-exchange/cordon/tools/bench/atonce"
	"github.com/cordon-exchange/cordon/tools/bench/figure"
)

// The goals of a job that has nearly no data, cold.
const (
	goalFixedP50 = 100
	goalFixedP99 = 200
	goalIdleP50  = 40
	goalIdleP99  = 80
	leastAtOnce  = 0.9 // of the best throughput before, however much the samples of one level differ
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
	if err := b.jobsWithoutData(ctx, r, w, q, exact, "fixed cost of a job", "a cold enclave", goalFixedP50, goalFixedP99); err != nil {
		return err
	}
	if err := w.anotherHost(ctx, "--idle", "standard=1"); err != nil {
		return err
	}
	if err := b.jobsWithoutData(ctx, r, w, q, exact, "fixed cost of a job with an idle enclave", "an enclave that was started ahead, empty, for one job", goalIdleP50, goalIdleP99); err != nil {
		return err
	}
	return errors.Join(b.atOnce(ctx, r, w, q, exact), w.anotherHost(ctx))
}

// jobsWithoutData measures one job after the other.
func (b *bench) jobsWithoutData(ctx context.Context, r *figure.Report, w *world, q question, exact answer, name, how string, p50, p99 float64) error {
	if _, err := b.onePause(ctx, r, w, q, exact); err != nil {
		return err // the first job finds cold file caches: a matter of the disk
	}
	var jobs []*job
	spent, err := w.spentBy(ctx, b.o.cold, func(ctx context.Context) error {
		for range b.o.cold {
			j, err := b.onePause(ctx, r, w, q, exact)
			if err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var wall []float64
	var stages map[string][]float64
	for _, j := range jobs {
		if err := w.account(ctx, j); err != nil {
			return err
		}
		wall, stages = append(wall, j.ms), addAll(stages, j.stages)
	}
	note := fmt.Sprintf("3 owners, %d rows, %s", 3*tinyRows, how)
	stage := func(name string) float64 { return figure.Median(stages[name]) }
	r.Add(figure.At(name+", p50", figure.Millis, wall, 0.5, figure.Goal{AtMost: p50}).
		In("fixed", "%s; in the enclave: brief %.0f ms, hello %.0f, quote %.0f, open %.0f, run %.0f, seal %.0f; %s",
			note, stage("brief"), stage("hello"), stage("quote"), stage("open"), stage("run"), stage("seal"), spent))
	r.Add(figure.At(name+", p99", figure.Millis, wall, 0.99, figure.Goal{AtMost: p99}).In("fixed", "%s", note))
	return nil
}

// onePause is one job after a pause.
func (b *bench) onePause(ctx context.Context, r *figure.Report, w *world, q question, exact answer) (*job, error) {
	r.Machine.Sample()
	time.Sleep(pauseBetweenJobs)
	j, err := w.put(ctx, tinyPool, q.over(tinyPool), "standard")
	if err != nil {
		return nil, err
	}
	return j, same(q, exact, j.result)
}

// pauseBetweenJobs: an analyst reads an answer before the next question; by then the next enclave waits, where one is to.
const pauseBetweenJobs = 250 * time.Millisecond

// atOnce measures jobs per second with several in flight: more of them must not make fewer jobs.
func (b *bench) atOnce(ctx context.Context, r *figure.Report, w *world, q question, exact answer) error {
	levels, err := atonce.Measure(ctx, atonce.Options{
		Levels: []int{1, 2, 4, 8}, Rounds: b.o.rounds, PerLevel: 5 * time.Second,
		Job: func(ctx context.Context) error {
			out, err := w.cordon(ctx, "query", "run", "--open", "--quiet", "--format", "json", "--class", "standard", "--home", w.home(analyst),
				"--contract", w.contract[tinyPool], q.over(tinyPool))
			if err != nil {
				return err
			}
			return same(q, exact, out)
		},
	})
	if err != nil {
		return err
	}
	var failed error
	for _, l := range levels {
		failed = errors.Join(failed, l.Why)
		f := figure.At(fmt.Sprintf("jobs per second, %d in flight", l.InFlight), figure.PerSecond, l.PerSecond, 0.5, figure.Goal{})
		r.Add(f.In("atonce", "%d jobs, %d failed; p50 of a job %.0f ms", len(l.Millis), l.Failed, figure.Median(l.Millis)))
	}
	least, spread := atonce.Falls(levels, figure.Median, figure.Spread)
	r.Add(figure.At("jobs per second past saturation, least over best before", figure.Ratio, []float64{least}, 0.5, noFall(spread)).
		In("atonce", "1 to 8 in flight on one host; samples of one level spread over %.1f %%, which a fall must exceed to be one", 100*spread))
	return failed
}

// noFall is the goal of throughput past saturation: what is less than the best before by more than samples of one level differ is a fall. On a
// noisy machine that allows no more than a tenth.
func noFall(spread float64) figure.Goal {
	return figure.Goal{AtLeast: max(leastAtOnce, 1-spread)}
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
	digest  string
	ms      float64
	result  []byte
	stages  map[string]float64 // milliseconds, by the enclave's clock
	receipt *statement.Receipt
}

// askClass submits a question and opens the result, with one command, as a person would; then it reads the receipt.
func (w *world) askClass(ctx context.Context, q question, table, class string) (*job, error) {
	return w.askUnder(ctx, table, q.over(table), class)
}

// askUnder asks under a contract by the name that agreeOn gave it.
func (w *world) askUnder(ctx context.Context, contract, sql, class string) (*job, error) {
	j, err := w.put(ctx, contract, sql, class)
	if err != nil {
		return nil, err
	}
	return j, w.account(ctx, j)
}

// put is askUnder without the receipt.
func (w *world) put(ctx context.Context, contract, sql, class string) (*job, error) {
	before, err := w.jobs()
	if err != nil {
		return nil, err
	}
	j := &job{}
	began := time.Now()
	j.result, err = w.cordon(ctx, "query", "run", "--open", "--quiet", "--format", "json", "--class", class,
		"--home", w.home(analyst), "--contract", w.contract[contract], sql)
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
		j.digest = digest
	}
	return j, nil
}

// account reads the job's receipt.
func (w *world) account(ctx context.Context, j *job) (err error) {
	if j.receipt, err = w.receipt(ctx, j.digest); err != nil {
		return err
	}
	j.stages = map[string]float64{}
	for _, s := range j.receipt.Stages {
		j.stages[s.Name] = float64(s.Micros) / 1000
	}
	return nil
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
