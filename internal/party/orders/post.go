package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Post posts what the ledger says of orders and the exchange does not have yet. All of it follows from the ledger, to the byte: what a
// crash leaves open is said again, and said once.
func (k *Keeper) Post(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	for _, p := range k.purchases() {
		s := k.posted[p.Order]
		if s != nil && s.charges == len(p.Billed) && s.refunds == len(p.Refunds) && s.closed == p.Ended {
			continue
		}
		if h := k.held[p.Order]; h != nil && h.of(&p) && k.Now().Before(h.until) {
			continue
		}
		err := k.postOrder(ctx, &p)
		if errors.Is(err, errLater) {
			continue // said in the log, and tried again in its time
		}
		k.hold(ctx, &p, err)
		if err != nil {
			delete(k.posted, p.Order) // to be compared with the exchange again
			errs = append(errs, fmt.Errorf("order %s: %w", p.Order.Short(), err))
		}
		if ctx.Err() != nil || errors.Is(errors.Join(errs...), client.ErrUnavailable) {
			break
		}
	}
	return errors.Join(errs...)
}

// hold is an order of which something was refused, until it is tried again.
type hold struct {
	wait             time.Duration
	until            time.Time
	charges, refunds int
	ended            bool
}

// of reports whether it is about what the ledger says of the order now.
func (h *hold) of(p *ledger.Purchase) bool {
	return h.charges == len(p.Billed) && h.refunds == len(p.Refunds) && h.ended == p.Ended
}

// hold has an order wait of which something is refused, longer each time. An exchange that is away is no refusal: its client waits.
func (k *Keeper) hold(ctx context.Context, p *ledger.Purchase, err error) {
	if err == nil || ctx.Err() != nil || errors.Is(err, client.ErrUnavailable) {
		delete(k.held, p.Order)
		return
	}
	wait := 2 * often
	if h := k.held[p.Order]; h != nil && h.of(p) {
		wait = min(2*h.wait, rarely)
	}
	k.held[p.Order] = &hold{wait: wait, until: k.Now().Add(wait), charges: len(p.Billed), refunds: len(p.Refunds), ended: p.Ended}
}

func (k *Keeper) postOrder(ctx context.Context, p *ledger.Purchase) error {
	s, err := k.saidOf(ctx, p)
	if err != nil {
		return err
	}
	for ; s.charges < len(p.Billed); s.charges++ {
		if err := post(ctx, k, k.charge(p, s.charges)); err != nil {
			return err
		}
	}
	k.posted[p.Order] = s // and not looked for again while the provider has to be waited for
	for ; s.refunds < len(p.Refunds); s.refunds++ {
		if err := k.paidBack(p.Order, func() error { return k.giveBack(ctx, p, s.refunds) }); err != nil {
			return err
		}
		if err := post(ctx, k, k.refund(p, s.refunds)); err != nil {
			return err
		}
	}
	if p.Ended && !s.closed {
		if err := k.paidBack(p.Order, func() error { return k.payBack(ctx, p) }); err != nil {
			return err
		}
		if err := post(ctx, k, k.closing(p)); err != nil {
			return err
		}
		s.closed = true
	}
	return nil
}

// saidOf is what was posted of an order: known from before, or by what the exchange shows.
func (k *Keeper) saidOf(ctx context.Context, p *ledger.Purchase) (*said, error) {
	if s := k.posted[p.Order]; s != nil {
		return s, nil
	}
	has := map[statement.Digest]bool{}
	for _, kind := range []string{client.Charges, client.Refunds, client.Closings} {
		items, err := k.Exchange.AllStatements(ctx, client.Query{Kind: kind, About: []statement.Digest{p.Order}, Owner: k.self()})
		if err != nil {
			return nil, err
		}
		for i := range items {
			has[items[i].Envelope.Digest()] = true
		}
	}
	s := &said{}
	for s.charges < len(p.Billed) && has[digestOf(k.charge(p, s.charges))] {
		s.charges++
	}
	for s.refunds < len(p.Refunds) && has[digestOf(k.refund(p, s.refunds))] {
		s.refunds++
	}
	s.closed = p.Ended && has[digestOf(k.closing(p))]
	return s, nil
}

type signable[T any] interface {
	*T
	statement.Statement
}

func digestOf[T any, P signable[T]](s T) statement.Digest {
	b, err := statement.Payload[T, P](s)
	if err != nil {
		return ""
	}
	return statement.Sum(b)
}

// post posts one statement. An order that the exchange has ended takes no more: what the owner lost by that, reconciling names.
func post[T any, P signable[T]](ctx context.Context, k *Keeper, s T) error {
	e, err := statement.Sign[T, P](s, k.Signer)
	if err != nil {
		return err
	}
	_, err = k.Exchange.PostStatement(ctx, e)
	if client.HasCode(err, wire.CodeOrderEnded) || client.HasCode(err, wire.CodeUnknownReference) {
		k.Log.Error("the exchange has ended an order, or forgotten it, that this party still charges: see 'cordon reconcile'", "error", err)
		return nil
	}
	return err
}

// charge is the n-th of an order.
func (k *Keeper) charge(p *ledger.Purchase, n int) statement.Charge {
	b := p.Billed[n]
	c := statement.Charge{Owner: k.self(), Order: p.Order, Job: b.Job, Release: b.Release, Amount: b.Amount, ChargedMS: b.AtMS}
	for _, x := range p.Billed[:n+1] {
		c.Total += x.Amount
	}
	return c
}

func (k *Keeper) refund(p *ledger.Purchase, n int) statement.Refund {
	g := p.Refunds[n]
	r := statement.Refund{Owner: k.self(), Order: p.Order, Amount: g.Amount, Reason: g.Reason, AtMS: g.AtMS}
	for _, x := range p.Refunds[:n+1] {
		r.Total += x.Amount
	}
	return r
}

func (k *Keeper) closing(p *ledger.Purchase) statement.Closing {
	return statement.Closing{Owner: k.self(), Order: p.Order, Total: p.Total(), Reason: p.Reason, AtMS: p.EndedMS}
}
