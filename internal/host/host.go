package host

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/host/cache"
	"github.com/cordon-exchange/cordon/statement"
)

// Options of a host. The first four are required.
type Options struct {
	// Exchange is where jobs come from and everything is relayed to.
	Exchange Exchange
	// Perimeter starts enclaves.
	Perimeter Perimeter
	// Operator signs simulated evidence.
	Operator statement.Signer
	// Classes of jobs to take.
	Classes []Class
	// Cache keeps ciphertext. Default: everything is streamed.
	Cache *cache.Cache
	// Jobs at once. Default: 1.
	Jobs int
	// Idle is how many enclaves of each class, by its name, are started before a job comes, and wait for one. Default: none.
	Idle map[string]int
	// MostIdle is how long such an enclave waits before it is replaced. Default: 10 minutes.
	MostIdle time.Duration
	// MemoryBytes is what the limits of all jobs at once may add up to; a job alone is taken whatever its class. Default: no bound.
	MemoryBytes int64
	// Drain is how long jobs under way may go on when ctx ends. Default: 10 seconds. After it they are killed.
	Drain time.Duration
	// Log gets a line for what happens to each job: ids, codes, durations. Default: none.
	Log *slog.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

var errOptions = errors.New("host: options incomplete")

func (o Options) valid() (Options, error) {
	if o.Exchange == nil || o.Perimeter == nil || o.Operator == nil || len(o.Classes) == 0 {
		return o, errOptions
	}
	for _, c := range o.Classes {
		if !c.valid() {
			return o, errOptions
		}
	}
	for name, n := range o.Idle {
		if _, ok := classOf(o.Classes, name); !ok || n < 0 {
			return o, errOptions
		}
	}
	if o.Jobs < 1 {
		o.Jobs = 1
	}
	if o.MostIdle <= 0 {
		o.MostIdle = mostIdle
	}
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = math.MaxInt64
	}
	if o.Drain <= 0 {
		o.Drain = 10 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// claimWait is how long one long poll for a job takes; backoff, how long to leave an exchange alone that does not answer.
const (
	claimWait = 25 * time.Second
	backoff   = time.Second
)

// serving is a host that serves.
type serving struct {
	Options
	idle *idle
	room *room
}

func newServing(o Options) *serving {
	return &serving{Options: o, idle: newIdle(o), room: newRoom(o.MemoryBytes)}
}

// Run serves until ctx ends, and returns when every enclave that it started has ended. An error means that the exchange
// does not accept this host; an exchange that is down is waited for.
func Run(ctx context.Context, o Options) error {
	o, err := o.valid()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs, stop := drained(ctx, o.Drain)
	defer stop()
	s := newServing(o)
	var all sync.WaitGroup
	all.Go(func() { s.idle.run(ctx, jobs, o) })
	for range o.Jobs {
		all.Go(func() {
			if err := s.serve(ctx, jobs); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}

// drained ends some time after ctx does.
func drained(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	jobs, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.NewTimer(after)
		defer t.Stop()
		select {
		case <-t.C:
		case <-jobs.Done():
		}
		cancel()
	})
	return jobs, func() { stop(); cancel() }
}

// serve does one job after the other.
func (s *serving) serve(ctx, jobs context.Context) error {
	for ctx.Err() == nil {
		claim, release, err := s.claim(ctx)
		switch {
		case err == nil:
			s.runJob(jobs, claim)
			release()
		case ctx.Err() != nil || errors.Is(err, client.ErrNoJob):
		case unwelcome(err):
			return err
		default:
			s.Log.Warn("no claim", "error", err)
			pause(ctx, backoff)
		}
	}
	return nil
}

// claim asks for a job that there is room for, and asks anew when there is room for more. The caller releases the room when the job has ended.
func (s *serving) claim(ctx context.Context) (*wire.Claim, func(), error) {
	fit := s.room.enter(ctx, s.Classes)
	if len(fit) == 0 {
		return nil, nil, ctx.Err()
	}
	defer s.room.leave()
	more, stop := s.room.more(s.Classes, len(fit))
	defer stop()
	claim, err := s.Exchange.Claim(ctx, classNames(fit), claimWait, more)
	if err != nil {
		return nil, nil, err
	}
	var bytes int64
	if c, err := s.class(claim); err == nil {
		bytes = c.MemoryBytes
	}
	return claim, s.room.take(bytes), nil
}

// unwelcome reports whether trying again is no use before somebody has changed something.
func unwelcome(err error) bool {
	for _, code := range []string{wire.CodeUnregistered, wire.CodeRevoked, wire.CodeForbidden} {
		if client.HasCode(err, code) {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
