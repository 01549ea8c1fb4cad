package runner

import (
	"context"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/link"
)

// reports tells the host how far the job is, beside the work: nothing waits for it, and what cannot be told is dropped.
// A stage that is over soon is not told: every report wakes whoever watches the job, and the receipt has all stages.
type reports struct {
	names  chan string
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// settle is how long a stage lasts before it is told.
const settle = 100 * time.Millisecond

func (r *reports) start(ctx context.Context, host *link.Host) {
	ctx, r.cancel = context.WithCancel(ctx)
	r.names = make(chan string, 16)
	r.done.Go(func() {
		for {
			name, ok := r.settled(ctx)
			if !ok {
				return
			}
			_ = host.Stage(ctx, name)
		}
	})
}

// settled waits for a stage that lasts.
func (r *reports) settled(ctx context.Context) (name string, ok bool) {
	var lasted <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return "", false
		case name = <-r.names:
			lasted = time.After(settle)
		case <-lasted:
			return name, true
		}
	}
}

func (r *reports) add(name string) {
	select {
	case r.names <- name:
	default:
	}
}

func (r *reports) stop() {
	r.cancel()
	r.done.Wait()
}
