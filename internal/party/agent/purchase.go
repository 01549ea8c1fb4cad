package agent

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

func (a *Agent) placeOrders(ctx context.Context, in *api.OrderPlace) (*api.Orders, error) {
	c, err := a.catalog.Contract(ctx, in.Contract)
	if err != nil {
		return nil, err
	}
	if c.Body().Requester != a.self {
		return nil, fault.New(fault.Usage, "the contract was proposed by another party", "its requester orders", nil)
	}
	var only statement.Fingerprint
	if in.Owner != "" {
		if only, err = a.catalog.Resolve(ctx, in.Owner, pinsOf(in.Pins)); err != nil {
			return nil, err
		}
	}
	list, err := a.ordersFor(ctx, c, only, in)
	if err != nil {
		return nil, err
	}
	placed, err := a.desk.Place(ctx, list, approval.Placing{Kept: a.exchange.Order, Again: in.Again})
	if err != nil {
		return nil, err
	}
	s, err := a.desk.WaitGrants(ctx, in.Contract, time.Duration(in.WaitMS)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	out := &api.Orders{Orders: []api.Order{}, Missing: a.parties(ctx, s.Missing)}
	for _, v := range placed {
		o, err := a.orderOf(ctx, v.Verified)
		if err != nil {
			return nil, err
		}
		o.Before = v.Before
		out.Orders = append(out.Orders, *o)
	}
	return out, nil
}

// ordersFor are one for each owner whose offers in the contract are sold.
func (a *Agent) ordersFor(ctx context.Context, c *statement.Verified[statement.Contract], only statement.Fingerprint, in *api.OrderPlace) (out []statement.Order, err error) {
	for _, owner := range c.Body().Owners() {
		if owner == a.self || only != "" && owner != only {
			continue
		}
		offers, sold, err := a.offersOf(ctx, c.Body(), owner)
		if err != nil {
			return nil, err
		}
		if !sold && only == "" {
			continue
		}
		o := statement.Order{
			Nonce: make([]byte, statement.NonceSize), Buyer: a.self, Contract: c.Digest(), Owner: owner, Offers: offers, Most: in.Most,
			Provider: cmp.Or(in.Provider, statement.ProviderCredits), CreatedMS: a.opt.Now().UnixMilli(), ExpiresMS: cmp.Or(in.UntilMS, c.Body().UntilMS),
		}
		if _, err := rand.Read(o.Nonce); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Usage, "nothing in the contract is sold", "its owners grant it: 'cordon contract show'", nil)
	}
	return out, nil
}

// offersOf are an owner's in a contract, and whether one of them is sold.
func (a *Agent) offersOf(ctx context.Context, c *statement.Contract, owner statement.Fingerprint) (offers []statement.Digest, sold bool, err error) {
	for _, t := range c.Tables {
		for _, m := range t.Members {
			if m.Owner != owner || slices.Contains(offers, m.Offer) {
				continue
			}
			o, err := a.catalog.Offer(ctx, owner, m.Offer)
			if err != nil {
				return nil, false, err
			}
			offers = append(offers, m.Offer)
			sold = sold || o.Body().Access() == statement.AccessPurchase
		}
	}
	return offers, sold, nil
}

// orderOf is an order as the exchange shows it, and, of one for this party's data, as its own ledger says.
func (a *Agent) orderOf(ctx context.Context, v *statement.Verified[statement.Order]) (*api.Order, error) {
	b := v.Body()
	out := &api.Order{
		Digest: v.Digest(), Contract: b.Contract, Buyer: a.party(ctx, b.Buyer), Owner: a.party(ctx, b.Owner), Most: b.Most, Provider: b.Provider,
		ExpiresMS: b.ExpiresMS, State: "placed",
	}
	kept, err := a.exchange.Order(ctx, v.Digest())
	if err != nil {
		return nil, err
	}
	grants, err := a.catalog.Grants(ctx, b.Contract)
	if err != nil {
		return nil, err
	}
	cancelled, err := a.catalog.Revoked(ctx, b.Buyer, v.Digest())
	if err != nil {
		return nil, err
	}
	out.Charged, out.Refunded, out.Settlement = kept.Charged, kept.Refunded, kept.Settlement
	switch {
	case kept.EndedMS != 0:
		out.State = "ended"
	case cancelled:
		out.State = "cancelled"
	case grants[b.Owner] != nil:
		out.State = "granted"
	case kept.Settlement != "":
		out.State = "settled"
	}
	if out.State == "placed" {
		if out.PayAt, err = a.payAt(ctx, v); err != nil {
			return nil, err
		}
	}
	if b.Owner == a.self {
		a.ownOrder(out)
	}
	return out, nil
}

func (a *Agent) ownOrder(out *api.Order) {
	var known bool
	a.ledger.View(func(l *ledger.Accounts) {
		var p ledger.Purchase
		if p, known = l.Purchase(out.Digest); known {
			out.Charged, out.Refunded, out.Settler, out.Reason = p.Total(), p.Refunded, string(p.Settler), p.Reason
		}
	})
	if known {
		return
	}
	for _, e := range slices.Backward(a.ledger.Entries()) {
		if e.Kind == ledger.KindRefusal && e.Order == out.Digest {
			out.Reason = e.Reason
			return
		}
	}
}

func (a *Agent) orders(ctx context.Context, in *api.About) (*api.Orders, error) {
	out := &api.Orders{Orders: []api.Order{}}
	if in.Digest != "" {
		v, err := a.catalog.Order(ctx, in.Digest)
		if err != nil {
			return nil, err
		}
		o, err := a.orderOf(ctx, v)
		if err != nil {
			return nil, err
		}
		out.Orders = append(out.Orders, *o)
		return out, nil
	}
	items, err := a.exchange.AllStatements(ctx, client.Query{Kind: client.Orders})
	if err != nil {
		return nil, err
	}
	for i := range items {
		v, err := statement.VerifyAuthor[statement.Order](&items[i].Envelope)
		if err != nil {
			continue
		}
		o, err := a.orderOf(ctx, v)
		if err != nil {
			return nil, err
		}
		out.Orders = append(out.Orders, *o)
	}
	return out, nil
}

// cancelOrder takes back an order of one's own: the owner charges what it released until it learns of that, and closes it.
func (a *Agent) cancelOrder(ctx context.Context, in *api.About) (*api.Orders, error) {
	v, err := a.catalog.Order(ctx, in.Digest)
	if err != nil {
		return nil, err
	}
	if v.Body().Buyer != a.self {
		return nil, fault.New(fault.Usage, "the order was placed by another party", "its buyer cancels it", nil)
	}
	e, err := statement.Sign(statement.Revocation{Author: a.self, Revokes: in.Digest, Reason: in.Reason, AtMS: a.opt.Now().UnixMilli()}, a.opt.Keyring.Signer())
	if err != nil {
		return nil, err
	}
	if _, err := a.exchange.PostStatement(ctx, e); client.Revoked(err) != nil {
		return nil, err
	}
	return a.orders(ctx, in)
}

// settleOrder says that an order was paid to this party's own account: the reason is the payment's reference.
func (a *Agent) settleOrder(ctx context.Context, in *api.About) (*api.Orders, error) {
	if err := a.desk.SettleOwn(ctx, in.Digest, in.Reason); err != nil {
		return nil, err
	}
	return a.orders(ctx, &api.About{Digest: in.Digest})
}

func (a *Agent) refundOrder(ctx context.Context, in *api.OrderRefund) (*api.Orders, error) {
	if err := a.desk.Refund(ctx, in.Order, in.Amount, in.Reason); err != nil {
		return nil, err
	}
	a.keeper.Wake()
	return a.orders(ctx, &api.About{Digest: in.Order})
}

func (a *Agent) orderRule(ctx context.Context, in *api.OrderRule) (*api.OrderRules, error) {
	rule, err := a.desk.PurchaseRule()
	if err != nil && in.Settler == "" {
		return nil, err
	}
	if err != nil {
		rule = &approval.PurchaseRule{} // a damaged one is replaced
	}
	if in.Settler != "" {
		rule.Settlers = slices.DeleteFunc(slices.Clone(rule.Settlers), func(s approval.Settler) bool { return s.Settler == in.Settler })
		if !in.Remove {
			rule.Settlers = append(rule.Settlers, approval.Settler{Settler: in.Settler, MaxUnsettled: in.MaxUnsettled})
		}
		if err := a.desk.SetPurchaseRule(ctx, *rule); err != nil {
			return nil, err
		}
		a.keeper.Wake()
	}
	out := &api.OrderRules{Settlers: []api.OrderSettler{}}
	a.ledger.View(func(l *ledger.Accounts) {
		for _, s := range rule.Settlers {
			out.Settlers = append(out.Settlers, api.OrderSettler{Settler: s.Settler, MaxUnsettled: s.MaxUnsettled, Outstanding: l.Outstanding(s.Settler)})
		}
	})
	return out, nil
}

func (a *Agent) orderReceived(ctx context.Context, in *api.OrderReceived) (*api.OrderRules, error) {
	if err := a.desk.Received(ctx, in.Settler, in.Amount, in.Reference); err != nil {
		return nil, err
	}
	a.keeper.Wake()
	return a.orderRule(ctx, &api.OrderRule{})
}

func (a *Agent) credits(ctx context.Context, _ *api.Empty) (*api.Credits, error) {
	c, err := a.exchange.Credits(ctx)
	if err != nil {
		return nil, err
	}
	return &api.Credits{Balance: c.Balance, Held: c.Held, Settler: c.Settler}, nil
}

// buyCredits asks for a page to pay on. Nobody pays without a person: a second page costs nothing.
func (a *Agent) buyCredits(ctx context.Context, in *api.CreditsBuy) (*api.Checkout, error) {
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	c, err := a.exchange.Checkout(ctx, wire.CheckoutRequest{Credits: in.Credits, Nonce: hex.EncodeToString(nonce[:])})
	if err != nil {
		return nil, err
	}
	return &api.Checkout{Session: c.Session, URL: c.URL, Amount: c.Amount}, nil
}

// payAt is where the owner says that an order is paid.
func (a *Agent) payAt(ctx context.Context, o *statement.Verified[statement.Order]) (string, error) {
	items, err := a.exchange.AllStatements(ctx, client.Query{Kind: client.Invoices, About: []statement.Digest{o.Digest()}})
	if err != nil {
		return "", err
	}
	for i := range items {
		v, err := statement.Verify[statement.Invoice](&items[i].Envelope, o.Body().Owner)
		if err == nil && v.Body().Order == o.Digest() && v.Body().Owner == o.Body().Owner && a.catalog.KeysInForce(ctx, v.OnlineKeys()) == nil {
			return v.Body().URL, nil
		}
	}
	return "", nil
}
