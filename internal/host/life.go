package host

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
)

// life is one enclave from its start to its end: with one job, or with none.
type life struct {
	relay *relay
	began time.Time
	end   context.CancelCauseFunc // kills it
	over  chan struct{}           // closed when it has ended
	err   error                   // then: why
}

// begin starts an enclave of that class, with its job or, where claim is nil, to wait for one. ctx bounds its whole life.
func begin(ctx context.Context, o Options, c Class, claim *wire.Claim) (*life, error) {
	ctx, end := context.WithCancelCause(ctx)
	began := o.Now()
	e, err := o.Perimeter.Start(ctx, c)
	if err != nil {
		end(nil)
		return nil, errors.Join(errStart, err)
	}
	l := &life{relay: newRelay(o, c, e), began: began, end: end, over: make(chan struct{})}
	if claim != nil {
		l.relay.give(claim)
	}
	go func() {
		defer close(l.over)
		defer end(nil)
		l.err = live(ctx, e, l.relay)
	}()
	return l, nil
}

// wait returns when the enclave has ended. If ctx ends before, it is killed.
func (l *life) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { l.end(context.Cause(ctx)) })
	defer stop()
	<-l.over
	return l.err
}

// drop ends an enclave that is not needed.
func (l *life) drop() {
	l.end(errDropped)
	<-l.over
}

// errDropped ends an enclave that waited for a job and is to get none.
var errDropped = errors.New("host: enclave not needed")

func (l *life) ended() bool {
	select {
	case <-l.over:
		return true
	default:
		return false
	}
}
