package agent

import (
	"context"
	"sync"
)

// acks acknowledge the mailbox beside the answers, which must not wait for it: one acknowledgement for all that was handled
// within ackTime. What a crash leaves unacknowledged comes again.
type acks struct {
	through chan int64
	done    sync.WaitGroup
}

// acknowledge begins, until stop is called. Once ctx has ended it does not wait any more.
func acknowledge(ctx context.Context, ack func(ctx context.Context, through int64)) *acks {
	k := &acks{through: make(chan int64, 1)}
	k.done.Go(func() {
		for through := range k.through {
			_ = sleep(ctx, ackTime)
			ack(ctx, k.latest(through))
		}
	})
	return k
}

// ack has a moment even when the agent is stopped.
func (a *Agent) ack(ctx context.Context, through int64) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), ackTime)
		defer cancel()
	}
	if err := a.exchange.AckMailbox(ctx, through); err != nil && ctx.Err() == nil {
		a.opt.Log.Warn("mailbox not acknowledged", "error", err)
	}
}

// add takes the number of the last item handled. It is not called concurrently.
func (k *acks) add(through int64) {
	k.through <- k.latest(through)
}

// latest empties the channel.
func (k *acks) latest(through int64) int64 {
	select {
	case other := <-k.through:
		return max(through, other)
	default:
		return through
	}
}

func (k *acks) stop() {
	close(k.through)
	k.done.Wait()
}
