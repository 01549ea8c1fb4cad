package releasing

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/evidence"
)

// Line is one kind of evidence, and the goal for it.
type Line struct {
	Name       string
	Kind       string
	Remembers  bool    // the broker remembers collateral that it verified (docs/decisions/052-fast-releases.md), as agents do
	Held       bool    // the owner's folder holds the same collateral, so that it is judged by both
	Goal       float64 // releases per second; 0: none
	GoalMillis float64 // p99 at half that load
}

// Lines are all that are measured.
func Lines() []Line {
	return []Line{
		{Name: "DCAP, all of the collateral verified anew", Kind: evidence.TDX, Goal: 400, GoalMillis: 25},
		{Name: "DCAP, verified collateral remembered", Kind: evidence.TDX, Remembers: true, Goal: 900, GoalMillis: 25},
		{Name: "DCAP, the same, and held by the owner too", Kind: evidence.TDX, Remembers: true, Held: true},
		{Name: "SNP, key and list verified anew", Kind: evidence.SNP, Goal: 400, GoalMillis: 25},
		{Name: "SNP, verified key and list remembered", Kind: evidence.SNP, Remembers: true},
		{Name: "simulated", Kind: evidence.Simulated, Remembers: true, Goal: 2000, GoalMillis: 25},
	}
}

// Options of Measure.
type Options struct {
	Dir      string // required: an empty folder on the disk whose syncs are measured
	Releases int    // of each line, at full load; default 2000. Half as many follow at half the load, but no fewer than a second's
	InFlight int    // requests at once; default 16, as many as an agent handles at once
	Profile  func(Line) (stop func(), err error)
}

func (o *Options) valid() error {
	if o.Dir == "" {
		return errors.New("releasing: no folder")
	}
	if o.Releases == 0 {
		o.Releases = 2000
	}
	if o.InFlight == 0 {
		o.InFlight = 16
	}
	if o.Releases < 10 || o.InFlight < 1 {
		return errors.New("releasing: too few")
	}
	return nil
}

// Figure is what was measured of one line.
type Figure struct {
	Line
	Releases  int
	InFlight  int
	PerSecond float64       // at full load, by the clock
	Processor time.Duration // user and system time of the process for one release, at full load
	Floor     time.Duration // the same of just the cryptography that its messages ask for, whatever the evidence, right before and after
	Load      float64       // releases per second asked for in the second part: half of PerSecond
	Paced     int           // how many then
	P50, P99  time.Duration // from when a request was due until its answer was there
}

// Measure measures one line. A release is: from the sealed bytes of an enclave's quote message, as the mailbox gives them, to the sealed
// bytes of the reply that the broker posts, with the signed release and the keys in it; by a real broker with its ledger synced to the
// disk, its dataset store and its local keyring, as the agent's loop hands it messages, of which it handles some at once. Three owners
// form the pool, so that each release verifies three readies. The quote comes by the line of its hello, as an enclave's does: the broker
// has handled the hello before. What is left out is HTTP: the exchange answers out of memory. Go runs
// the broker on one processor (GOMAXPROCS=1), which the process gets back; waiting for the disk takes none.
//
// Evidence of hardware is made by machines under roots of this package's own, which only the broker measured here is told to believe.
//
// At full load each of the requests in flight follows another's answer. At half of what that gave, requests are due at random times,
// and wait where as many are in flight already. Every answer is opened and checked afterwards.
func Measure(ctx context.Context, line Line, o Options) (f *Figure, err error) {
	if err := o.valid(); err != nil {
		return nil, err
	}
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("releasing: %s: %v", line.Name, r)
		}
	}()
	dir, err := os.MkdirTemp(o.Dir, "releasing-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := newWorld(ctx, dir, line)
	defer w.ledger.Close()
	f = &Figure{Line: line, Releases: o.Releases, InFlight: o.InFlight}
	m := &measurement{w: w, o: o, f: f}
	if err := m.full(ctx); err != nil {
		return nil, fmt.Errorf("releasing: %s: %w", line.Name, err)
	}
	if err := m.half(ctx); err != nil {
		return nil, fmt.Errorf("releasing: %s: %w", line.Name, err)
	}
	return f, nil
}

type measurement struct {
	w   *world
	o   Options
	f   *Figure
	seq int64
}

// warm is how many releases come first and are not counted.
const warm = 64

// prepare makes requests on all processors. They are good for two minutes.
func (m *measurement) prepare(ctx context.Context, n int) ([]*request, error) {
	out := make([]*request, n)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * runtime.GOMAXPROCS(0))
	for i := range out {
		m.seq++
		seq := m.seq
		g.Go(func() (err error) {
			out[i], err = m.w.request(ctx, seq)
			return err
		})
	}
	return out, g.Wait()
}

// alone runs f while Go has one processor and no garbage of the preparation.
func alone(f func() error) error {
	runtime.GC()
	debug.FreeOSMemory()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	return f()
}

func (m *measurement) full(ctx context.Context) error {
	list, err := m.prepare(ctx, warm+m.o.Releases)
	if err != nil {
		return err
	}
	least, before := newFloor(), time.Duration(0)
	err = alone(func() (err error) {
		if err := m.closed(ctx, list[:warm]); err != nil {
			return err
		}
		if before, err = least.measure(); err != nil {
			return err
		}
		if m.o.Profile != nil {
			stop, err := m.o.Profile(m.f.Line)
			if err != nil {
				return err
			}
			defer stop()
		}
		cpu, start := processor(), time.Now()
		if err := m.closed(ctx, list[warm:]); err != nil {
			return err
		}
		m.f.PerSecond = float64(m.o.Releases) / time.Since(start).Seconds()
		m.f.Processor = (processor() - cpu) / time.Duration(m.o.Releases)
		return nil
	})
	if err != nil {
		return err
	}
	err = alone(func() error {
		after, err := least.measure()
		m.f.Floor = (before + after) / 2
		return err
	})
	if err != nil {
		return err
	}
	return m.check(list)
}

// closed has each worker send a request as soon as it has the answer to its last one.
func (m *measurement) closed(ctx context.Context, list []*request) error {
	work := make(chan *request, len(list))
	for _, r := range list {
		work <- r
	}
	close(work)
	g, ctx := errgroup.WithContext(ctx)
	for range m.o.InFlight {
		g.Go(func() error {
			for r := range work {
				if err := m.w.broker.Handle(ctx, r.item); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (m *measurement) half(ctx context.Context) error {
	m.f.Load = m.f.PerSecond / 2
	m.f.Paced = max(m.o.Releases/2, min(int(m.f.Load), m.o.Releases))
	list, err := m.prepare(ctx, m.f.Paced)
	if err != nil {
		return err
	}
	took := make([]time.Duration, len(list))
	if err := alone(func() error { return m.open(ctx, list, took) }); err != nil {
		return err
	}
	slices.Sort(took)
	m.f.P50, m.f.P99 = took[len(took)/2], took[len(took)*99/100]
	return m.check(list)
}

// open sends requests at random times, whatever becomes of those before.
func (m *measurement) open(ctx context.Context, list []*request, took []time.Duration) error {
	seats := make(chan struct{}, m.o.InFlight)
	g, ctx := errgroup.WithContext(ctx)
	due := time.Now()
	for i, r := range list {
		due = due.Add(time.Duration(rand.ExpFloat64() / m.f.Load * float64(time.Second)))
		time.Sleep(time.Until(due))
		at := due
		seats <- struct{}{}
		g.Go(func() error {
			defer func() { <-seats }()
			err := m.w.broker.Handle(ctx, r.item)
			took[i] = time.Since(at)
			return err
		})
	}
	return g.Wait()
}

// check looks at every answer: what was not a release is no figure.
func (m *measurement) check(list []*request) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range list {
		g.Go(func() error { return m.w.check(r) })
	}
	return g.Wait()
}

// processor is the user and system time of this process so far.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
