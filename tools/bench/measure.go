package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/statement"
)

// measurement asks every side by turns.
type measurement struct {
	world   *world
	report  *report
	threads int
}

// The goals of the first version.
const (
	goalOpenQuery = 1.10
	goalGuard     = 1.5
	goalColdMS    = 150
)

func byFlag() question {
	return question{"sums", `SELECT l_returnflag, count(*) AS lines, sum(l_quantity) AS quantity, avg(l_extendedprice) AS price
		FROM %s GROUP BY l_returnflag ORDER BY l_returnflag`, []kind{count, sum, mean}}
}

func bySize() question {
	return question{"tiny", "SELECT size, count(*) AS n, sum(cost) AS cost, avg(cost) AS mean FROM %s GROUP BY size ORDER BY size", []kind{count, sum, mean}}
}

// processorTime that this process has used, in milliseconds: what other work on the machine hardly changes.
func processorTime() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

func timed(f func() error) (float64, error) {
	began := time.Now()
	err := f()
	return float64(time.Since(began).Microseconds()) / 1000, err
}

func (m *measurement) all(ctx context.Context, o options) error {
	if o.only == onlyFixed {
		return m.cold(ctx, o.cold)
	}
	files, err := m.world.unseal(ctx, "lineitem", "lineitem_orders")
	if err != nil {
		return err
	}
	plain := m.world.file("plain.parquet")
	if err := files[0].writePlain(ctx, plain); err != nil {
		return err
	}
	if o.only != onlyGuard {
		if err := m.cold(ctx, o.cold); err != nil {
			return err
		}
	}
	if err := m.big(ctx, o, files[0], plain, bigRows, "", perJob); err != nil {
		return err
	}
	local := 1
	if o.only == onlyGuard {
		local = perJob
	}
	return m.big(ctx, o, files[1], plain, bigUnits, ", units in a column", local)
}

// perJob is how often a round measures what takes no job, where that is quick.
const perJob = 3

// sides of one question, in milliseconds; an index is a moment.
type sides struct {
	plain, local  []float64    // plain right before local
	open, run     []float64    // parts of local
	free          []float64    // run under a guard-free policy instead of a lattice, where it is measured
	busy          [3][]float64 // processor time of plain, run and free
	plainJob, job []float64    // plain right before the whole job
	jobStages     []float64    // of open and run in the job's receipt
	stages        map[string][]float64
}

// big measures one question over the large table.
func (m *measurement) big(ctx context.Context, o options, s *sealed, plain, table, suffix string, local int) error {
	q := byFlag()
	var got sides
	for i := -1; i < o.rounds; i++ { // round -1 warms up: caches of files, pages of the servers
		if err := m.round(ctx, o, q, s, plain, table, local, &got); err != nil {
			return err
		}
		if i < 0 {
			got = sides{}
		}
	}
	m.report.ratio("open+query"+suffix, goalOpenQuery, got.local, got.plain, "decrypt %.0f ms, scan and rules %.0f ms; sealed file on local disk", median(got.open), median(got.run))
	m.report.ratio("guard of a lattice"+suffix, goalGuard, got.run, got.plain, "scan and rules alone, data open: beside the analyst's own aggregate; least processor times %.0f and %.0f ms", slices.Min(got.busy[1]), slices.Min(got.busy[0]))
	if len(got.free) > 0 {
		m.report.ratio("guard without a lattice"+suffix, goalGuard, got.free, got.plain, "the same under output: guard-free; least processor times %.0f and %.0f ms", slices.Min(got.busy[2]), slices.Min(got.busy[0]))
	}
	if o.only == onlyGuard {
		return nil
	}
	m.report.ratio("open+query in the job"+suffix, goalOpenQuery, got.jobStages, got.plainJob, "open %.0f ms with fetching from the exchange, run %.0f ms; by the receipt", median(got.stages["open"]), median(got.stages["run"]))
	m.report.ratio("whole job"+suffix, 0, got.job, got.plainJob, "submit to result opened, by the command; seal %.1f ms", median(got.stages["seal"]))
	return nil
}

func (m *measurement) round(ctx context.Context, o options, q question, s *sealed, plain, table string, local int, got *sides) error {
	m.report.Machine.sample()
	plan, err := s.compile(m.world, q.over(table), table, s.offer.Policy, policy.Encoding)
	if err != nil {
		return err
	}
	var exact answer
	for range local {
		a, plainMS, plainBusy, err := plainQuery(ctx, q, plain, m.threads)
		if err != nil {
			return err
		}
		t, openMS, runMS, busy, err := s.local(ctx, plan, m.threads)
		if err != nil {
			return err
		}
		got.busy[0], got.busy[1] = append(got.busy[0], plainBusy), append(got.busy[1], busy)
		var b bytes.Buffer
		if err := t.WriteJSON(&b); err != nil {
			return err
		}
		if err := m.same(q, a, b.Bytes()); err != nil {
			return err
		}
		exact = a
		if table == bigUnits {
			freeMS, busy, err := m.guardFree(ctx, q, s, table, exact)
			if err != nil {
				return err
			}
			got.free, got.busy[2] = append(got.free, freeMS), append(got.busy[2], busy)
		}
		got.plain, got.open, got.run = append(got.plain, plainMS), append(got.open, openMS), append(got.run, runMS)
		got.local = append(got.local, openMS+runMS)
	}
	if o.only == onlyGuard {
		return nil
	}
	_, plainMS, _, err := plainQuery(ctx, q, plain, m.threads)
	if err != nil {
		return err
	}
	j, err := m.world.ask(ctx, q, table)
	if err != nil {
		return err
	}
	if err := m.same(q, exact, j.result); err != nil {
		return err
	}
	got.plainJob, got.job = append(got.plainJob, plainMS), append(got.job, j.ms)
	got.jobStages = append(got.jobStages, j.stages["open"]+j.stages["run"])
	got.stages = addAll(got.stages, j.stages)
	return nil
}

// guardFree asks the same of the sealed file, in this process, as if its owner's policy were guard-free.
func (m *measurement) guardFree(ctx context.Context, q question, s *sealed, table string, exact answer) (ms, busy float64, err error) {
	plan, err := s.compile(m.world, q.over(table), table, strings.Replace(s.offer.Policy, "output: {lattice: "+bigLattice+"}", "output: guard-free", 1), policy.EncodingProgram)
	if err != nil {
		return 0, 0, err
	}
	t, _, ms, busy, err := s.local(ctx, plan, m.threads)
	if err != nil {
		return 0, 0, err
	}
	var b bytes.Buffer
	if err := t.WriteJSON(&b); err != nil {
		return 0, 0, err
	}
	return ms, busy, m.same(q, exact, b.Bytes())
}

func (m *measurement) same(q question, exact answer, released []byte) error {
	b, err := answerOfJSON(released)
	if err != nil {
		return err
	}
	return agree(q, exact, b)
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

// cold measures a job over a few hundred rows of three owners: everything real,
// an enclave process of its own each time.
func (m *measurement) cold(ctx context.Context, n int) error {
	q := bySize()
	exact, err := m.tinyAnswer(ctx, q)
	if err != nil {
		return err
	}
	var wall []float64
	var stages map[string][]float64
	for i := -1; i < n; i++ {
		m.report.Machine.sample()
		j, err := m.world.ask(ctx, q, tinyPool)
		if err != nil {
			return err
		}
		if err := m.same(q, exact, j.result); err != nil {
			return err
		}
		if i >= 0 { // the first job finds cold file caches: a matter of the disk
			wall, stages = append(wall, j.ms), addAll(stages, j.stages)
		}
	}
	var inside float64
	for _, v := range stages {
		inside += median(v)
	}
	m.report.fixed("fixed cost", goalColdMS, wall, "3 owners, %d rows; in the enclave %.0f ms: brief %.0f, hello %.0f, quote %.0f, open %.0f, run %.0f, seal %.0f",
		3*tinyRows, inside, median(stages["brief"]), median(stages["hello"]), median(stages["quote"]), median(stages["open"]), median(stages["run"]), median(stages["seal"]))
	return nil
}

func (m *measurement) tinyAnswer(ctx context.Context, q question) (answer, error) {
	list := ""
	for i, name := range owners() {
		if i > 0 {
			list += ", "
		}
		list += "'" + m.world.file(name+".csv") + "'"
	}
	path := m.world.file("tiny.parquet")
	if err := copyCSV(ctx, list, path); err != nil {
		return nil, err
	}
	a, _, _, err := plainQuery(ctx, q, path, m.threads)
	return a, err
}

// job is one whole job, by the command.
type job struct {
	ms     float64
	result []byte
	stages map[string]float64 // milliseconds, by the enclave's clock
}

// ask submits a question and opens the result, with one command, as a person would.
func (w *world) ask(ctx context.Context, q question, table string) (*job, error) {
	before, err := w.jobs()
	if err != nil {
		return nil, err
	}
	j := &job{}
	j.ms, err = timed(func() (err error) {
		j.result, err = w.cordon(ctx, "query", "run", "--open", "--quiet", "--format", "json", "--class", "standard",
			"--home", w.home(analyst), "--contract", w.contract[table], q.over(table))
		return err
	})
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
		j.stages, err = w.stages(ctx, digest)
	}
	return j, err
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

// stages reads the job's receipt; exporting it verifies it.
func (w *world) stages(ctx context.Context, digest string) (map[string]float64, error) {
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
	r, err := statement.DecodeUnverified[statement.Receipt](b.Receipt.Payload)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for _, s := range r.Stages {
		out[s.Name] = float64(s.Micros) / 1000
	}
	return out, nil
}
