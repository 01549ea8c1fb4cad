package orders

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/stripe"
	"github.com/cordon-exchange/cordon/statement"
)

// Card is an owner's own account with a payment provider. Its agent opens no port: it asks.
type Card interface {
	Begin(ctx context.Context, name string, credits int64, key string) (*stripe.Checkout, error)
	Payment(ctx context.Context, session string) (*stripe.Payment, error)
	Expire(ctx context.Context, session string) error
	Refund(ctx context.Context, x *stripe.Payment, credits int64, key string) error
}

// page is a checkout as it is kept: without it, a provider that forgot the idempotency key would make a second one.
type page struct {
	Format   string `json:"format"` // pageFormat
	Session  string `json:"session"`
	URL      string `json:"url"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Over     bool   `json:"over,omitempty"` // nobody can pay, and what was paid and not charged went back
}

const pageFormat = "cordon-checkout/1"

func (k *Keeper) pageFile(order statement.Digest) string {
	return filepath.Join(k.Home.Checkouts(), strings.TrimPrefix(string(order), "sha256:")+".json")
}

func (k *Keeper) page(order statement.Digest) (*page, error) {
	src, err := os.ReadFile(k.pageFile(order))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, home.Storage("can't read a checkout", err)
	}
	p := &page{}
	if err := statement.Unmarshal(src, p); err != nil || p.Format != pageFormat {
		return nil, errors.Join(errors.New("orders: a file in checkouts/ is damaged"), err)
	}
	return p, nil
}

// byCard has an order paid to this party's own account: a page is made once and told to the buyer; once the provider says that it is
// paid, for this order and in full, this party settles it itself.
func (k *Keeper) byCard(ctx context.Context, d statement.Digest, b *statement.Order) error {
	p, err := k.page(d)
	if err != nil {
		return err
	}
	if p == nil {
		if p, err = k.begin(ctx, d, b.Most); err != nil {
			return err
		}
	}
	// The same statement each time.
	if err := post(ctx, k, statement.Invoice{Owner: k.self(), Order: d, URL: p.URL, Amount: p.Amount, Currency: p.Currency, CreatedMS: b.CreatedMS}); err != nil {
		return err
	}
	x, err := k.Card.Payment(ctx, p.Session)
	switch {
	case err != nil:
		return err
	case x.Over:
		return k.Desk.EndOrder(ctx, d, "nobody paid in time")
	case !x.Paid:
		return nil
	case x.For != string(d) || x.Credits != b.Most:
		return stripe.ErrOther
	}
	return k.Desk.SettleOwn(ctx, d, "stripe "+p.Session)
}

func (k *Keeper) begin(ctx context.Context, d statement.Digest, credits int64) (*page, error) {
	c, err := k.Card.Begin(ctx, string(d), credits, "order "+string(d))
	if err != nil {
		return nil, err
	}
	p := &page{Format: pageFormat, Session: c.Session, URL: c.URL, Amount: c.Amount, Currency: c.Currency}
	return p, k.keep(d, p)
}

func (k *Keeper) keep(d statement.Digest, p *page) error {
	src, err := statement.Marshal(p)
	if err != nil {
		return err
	}
	if err := home.MkdirAll(k.Home.Checkouts()); err != nil {
		return err
	}
	return home.WriteFile(k.pageFile(d), src)
}

// payBack returns what was paid to this party's own account and not charged, when an order has ended, and lets nobody pay any more. It
// comes before the closing, so that a crash leaves the closing to be posted, and with it this to be done: once for the order's key.
func (k *Keeper) payBack(ctx context.Context, p *ledger.Purchase) error {
	if k.Card == nil {
		return nil
	}
	made, err := k.page(p.Order)
	if err != nil || made == nil || made.Over {
		return err
	}
	x, err := k.Card.Payment(ctx, made.Session)
	if err != nil {
		return err
	}
	switch left := x.Credits - p.Total(); {
	case x.Paid && left > 0:
		err = k.Card.Refund(ctx, x, left, "end "+string(p.Order))
	case !x.Paid && !x.Over:
		err = k.Card.Expire(ctx, made.Session)
	}
	if err != nil {
		return err
	}
	made.Over = true
	return k.keep(p.Order, made)
}
