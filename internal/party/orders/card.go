package orders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
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
	return k.Desk.SettleOwn(ctx, d, settledBy+p.Session)
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

// Reasons why what goes back to a card does not go now.
var (
	errNoCard = errors.New("orders: it was paid by card, and this agent has no key of the provider's: start it with --stripe-key-file")
	errLater  = errors.New("orders: the provider is asked again later")
)

const refusedTime = time.Minute // between two tries of what can't be done as things are

// paidBack does what has to be done at the provider before the exchange is told, or says that it has to wait: without an answer that it
// is done, nothing is told. What this party has to see to itself is logged once.
func (k *Keeper) paidBack(order statement.Digest, do func() error) error {
	if k.Now().Before(k.later[order]) {
		return errLater
	}
	err := do()
	if !errors.Is(err, errNoCard) && !errors.Is(err, stripe.ErrRefused) && !errors.Is(err, stripe.ErrOther) {
		return err
	}
	k.later[order] = k.Now().Add(refusedTime)
	if k.logged[order] != err.Error() {
		k.logged[order] = err.Error()
		k.Log.Error("an order is neither refunded nor closed before its money has gone back to the card", "order", order.Short(), "error", err)
	}
	return errLater
}

// session is the page of an order that this party made: as it kept it, or as it named it when it settled the order; nil if there was none.
// The second is looked for on this party's own word alone, which has to be there.
func (k *Keeper) session(ctx context.Context, p *ledger.Purchase) (*page, error) {
	made, err := k.page(p.Order)
	if err != nil || made != nil || p.Settler != k.self() {
		return made, err
	}
	items, err := k.Exchange.AllStatements(ctx, client.Query{Kind: client.Settlements, About: []statement.Digest{p.Order}})
	if err != nil {
		return nil, err
	}
	for i := range items {
		v, err := statement.Verify[statement.Settlement](&items[i].Envelope, k.self())
		if err != nil || v.Digest() != p.Settlement {
			continue
		}
		id, byCard := strings.CutPrefix(v.Body().Reference, settledBy)
		if !byCard {
			return nil, nil
		}
		return &page{Format: pageFormat, Session: id}, nil
	}
	return nil, errors.New("orders: the exchange does not show how this party settled the order")
}

// settledBy stands before the session in the reference of a settlement.
const settledBy = "stripe "

// payment is what became of an order's page.
func (k *Keeper) payment(ctx context.Context, p *ledger.Purchase, made *page) (*stripe.Payment, error) {
	if k.Card == nil {
		return nil, errNoCard
	}
	x, err := k.Card.Payment(ctx, made.Session)
	if err == nil && x.For != string(p.Order) {
		err = stripe.ErrOther
	}
	return x, err
}

// payBack returns what was paid to this party's own account and not charged, when an order has ended, and lets nobody pay any more. It
// comes before the closing, so that a crash leaves the closing to be posted, and with it this to be done: once for the order's key.
func (k *Keeper) payBack(ctx context.Context, p *ledger.Purchase) error {
	made, err := k.session(ctx, p)
	if err != nil || made == nil || made.Over {
		return err
	}
	x, err := k.payment(ctx, p, made)
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

// giveBack pays the n-th refund of an order back to the card, before it is posted: once for its key. What was not paid by card, a person
// gives back.
func (k *Keeper) giveBack(ctx context.Context, p *ledger.Purchase, n int) error {
	made, err := k.session(ctx, p)
	if err != nil || made == nil {
		return err
	}
	x, err := k.payment(ctx, p, made)
	if err != nil || !x.Paid {
		return err
	}
	return k.Card.Refund(ctx, x, p.Refunds[n].Amount, fmt.Sprintf("refund %s %d", p.Order, n))
}
