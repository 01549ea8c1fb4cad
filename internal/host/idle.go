package host

import (
	"context"
	"sync"
	"time"
)

// idle keeps enclaves that were started before a job came. They are empty: no statement, no key, no job has reached them, since
// their channel answers nothing before they are given one (relay.held). Each is for one job of its class, under the limits that
// it was started with.
type idle struct {
	waiting map[string]chan *life // by class; an enclave is offered there by the one goroutine that keeps it
}

// Times of an idle enclave.
const (
	// mostIdle is how long one waits before it is replaced: what has run for long is not what was started.
	mostIdle = 10 * time.Minute
	// settled is how long after one was given its job another is started at the latest: starting takes processors from that job,
	// so the end of a short one is waited for.
	settled = time.Second
	// aftermath is how long the end of a short one is followed by nothing: its result is being fetched and opened, perhaps on this machine.
	aftermath = 50 * time.Millisecond
)

func newIdle(o Options) *idle {
	i := &idle{waiting: map[string]chan *life{}}
	for class := range o.Idle {
		i.waiting[class] = make(chan *life)
	}
	return i
}

// take is an enclave of that class that waits for a job and lives, or nil. It is the caller's.
func (i *idle) take(class string) *life {
	for {
		select {
		case l := <-i.waiting[class]:
			if !l.ended() {
				return l
			}
		default:
			return nil
		}
	}
}

// run keeps as many waiting as the options say, until ctx ends and those that still wait have ended. jobs bounds the lives of
// those that were given a job.
func (i *idle) run(ctx, jobs context.Context, o Options) {
	var all sync.WaitGroup
	for _, c := range o.Classes {
		for range o.Idle[c.Name] {
			all.Go(func() { i.keep(ctx, jobs, o, c) })
		}
	}
	all.Wait()
}

// keep has one enclave wait, and then the next.
func (i *idle) keep(ctx, jobs context.Context, o Options, c Class) {
	for ctx.Err() == nil {
		l, err := begin(jobs, o, c, nil)
		if err != nil {
			o.Log.Warn("no idle enclave", "class", c.Name, "error", err)
			pause(ctx, backoff)
			continue
		}
		i.offer(ctx, o, l)
	}
}

// offer returns when another enclave is to be started in this one's place.
func (i *idle) offer(ctx context.Context, o Options, l *life) {
	old := time.NewTimer(o.MostIdle)
	defer old.Stop()
	select {
	case i.waiting[l.relay.class.Name] <- l:
		l.settle(ctx)
	case <-l.over:
		o.Log.Warn("idle enclave ended", "class", l.relay.class.Name, "error", l.err)
		pause(ctx, backoff)
	case <-old.C:
		l.drop()
	case <-ctx.Done():
		l.drop()
	}
}

// settle waits until the enclave's job has ended or is under way for some time.
func (l *life) settle(ctx context.Context) {
	t := time.NewTimer(settled)
	defer t.Stop()
	select {
	case <-l.over:
		pause(ctx, aftermath)
	case <-t.C:
	case <-ctx.Done():
	}
}
