package approval

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

// counter is an exchange that takes orders, and loses what a test asks for.
type counter struct {
	*partytest.Exchange
	orders map[statement.Digest]*wire.Order
	fail   error // of the next call
	late   bool  // after it was done
	away   error // of asking for orders
}

func (c *counter) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	err := c.fail
	c.fail = nil
	if err != nil && !c.late {
		return "", err
	}
	if o, derr := statement.DecodeUnverified[statement.Order](e.Payload); derr == nil && c.orders[e.Digest()] == nil {
		c.orders[e.Digest()] = &wire.Order{Digest: e.Digest(), Amount: o.Most}
	}
	d, perr := c.Exchange.PostStatement(ctx, e)
	return d, errors.Join(err, perr)
}

func (c *counter) order(_ context.Context, d statement.Digest) (*wire.Order, error) {
	if c.away != nil {
		return nil, c.away
	}
	if o := c.orders[d]; o != nil {
		return o, nil
	}
	return nil, partytest.NotFound()
}

// buying is a sale whose buyer places orders at a counter.
type buying struct {
	*sale
	buyer *Desk
	at    *counter
}

func newBuying(t *testing.T) *buying {
	s := newSale(t)
	b := &buying{sale: s, at: &counter{Exchange: s.ex, orders: map[statement.Digest]*wire.Order{}}}
	b.buyer = &Desk{Exchange: b.at, Catalog: s.Catalog, Signer: s.asker.Signer(), Home: must(home.Create(filepath.Join(t.TempDir(), "buyer"))), Now: func() time.Time { return s.now }}
	return b
}

// place places one order as a command does: with a nonce and a time of its own.
func (b *buying) place(again bool, change func(*statement.Order)) (Placed, error) {
	b.t.Helper()
	nonce := make([]byte, statement.NonceSize)
	must(rand.Read(nonce))
	o := statement.Order{
		Nonce: nonce, Buyer: b.asker.Fingerprint(), Contract: b.contract.Digest(), Owner: b.self(), Offers: []statement.Digest{b.offer.Digest()},
		Most: 10, Provider: statement.ProviderCredits, CreatedMS: b.now.UnixMilli(), ExpiresMS: b.now.Add(time.Hour).UnixMilli(),
	}
	if change != nil {
		change(&o)
	}
	list, err := b.buyer.Place(b.t.Context(), []statement.Order{o}, Placing{Kept: b.at.order, Again: again})
	if err != nil {
		return Placed{}, err
	}
	return list[0], nil
}

// TestPlacedOnce: whatever came of a call, the next one sets aside no more than one call does; what was not asked for before, or is over,
// is an order of its own.
func TestPlacedOnce(t *testing.T) {
	lost := &client.Error{Status: http.StatusServiceUnavailable, Code: wire.CodeUnavailable}
	for name, x := range map[string]struct {
		fail  error
		late  bool
		then  func(*buying, statement.Digest) // after the first call; the order that the exchange has
		again bool
		next  func(*statement.Order)
		want  int // orders
	}{
		"an answer":                 {nil, false, nil, false, nil, 1},
		"the answer lost":           {client.ErrUnavailable, true, nil, false, nil, 1},
		"the call lost":             {client.ErrUnavailable, false, nil, false, nil, 1},
		"the exchange stopped late": {lost, true, nil, false, nil, 1},
		"given up":                  {context.DeadlineExceeded, true, nil, false, nil, 1},
		"refused":                   {&client.Error{Status: http.StatusConflict, Code: wire.CodeNoCredit}, false, nil, false, nil, 1},
		"asked for":                 {nil, false, nil, true, nil, 2},
		"a later end":               {nil, false, nil, false, func(o *statement.Order) { o.ExpiresMS++ }, 1},
		"more":                      {nil, false, nil, false, func(o *statement.Order) { o.Most++ }, 2},
		"another provider":          {nil, false, nil, false, func(o *statement.Order) { o.Provider = statement.ProviderStripe }, 2},
		"other offers":              {nil, false, nil, false, func(o *statement.Order) { o.Offers = []statement.Digest{statement.Sum(nil)} }, 2},
		"another contract":          {nil, false, nil, false, func(o *statement.Order) { o.Contract = statement.Sum(nil) }, 2},
		"another owner":             {nil, false, nil, false, nil, 2},
		"charged, with room":        {nil, false, func(b *buying, d statement.Digest) { b.at.orders[d].Charged = 9 }, false, nil, 1},
		"used up":                   {nil, false, func(b *buying, d statement.Digest) { b.at.orders[d].Charged = 10 }, false, nil, 2},
		"ended":                     {nil, false, func(b *buying, d statement.Digest) { b.at.orders[d].EndedMS = 1 }, false, nil, 2},
		"expired":                   {nil, false, func(b *buying, _ statement.Digest) { b.now = b.now.Add(time.Hour) }, false, nil, 2},
		"cancelled": {nil, false, func(b *buying, d statement.Digest) {
			r := statement.Revocation{Author: b.asker.Fingerprint(), Revokes: d, AtMS: b.now.UnixMilli()}
			must(b.ex.PostStatement(b.t.Context(), must(statement.Sign(r, b.asker.Signer()))))
		}, false, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuying(t)
			if name == "another owner" {
				x.next = func(o *statement.Order) { o.Owner = b.other.Fingerprint() }
			}
			b.at.fail, b.at.late = x.fail, x.late
			first, err := b.place(false, nil)
			if (err == nil) != (x.fail == nil) {
				t.Fatal(err)
			}
			if x.then != nil {
				x.then(b, first.Digest())
			}
			second, err := b.place(x.again, x.next)
			if err != nil {
				t.Fatal(err)
			}
			if before := x.want == 1 && name != "refused"; len(b.at.orders) != x.want || second.Before != before {
				t.Fatalf("%d orders, before %t", len(b.at.orders), second.Before)
			}
			if kept := must(b.buyer.Placed()); len(kept) != x.want {
				t.Fatalf("%d orders are kept", len(kept))
			}
		})
	}
	t.Run("nobody says", func(t *testing.T) {
		b := newBuying(t)
		must(b.place(false, nil))
		b.at.away = client.ErrUnavailable
		if _, err := b.place(false, nil); !errors.Is(err, client.ErrUnavailable) || len(b.at.orders) != 1 {
			t.Fatalf("%v, %d orders", err, len(b.at.orders))
		}
	})
}
