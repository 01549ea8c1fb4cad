package approval

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// Placing is how orders are placed.
type Placing struct {
	Kept  func(ctx context.Context, order statement.Digest) (*wire.Order, error) // required: what the exchange keeps of an order
	Again bool                                                                   // sign another where one like it goes on; default: say that one again
}

// Placed is an order that was placed.
type Placed struct {
	*statement.Verified[statement.Order]
	Before bool // by an earlier call
}

// Place signs orders for one's own contract, keeps them, and posts them: one for each owner. Said again, because an answer got lost, it
// sets nothing aside twice: an order that goes on and is for as much of the same is said again, to the byte. It may have another end.
func (d *Desk) Place(ctx context.Context, orders []statement.Order, p Placing) (out []Placed, err error) {
	d.placing.Lock()
	defer d.placing.Unlock()
	if err := home.MkdirAll(d.Home.Orders()); err != nil {
		return nil, err
	}
	for i := range orders {
		v, err := d.placed(ctx, &orders[i], p)
		if err != nil {
			return out, err
		}
		before := v != nil
		if !before {
			if v, err = d.place(ctx, &orders[i]); err != nil {
				return out, err
			}
		}
		out = append(out, Placed{v, before})
	}
	return out, nil
}

func (d *Desk) place(ctx context.Context, o *statement.Order) (*statement.Verified[statement.Order], error) {
	e, err := statement.Sign(*o, d.Signer)
	if errors.Is(err, statement.ErrCertificate) {
		return nil, uncovered(err)
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "this is no order", "give --most of 1 or more, and an --until in the future", err)
	}
	// Kept first: what was set aside for an order that nobody remembers would be found at its end alone.
	if err := home.WriteFile(d.orderFile(e.Digest()), e.Bytes()); err != nil {
		return nil, err
	}
	if _, err := d.Exchange.PostStatement(ctx, e); err != nil {
		return nil, errors.Join(err, d.forgetRefused(e.Digest(), err))
	}
	return statement.Verify[statement.Order](e, d.self())
}

// placed is the order of this party's, of those that it kept, that goes on and is like another; nil if there is none. One that did not
// arrive is posted.
func (d *Desk) placed(ctx context.Context, o *statement.Order, p Placing) (*statement.Verified[statement.Order], error) {
	if p.Again {
		return nil, nil
	}
	kept, err := d.Placed()
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Backward(kept) {
		if !sameOrder(v.Body(), o) || v.Body().ExpiresMS <= d.Now().UnixMilli() {
			continue
		}
		goesOn, err := d.goesOn(ctx, v, p)
		if err != nil {
			return nil, err
		}
		if goesOn {
			return v, nil
		}
	}
	return nil, nil
}

// sameOrder reports whether two ask for as much of the same. Ends may differ: one that is said as a time from now does each time.
func sameOrder(a, b *statement.Order) bool {
	return a.Contract == b.Contract && a.Owner == b.Owner && a.Most == b.Most && a.Provider == b.Provider &&
		slices.Equal(slices.Sorted(slices.Values(a.Offers)), slices.Sorted(slices.Values(b.Offers)))
}

// goesOn reports whether an order still pays for something, once the exchange has it.
func (d *Desk) goesOn(ctx context.Context, v *statement.Verified[statement.Order], p Placing) (bool, error) {
	cancelled, err := d.Catalog.Revoked(ctx, d.self(), v.Digest())
	if err != nil || cancelled {
		return false, err
	}
	o, err := p.Kept(ctx, v.Digest())
	if client.HasCode(err, wire.CodeNotFound) {
		if _, err := d.Exchange.PostStatement(ctx, v.Envelope()); err != nil {
			return false, errors.Join(err, d.forgetRefused(v.Digest(), err))
		}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return o.EndedMS == 0 && o.Charged < o.Amount, nil
}

// forgetRefused removes an order that the exchange did not take. One that may have arrived stays: any that it did not refuse.
func (d *Desk) forgetRefused(order statement.Digest, err error) error {
	var e *client.Error
	if !errors.As(err, &e) || e.Status == http.StatusUnauthorized || e.Status >= http.StatusInternalServerError {
		return nil
	}
	return os.Remove(d.orderFile(order))
}
