package agent

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	pollTime  = 30 * time.Second
	ackTime   = time.Second            // between two acknowledgements of a busy mailbox
	pause     = 500 * time.Millisecond // before an exchange that is away is asked again
	stopTime  = 10 * time.Second       // for what is under way when the agent is stopped
	tries     = 4                      // of an item that can't be decided
	atOnce    = 16                     // items handled at once: more share a sync of the ledger on a slow disk
	heldTime  = 2 * time.Second        // between two looks at whether the ledger is still this agent's
	postTime  = 3 * time.Second        // before a revocation that the exchange did not take is posted again
	firstWait = 50 * time.Millisecond  // between tries; doubles
)

// Serve registers the party, then answers the exchange and the command line
// until ctx ends. ready is called once both work.
func (a *Agent) Serve(ctx context.Context, ready func()) error {
	l, err := a.listen()
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.serveSocket(ctx, l) })
	g.Go(func() error { return a.keepLedger(ctx) })
	g.Go(func() error { return a.keepRevocations(ctx) })
	g.Go(func() error {
		if err := a.untilThere(ctx, a.register); err != nil {
			return err
		}
		for _, p := range a.store.Closed(ctx) {
			a.opt.Log.Error("keys do not open: "+closedHint(p.Err)+", or retire the version",
				"dataset", p.Offer.Body().Dataset, "version", p.Offer.Body().Version, "error", p.Err)
		}
		g.Go(func() error { return a.keeper.Run(ctx) })
		if err := a.untilThere(ctx, a.compareAnchors); err != nil {
			return err
		}
		g.Go(func() error { return a.keepAnchors(ctx) })
		g.Go(func() error { return a.witness.Run(ctx) })
		a.opt.Log.Info("registered", "party", a.config.Name, "fingerprint", a.self)
		ready()
		return a.answer(ctx)
	})
	err = g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// keepLedger ends the agent once another has taken over its ledger: it could not record what it signs.
func (a *Agent) keepLedger(ctx context.Context) error {
	t := time.NewTicker(heldTime)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.ledger.Lost():
			return fault.New(fault.Refused, "another agent has taken over this party's ledger", "run one agent; 'cordon ledger takeover' says how they change places", ledger.ErrLost)
		case <-t.C:
			if err := a.ledger.Held(); err != nil {
				a.opt.Log.Warn("whether the ledger is still this agent's can't be told, or it is not", "error", err)
			}
		}
	}
}

// listen makes the socket. A socket left by an agent that was killed is replaced:
// the lock of the home folder says that nobody serves it.
func (a *Agent) listen() (net.Listener, error) {
	path, err := a.opt.Home.Socket()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, home.Storage("can't replace the old socket", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, home.Storage("can't make the socket", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, home.Storage("can't protect the socket", err)
	}
	return l, nil
}

func (a *Agent) serveSocket(ctx context.Context, l net.Listener) error {
	// Calls under way outlive ctx by a moment: stopping is graceful.
	calls, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	s := &http.Server{Handler: a.routes(), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return calls }}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		if s.Shutdown(grace) != nil {
			end()
			s.Close()
		}
	}()
	err := s.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		<-stopped
		return ctx.Err()
	}
	return err
}

// untilThere repeats f while the exchange, or the token of the signing key, is away.
func (a *Agent) untilThere(ctx context.Context, f func(context.Context) error) error {
	for {
		err := f(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case errors.Is(err, helper.ErrAway):
			a.opt.Log.Warn("nothing can be signed: "+fault.Hint(err), "error", err)
		case errors.Is(err, client.ErrUnavailable):
			a.opt.Log.Warn("exchange is away")
		default:
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// answer handles the mailbox, page by page. What was not acknowledged comes
// again after a restart: every answer is idempotent.
func (a *Agent) answer(ctx context.Context) error {
	var after int64
	acks := acknowledge(ctx, a.ack)
	defer acks.stop()
	for {
		var page *wire.Mailbox
		err := a.untilThere(ctx, func(ctx context.Context) (err error) {
			page, err = a.exchange.Mailbox(ctx, after, pollTime)
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			a.opt.Log.Error("mailbox", "error", err)
			if err := sleep(ctx, pause); err != nil {
				return err
			}
			continue
		}
		if len(page.Items) == 0 {
			continue
		}
		a.handlePage(ctx, page)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		after = page.Next
		acks.add(after)
	}
}

// handlePage handles a bounded number of items at once. Those under way when the
// agent is stopped get a moment to end.
func (a *Agent) handlePage(ctx context.Context, page *wire.Mailbox) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stopTime, cancel) })()
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, item := range page.Items {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			a.handle(work, item)
			return nil
		})
	}
	_ = g.Wait()
}

// handle tries an item a few times. One that still can't be decided is dropped:
// its job fails within its bounded wait, and others go on.
func (a *Agent) handle(ctx context.Context, item wire.Item) {
	wait := firstWait
	for try := 1; ; try++ {
		err := a.handleOnce(ctx, item)
		if err == nil || ctx.Err() != nil {
			return
		}
		if try >= tries && !errors.Is(err, client.ErrUnavailable) {
			a.opt.Log.Error("item dropped", "seq", item.Seq, "kind", item.Kind, "job", item.Job.Short(), "exit", fault.ExitCode(err), "error", err)
			return
		}
		if sleep(ctx, wait) != nil {
			return
		}
		wait = min(2*wait, pause)
	}
}

func (a *Agent) handleOnce(ctx context.Context, item wire.Item) error {
	if item.Kind == wire.KindJob {
		a.witness.Expect(item.Job)
	}
	if item.Kind != wire.KindStatement {
		return a.broker.Handle(ctx, item)
	}
	e, err := statement.ParseEnvelope(item.Body)
	if err != nil {
		a.opt.Log.Warn("not a statement", "seq", item.Seq)
		return nil
	}
	a.witness.Expect(e.Digest())
	err = a.desk.Consider(ctx, e)
	a.keeper.Wake() // it may be about an order
	return err
}
