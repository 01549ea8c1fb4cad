package host

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/host/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// errLeaseLost ends an enclave whose job is another host's now.
var errLeaseLost = errors.New("host: lease lost")

// givingUp bounds what is said to the exchange about a job that has ended.
const givingUp = 5 * time.Second

// Codes of attempts that ended without a word of the enclave.
const (
	codeLost     = "enclave-lost"  // given back, for another attempt
	codeNoStart  = "enclave-start" // the same
	codeTimedOut = "timed-out"     // another attempt would take as long
)

// runJob takes one claimed job to its end. If no outcome reached the exchange, the job is given back, for another attempt.
func (s *serving) runJob(ctx context.Context, claim *wire.Claim) {
	log := s.Log.With("job", claim.Digest.Short(), "attempt", claim.Attempt)
	started := s.Now()
	r, err := s.attempt(ctx, claim, log)
	took := s.Now().Sub(started).Round(time.Millisecond)
	if r != nil {
		if f, ok := r.outcome(); ok {
			log.Info("job ended", "state", f.State, "code", f.Code, "took", took)
			return
		}
	}
	log.Warn("job lost", "error", err, "took", took)
	if errors.Is(err, errLeaseLost) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), givingUp)
	defer cancel()
	if err := s.Exchange.Finish(ctx, claim.Digest, withoutAWord(claim.Lease, err)); err != nil {
		log.Warn("job not given back: its lease will run out", "error", err)
	}
}

func withoutAWord(lease string, why error) wire.Finish {
	switch {
	case errors.Is(why, context.DeadlineExceeded):
		return wire.Finish{Lease: lease, State: wire.StateFailed, Code: codeTimedOut}
	case errors.Is(why, errStart):
		return wire.Finish{Lease: lease, State: wire.StateRetry, Code: codeNoStart}
	}
	return wire.Finish{Lease: lease, State: wire.StateRetry, Code: codeLost}
}

// errStart stands for an enclave that could not be started.
var errStart = errors.New("host: enclave not started")

var errClass = errors.New("host: job of a class that was not asked for")

// errEnded stands for an enclave that went without a word.
var errEnded = errors.New("host: enclave ended without an outcome")

// class of a job that was claimed.
func (s *serving) class(claim *wire.Claim) (Class, error) {
	j, err := statement.DecodeUnverified[statement.Job](claim.Job.Payload)
	if err != nil {
		return Class{}, err
	}
	c, ok := classOf(s.Classes, j.Class)
	if !ok {
		return Class{}, errClass
	}
	return c, nil
}

// attempt has one enclave do the job. When it returns, the enclave has ended and the lease is no longer renewed.
func (s *serving) attempt(ctx context.Context, claim *wire.Claim, log *slog.Logger) (*relay, error) {
	class, err := s.class(claim)
	if err != nil {
		return nil, err
	}
	ctx, timeout := context.WithTimeout(ctx, class.Whole)
	defer timeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var heart sync.WaitGroup
	defer heart.Wait()
	defer cancel(nil)
	heart.Go(func() {
		if err := renew(ctx, s.Options, claim); err != nil {
			cancel(err)
		}
	})
	if l := s.idle.take(class.Name); l != nil {
		log.Info("enclave taken", "class", class.Name, "form", l.relay.enclave.Form().Form, "idle", s.Now().Sub(l.began).Round(time.Millisecond))
		l.relay.give(claim)
		err := l.wait(ctx)
		if l.relay.wasTold() || ctx.Err() != nil {
			return l.relay, err
		}
		log.Warn("idle enclave ended before it was told its job", "error", err)
	}
	l, err := begin(ctx, s.Options, class, claim)
	if err != nil {
		return nil, err
	}
	log.Info("enclave started", "class", class.Name, "form", l.relay.enclave.Form().Form)
	return l.relay, l.wait(ctx)
}

// lastBreath is how long an enclave may take to end after its channel has closed.
const lastBreath = 2 * time.Second

// live serves the enclave until it ends, and makes sure that it does.
func live(ctx context.Context, e Enclave, r *relay) error {
	ended := make(chan string, 1)
	go func() { ended <- e.Wait() }()
	stop := serveBulk(ctx, e, r)
	err := channel.Serve(ctx, e.Conn(), r)
	stop()
	if ctx.Err() != nil {
		e.Kill()
		<-ended
		return context.Cause(ctx)
	}
	t := time.NewTimer(lastBreath)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
		e.Kill()
		<-ended
	}
	return errors.Join(err, errEnded)
}

// serveBulk serves the enclave's second stream, where there is one, until it is told to stop.
func serveBulk(ctx context.Context, e Enclave, r *relay) (stop func()) {
	conn := e.Bulk()
	if conn == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var served sync.WaitGroup
	served.Go(func() { _ = channel.ServeBulk(ctx, conn, r) }) // an enclave that misses it says so on the channel
	return func() {
		cancel()
		served.Wait()
	}
}

// renew keeps the lease until ctx ends. It gives up when the lease is lost, or must be taken for lost.
func renew(ctx context.Context, o Options, claim *wire.Claim) error {
	length := time.Duration(claim.LeaseMS) * time.Millisecond
	if length <= 0 {
		return errLeaseLost
	}
	until := o.Now().Add(length)
	for wait := length / 3; ; {
		pause(ctx, wait)
		if ctx.Err() != nil {
			return nil
		}
		asked := o.Now()
		once, cancel := context.WithTimeout(ctx, length/3)
		err := o.Exchange.Renew(once, claim.Digest, claim.Lease)
		cancel()
		wait = length / 30 // one that failed is repeated soon: another process of the exchange may answer
		switch {
		case err == nil:
			until, wait = asked.Add(length), length/3
		case ctx.Err() != nil:
			return nil
		case client.HasCode(err, wire.CodeLeaseLost) || client.HasCode(err, wire.CodeNotFound) || !o.Now().Before(until):
			return errLeaseLost
		}
	}
}
