package runner

import (
	"context"
	"math"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/engine"
	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Shares of the memory limit: the engine's own, and that of ciphertext. The rest is for the runtime, messages, the result, and pages
// on their way.
const (
	engineShare = 5 // tenths
	dataShare   = 4
)

func share(l channel.Limits, tenths int64) int64 { return l.MemoryBytes / 10 * tenths }

// pendingEngine is an engine on its way: opening it takes tens of milliseconds, in which other things happen. Its methods
// must not be called concurrently.
type pendingEngine struct {
	step   chan error // the result of what is under way; nil when nothing is
	engine *engine.Engine
	err    error
}

// firstMemory is enough for an empty database, until the job's limits are known.
const firstMemory = 64 << 20

// openEngine begins to open an engine and to look for what must not be in it, before the job is known.
func openEngine(ctx context.Context, keys seal.Memory) *pendingEngine {
	p := &pendingEngine{}
	p.begin(func() (err error) {
		if p.engine, err = engine.New(ctx, engine.Options{MemoryBytes: firstMemory, Threads: 1, Keys: keys}); err != nil {
			return err
		}
		return p.engine.Inspect(ctx)
	})
	return p
}

// engineLimits are the engine's share of the job's, and as many threads as the rows are worth.
func (r *run) engineLimits() engine.Options {
	return engine.Options{MemoryBytes: share(r.limits, engineShare), Threads: threadsFor(r.rows(), int(r.limits.Threads))}
}

// rowsOfAThread are worth a thread: a row group of 122,880 rows is read by one, and for half of one, two cost more than they save.
const rowsOfAThread = 1 << 16

func threadsFor(rows int64, most int) int {
	return int(max(1, min(int64(most), (rows+rowsOfAThread-1)/rowsOfAThread)))
}

// rows of all sources, as their offers say. That they are what the files have is checked when those are opened.
func (r *run) rows() (n int64) {
	for _, s := range r.plan.Sources {
		for _, f := range r.brief.Offers[statement.Digest(s.Offer)].Body().Files {
			n += min(f.Rows, math.MaxInt32) // so many sums of that fit
		}
	}
	return n
}

// begin does f beside the caller, after what is under way has succeeded.
func (p *pendingEngine) begin(f func() error) {
	before, after := p.step, make(chan error, 1)
	p.step = after
	go func() {
		if before != nil {
			if err := <-before; err != nil {
				after <- err
				return
			}
		}
		after <- f()
	}()
}

// ready waits for what is under way.
func (p *pendingEngine) ready() error {
	if p.step != nil {
		if err := <-p.step; err != nil {
			p.err = failure.New(failure.Engine, err)
		}
		p.step = nil
	}
	return p.err
}

// bind begins to give the engine its limits, to lock it to the files that are served to it, and to check what the plan makes of them.
func (p *pendingEngine) bind(ctx context.Context, r *run) {
	plan := r.plan
	var sources []engine.Source
	for i, f := range r.opened.files {
		offer := r.brief.Offers[statement.Digest(plan.Sources[i].Offer)].Body()
		sources = append(sources, engine.Source{Index: i, Path: f.Path(), Required: offer.WithoutNull()})
	}
	if p.err == nil {
		p.begin(func() error {
			if err := p.engine.Limit(ctx, r.engineLimits()); err != nil {
				return err
			}
			if err := p.engine.Bind(ctx, sources); err != nil {
				return err
			}
			return p.engine.Prepare(ctx, plan)
		})
	}
}

// run answers the plan. The engine copies the noise keys.
func (p *pendingEngine) run(ctx context.Context, plan *policy.Plan, noise map[string][]byte) (*result.Table, error) {
	if err := p.ready(); err != nil {
		return nil, err
	}
	if len(noise) > 0 {
		if err := p.engine.Noise(noise); err != nil {
			return nil, failure.New(failure.Engine, err)
		}
	}
	t, err := p.engine.Run(ctx, plan)
	if err != nil {
		return nil, failure.New(failure.Engine, err)
	}
	return t, nil
}

// disconnect ends all in the engine that has to do with data, and waits for what is under way. Doing it twice is harmless.
func (p *pendingEngine) disconnect() {
	_ = p.ready()
	if p.engine != nil {
		_ = p.engine.Disconnect() // the process ends soon, and with it what this could not free
	}
}

// close ends the engine. Closing twice, or nothing, is harmless.
func (p *pendingEngine) close() {
	if p == nil {
		return
	}
	p.disconnect()
	if p.engine != nil {
		_ = p.engine.Close()
		p.engine = nil
	}
}
