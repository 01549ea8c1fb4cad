package stripe

//lint:file-ignore SA1019 as in stripe.go

import (
	"context"
	"errors"
	"fmt"

	"github.com/stripe/stripe-go/v82"
)

// Refund pays credits of a session back to who paid, once for each key, however long ago it was said first: Stripe forgets idempotency
// keys after a day, so a refund that carries the key counts as this one. ErrRefused only if none was made under the key; after any
// other error, one may have been.
func (a *Account) Refund(ctx context.Context, x *Payment, credits int64, key string) error {
	if !x.Paid || x.intent == "" || credits < 1 || credits > x.Credits {
		return ErrOther
	}
	made, err := a.refundUnder(ctx, x.intent, key)
	if err != nil {
		return err
	}
	if made == nil {
		if made, err = a.refund(ctx, x, credits, key); err != nil {
			return err
		}
	}
	switch {
	case made.Amount != credits*x.unit:
		return fmt.Errorf("%w: refund of another amount", ErrOther)
	case gone(made):
		return fmt.Errorf("%w: %s", ErrRefused, made.Status)
	}
	return nil
}

func (a *Account) refund(ctx context.Context, x *Payment, credits int64, key string) (*stripe.Refund, error) {
	p := &stripe.RefundParams{PaymentIntent: stripe.String(x.intent), Amount: stripe.Int64(credits * x.unit)}
	p.Context = ctx
	p.AddMetadata(metaRefund, key)
	p.SetIdempotencyKey("cordon refund " + key)
	r, err := a.refunds.New(p)
	if err == nil {
		return r, nil
	}
	var e *stripe.Error
	// Other parameters under a key that Stripe remembers: something was asked for under it before, and may have been done.
	if named := named(err); !errors.Is(named, ErrOther) || errors.As(err, &e) && e.Type == stripe.ErrorTypeIdempotency {
		return nil, named
	}
	return nil, fmt.Errorf("%w: %s (%s)", ErrRefused, e.Code, e.Type)
}

// refundUnder finds the refund of a payment that was made under a key, rather one that money goes out with; nil if there is none.
func (a *Account) refundUnder(ctx context.Context, intent, key string) (found *stripe.Refund, err error) {
	p := &stripe.RefundListParams{PaymentIntent: stripe.String(intent)}
	p.Context = ctx
	p.Limit = stripe.Int64(listAtOnce)
	it := a.refunds.List(p)
	for it.Next() {
		if r := it.Refund(); r.Metadata[metaRefund] == key && (found == nil || gone(found)) {
			found = r
		}
	}
	if err := it.Err(); err != nil {
		return nil, named(err)
	}
	return found, nil
}

const listAtOnce = 100

// gone reports whether a refund came to nothing.
func gone(r *stripe.Refund) bool {
	return r.Status == stripe.RefundStatusFailed || r.Status == stripe.RefundStatusCanceled
}
