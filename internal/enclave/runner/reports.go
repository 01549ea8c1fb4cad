package runner

import (
	"context"
	"sync"

	"github.com/cordon-exchange/cordon/internal/enclave/link"
)

// reports tells the host how far the job is, beside the work: nothing waits for it, and what cannot be told is dropped.
type reports struct {
	names  chan string
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func (r *reports) start(ctx context.Context, host *link.Host) {
	ctx, r.cancel = context.WithCancel(ctx)
	r.names = make(chan string, 16)
	r.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case name := <-r.names:
				_ = host.Stage(ctx, name) // for people; the receipt has the stages
			}
		}
	})
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
