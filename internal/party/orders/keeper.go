package orders

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what orders ask of the exchange's client, beside the catalog.
type Exchange interface {
	PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error)
	Statements(ctx context.Context, q client.Query) (*wire.StatementList, error)
	AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error)
	AllPostings(ctx context.Context, order statement.Digest) ([]wire.Posting, error)
}

// Keeper keeps one owner's orders. All fields are required. The ledger is what is to be posted: the keeper remembers nothing that a
// restart could lose.
type Keeper struct {
	Exchange Exchange
	Catalog  *catalog.Catalog
	Desk     *approval.Desk
	Ledger   *ledger.Ledger
	Signer   statement.Signer
	Now      func() time.Time
	Log      *slog.Logger
	Card     Card     // this party's own account with a provider; nil: none
	Home     home.Dir // keeps the pages that it made

	wake    chan struct{}
	mu      sync.Mutex                                                       // of what follows
	after   int64                                                            // of the exchange's orders that were looked at
	open    map[statement.Digest]*statement.Verified[statement.Order]        // for this party, of which the ledger says nothing yet
	posted  map[statement.Digest]*said                                       // of an order
	logged  map[statement.Digest]string                                      // what was last said about an order that doesn't go on
	settled map[statement.Digest][]*statement.Verified[statement.Settlement] // of open orders, as the last look found them
	held    map[statement.Digest]*hold                                       // orders of which something could not be posted
	fit     map[statement.Digest]bool                                        // open orders that a payment would fill, when they were looked at
	later   map[statement.Digest]time.Time                                   // when the provider is asked about an order again
}

// said is how much of what the ledger says of an order the exchange has.
type said struct {
	charges, refunds int
	closed           bool
}

const (
	often  = 300 * time.Millisecond // between two looks at the ledger
	seldom = 5 * time.Second        // between two looks at the exchange
	rarely = time.Minute            // at most, between two tries to post what is refused
)

// Start readies a keeper.
func (k *Keeper) Start() {
	k.wake = make(chan struct{}, 1)
	k.open = map[statement.Digest]*statement.Verified[statement.Order]{}
	k.posted, k.logged = map[statement.Digest]*said{}, map[statement.Digest]string{}
	k.later = map[statement.Digest]time.Time{}
	k.held, k.fit = map[statement.Digest]*hold{}, map[statement.Digest]bool{}
}

// Wake makes the keeper look at the exchange soon: something about an order arrived. It may be called concurrently.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *Keeper) self() statement.Fingerprint { return statement.PartyOf(k.Signer) }

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	quick, slow := time.NewTicker(often), time.NewTicker(seldom)
	defer quick.Stop()
	defer slow.Stop()
	look := true
	for {
		if look {
			k.try(ctx, "orders can't be looked at", k.Look)
		}
		k.try(ctx, "charges are not posted yet", k.Post)
		look = false
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-quick.C:
		case <-slow.C:
			look = true
		case <-k.wake:
			look = true
		}
	}
}

func (k *Keeper) try(ctx context.Context, what string, f func(context.Context) error) {
	if err := f(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, client.ErrUnavailable) {
		k.Log.Warn(what, "error", err)
	}
}

// Look asks the exchange for new orders, and decides about those that are open: what was settled is believed or not, and what is over
// ends.
func (k *Keeper) Look(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.find(ctx); err != nil {
		return err
	}
	gone, err := k.revoked(ctx)
	if err != nil {
		return err
	}
	if k.settled, err = k.settlements(ctx); err != nil {
		return err
	}
	var errs []error
	for d, o := range k.open {
		errs = append(errs, k.unsettled(ctx, d, o, gone))
	}
	for _, p := range k.purchases() {
		delete(k.open, p.Order)
		delete(k.fit, p.Order)
		if p.Ended {
			continue
		}
		reason, err := k.over(&p, gone), error(nil)
		if reason != "" {
			err = k.Desk.EndOrder(ctx, p.Order, reason)
		} else if !k.granted(p.Contract) {
			err = k.Desk.GrantSold(ctx, p.Order)
		}
		errs = append(errs, k.refused(p.Order, err))
	}
	return errors.Join(errs...)
}

func (k *Keeper) purchases() (list []ledger.Purchase) {
	k.Ledger.View(func(a *ledger.Accounts) { list = a.Purchases() })
	return list
}

// find lists the orders that are new to this process.
func (k *Keeper) find(ctx context.Context) error {
	for {
		page, err := k.Exchange.Statements(ctx, client.Query{Kind: client.Orders, After: k.after})
		if err != nil {
			return err
		}
		for i := range page.Items {
			v, err := statement.VerifyAuthor[statement.Order](&page.Items[i].Envelope)
			if err == nil && v.Body().Owner == k.self() && !k.known(v.Digest()) {
				k.open[v.Digest()] = v
			}
		}
		if page.End || len(page.Items) == 0 || page.Next <= k.after {
			return nil
		}
		k.after = page.Next
	}
}

func (k *Keeper) known(order statement.Digest) (known bool) {
	k.Ledger.View(func(a *ledger.Accounts) { _, known = a.Purchase(order) })
	return known
}

func (k *Keeper) granted(contract statement.Digest) (granted bool) {
	k.Ledger.View(func(a *ledger.Accounts) {
		g, _ := a.Grant(contract)
		granted = g != ""
	})
	return granted
}

// revoked are the orders and contracts, of those that are not over, that their author took back, as the exchange shows.
func (k *Keeper) revoked(ctx context.Context) (map[statement.Digest]bool, error) {
	by := map[statement.Digest]statement.Fingerprint{}
	for d, o := range k.open {
		by[d], by[o.Body().Contract] = o.Body().Buyer, o.Body().Buyer
	}
	for _, p := range k.purchases() {
		if !p.Ended {
			by[p.Order], by[p.Contract] = p.Requester, p.Requester
		}
	}
	var about []statement.Digest
	for d := range by {
		about = append(about, d)
	}
	out := map[statement.Digest]bool{}
	for some := range slices.Chunk(about, wire.MaxAbout) {
		items, err := k.Exchange.AllStatements(ctx, client.Query{Kind: client.Revocations, About: some})
		if err != nil {
			return nil, err
		}
		for i := range items {
			v, err := statement.VerifyAuthor[statement.Revocation](&items[i].Envelope)
			if err == nil && v.Body().Author == by[v.Body().Revokes] {
				out[v.Body().Revokes] = true
			}
		}
	}
	return out, nil
}

// settlements of the orders that are open, as the exchange shows them: one question for many orders.
func (k *Keeper) settlements(ctx context.Context) (map[statement.Digest][]*statement.Verified[statement.Settlement], error) {
	out := map[statement.Digest][]*statement.Verified[statement.Settlement]{}
	for some := range slices.Chunk(slices.Collect(maps.Keys(k.open)), wire.MaxAbout) {
		items, err := k.Exchange.AllStatements(ctx, client.Query{Kind: client.Settlements, About: some})
		if err != nil {
			return nil, err
		}
		for i := range items {
			v, err := statement.VerifyAuthor[statement.Settlement](&items[i].Envelope)
			if err == nil && k.open[v.Body().Order] != nil {
				out[v.Body().Order] = append(out[v.Body().Order], v)
			}
		}
	}
	return out, nil
}

// over is why nothing more is charged to an order; "" if it goes on.
func (k *Keeper) over(p *ledger.Purchase, gone map[statement.Digest]bool) string {
	var revoked bool
	k.Ledger.View(func(a *ledger.Accounts) { _, revoked = a.Grant(p.Contract) })
	switch {
	case gone[p.Order]:
		return "cancelled by its buyer"
	case gone[p.Contract]:
		return "its contract was revoked"
	case revoked:
		return "the grant was revoked"
	case k.Now().UnixMilli() >= p.UntilMS:
		return "expired"
	}
	return ""
}

// unsettled is an order of which the ledger says nothing: one that can't come to anything ends, and gives back what is set aside;
// of others the settlement is looked at, again where a rule or a limit kept it from being believed.
func (k *Keeper) unsettled(ctx context.Context, d statement.Digest, o *statement.Verified[statement.Order], gone map[statement.Digest]bool) error {
	b := o.Body()
	var rejected, revoked bool
	k.Ledger.View(func(a *ledger.Accounts) {
		rejected = a.Rejected(b.Contract)
		_, revoked = a.Grant(b.Contract)
	})
	reason := ""
	switch {
	case gone[d]:
		reason = "cancelled by its buyer"
	case gone[b.Contract]:
		reason = "its contract was revoked"
	case rejected:
		reason = "its contract was rejected"
	case revoked:
		reason = "the grant was revoked"
	case k.Now().UnixMilli() >= b.ExpiresMS:
		reason = "expired"
	case b.Provider != statement.ProviderCredits && b.Provider != statement.ProviderStripe:
		reason = "its provider is not known"
	}
	if reason != "" {
		return k.Desk.EndOrder(ctx, d, reason)
	}
	if b.Provider == statement.ProviderStripe && k.Card != nil {
		if posted, err := k.Desk.BelieveOwn(ctx, d); posted || err != nil {
			return k.refused(d, err)
		}
		var r *approval.Refusal
		if err := k.Desk.Sellable(ctx, b.Contract); errors.As(err, &r) {
			return k.Desk.EndOrder(ctx, d, "not granted: "+r.Code)
		} else if err != nil {
			return err
		}
		return k.refused(d, k.byCard(ctx, d, b))
	}
	for _, v := range k.settled[d] {
		if err := k.refused(d, k.Desk.Believe(ctx, v)); err != nil {
			return err
		}
	}
	return k.unfit(ctx, d, b)
}

// unfit ends an order that no payment would fill, whoever settles it: nobody has to look for one. It is looked at once; what changes
// later is seen when it is granted.
func (k *Keeper) unfit(ctx context.Context, d statement.Digest, b *statement.Order) error {
	if k.fit[d] || k.known(d) || k.granted(b.Contract) {
		return nil
	}
	var r *approval.Refusal
	err := k.Desk.Sellable(ctx, b.Contract)
	if errors.As(err, &r) {
		return k.Desk.EndOrder(ctx, d, "not granted: "+r.Code)
	}
	k.fit[d] = err == nil
	return err
}

// refused logs a refusal of this party's own once, and gives back all other errors.
func (k *Keeper) refused(order statement.Digest, err error) error {
	var r *approval.Refusal
	if !errors.As(err, &r) {
		return err
	}
	if k.logged[order] != r.Code {
		k.logged[order] = r.Code
		k.Log.Warn("order not granted", "order", order.Short(), "code", r.Code, "reason", r.Reason)
	}
	return nil
}
