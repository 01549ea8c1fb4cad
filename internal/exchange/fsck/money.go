package fsck

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// money checks that every balance is the sum of its postings, that all balances together are zero, and that every order has exactly
// the postings that its statements say.
func (c *check) money(ctx context.Context) error {
	sums, orders, err := c.postings(ctx)
	if err != nil {
		return err
	}
	var all int64
	for after := ""; ; {
		list, err := c.Store.Accounts(ctx, after, pageItems)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for _, a := range list {
			after = a.Name
			all += a.Balance
			if a.Balance != sums[a.Name] {
				err = c.fault("account", a.Name, "has %d credits, and its postings come to %d", a.Balance, sums[a.Name])
			} else if a.Balance < 0 && a.Name != store.AccountOperator {
				err = c.fault("account", a.Name, "is below zero: %d", a.Balance)
			}
			if err != nil {
				return err
			}
			delete(sums, a.Name)
		}
	}
	for name, sum := range sums {
		if sum != 0 {
			if err := c.fault("account", name, "is not there, and its postings come to %d", sum); err != nil {
				return err
			}
		}
	}
	if all != 0 {
		if err := c.fault("account", "", "all accounts together have %d credits, not 0", all); err != nil {
			return err
		}
	}
	return c.orders(ctx, orders)
}

// moved is what postings say of one order.
type moved struct{ hold, charge, back, refund int64 }

func (c *check) postings(ctx context.Context) (map[string]int64, map[statement.Digest]moved, error) {
	sums, orders := map[string]int64{}, map[statement.Digest]moved{}
	for after := int64(0); ; {
		list, err := c.Store.Postings(ctx, store.PostingQuery{After: after, Items: pageItems})
		if err != nil || len(list) == 0 {
			return sums, orders, err
		}
		for _, p := range list {
			after = p.Seq
			sums[p.From] -= p.Amount
			sums[p.To] += p.Amount
			m := orders[p.Order]
			switch p.Kind {
			case store.PostHold:
				m.hold += p.Amount
			case store.PostCharge:
				m.charge += p.Amount
			case store.PostReturn:
				m.back += p.Amount
			case store.PostRefund:
				m.refund += p.Amount
			}
			orders[p.Order] = m
			if p.Statement == "" {
				continue
			}
			if _, err := c.Store.Statement(ctx, p.Statement); errors.Is(err, store.ErrNotFound) {
				err = c.fault("posting", p.Reference, "follows from a statement that is not there")
				if err != nil {
					return nil, nil, err
				}
			} else if err != nil {
				return nil, nil, err
			}
		}
	}
}

// orders compares each with its statement, with the charges and refunds that its owner signed, and with the postings.
func (c *check) orders(ctx context.Context, by map[statement.Digest]moved) error {
	seen := map[statement.Digest]bool{}
	for after := statement.Digest(""); ; {
		list, err := c.Store.Orders(ctx, after, pageItems)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for i := range list {
			after = list[i].Digest
			seen[after] = true
			wrong, err := c.order(ctx, &list[i], by[after])
			if err == nil && wrong != "" {
				err = c.fault("order", after, "%s", wrong)
			}
			if err != nil {
				return err
			}
		}
	}
	return c.list(ctx, store.Query{Kind: store.KindOrder}, func(st *store.Statement) error {
		if seen[st.Digest] {
			return nil
		}
		return c.fault("order", st.Digest, "is a statement, and no account is kept of it")
	})
}

func (c *check) order(ctx context.Context, o *store.Order, m moved) (wrong string, err error) {
	st, err := c.Store.Statement(ctx, o.Digest)
	if errors.Is(err, store.ErrNotFound) {
		return "its statement is not there", nil
	}
	if err != nil {
		return "", err
	}
	e, err := statement.ParseEnvelope(st.Envelope)
	if err != nil {
		return "", nil // told with the statement
	}
	b, err := statement.DecodeUnverified[statement.Order](e.Payload)
	switch {
	case err != nil || b.Buyer != o.Buyer || b.Owner != o.Owner || b.Contract != o.Contract || b.Most != o.Amount || b.Provider != o.Provider || b.ExpiresMS != o.ExpiresMS:
		return "what is kept of it is not what its statement says", nil
	case o.Held != (o.Provider == statement.ProviderCredits):
		return "its amount is set aside, and its provider is another, or the other way round", nil
	}
	charged, err := c.said(ctx, o.Digest, store.KindCharge)
	if err != nil {
		return "", err
	}
	refunded, err := c.said(ctx, o.Digest, store.KindRefund)
	if err != nil {
		return "", err
	}
	want := moved{}
	if o.Held {
		want = moved{hold: o.Amount, charge: charged, refund: refunded}
		if o.EndedMS != 0 {
			want.back = o.Amount - charged
		}
	}
	switch {
	case charged != o.Charged || refunded != o.Refunded:
		return "what was charged or given back is not what its owner's statements come to", nil
	case m != want:
		return "its postings are not those that its statements ask for", nil
	}
	return "", nil
}

// said is the sum of the charges or refunds of an order that its owner signed.
func (c *check) said(ctx context.Context, order statement.Digest, kind string) (sum int64, err error) {
	err = c.list(ctx, store.Query{Kind: kind, Refs: []statement.Digest{order}}, func(st *store.Statement) error {
		e, err := statement.ParseEnvelope(st.Envelope)
		if err != nil {
			return nil // told with the statement
		}
		if b, err := statement.DecodeUnverified[statement.Charge](e.Payload); err == nil {
			sum += b.Amount
		}
		if b, err := statement.DecodeUnverified[statement.Refund](e.Payload); err == nil {
			sum += b.Amount
		}
		return nil
	})
	return sum, err
}

// describePurchase says what the store has to keep about a statement of a purchase.
func (c *check) describePurchase(ctx context.Context, kind string, e *statement.Envelope) (*store.Statement, error) {
	switch kind {
	case store.KindOrder:
		o, err := verify[statement.Order](e)
		if err != nil {
			return nil, err
		}
		t, err := c.contract(ctx, o.Contract)
		if err != nil {
			return nil, err
		}
		if t.Requester != o.Buyer {
			return nil, errWrong("its buyer is not the contract's requester")
		}
		return &store.Statement{Complete: true, Authors: o.Authors(), Readers: []statement.Fingerprint{o.Buyer, o.Owner}, Refs: []statement.Digest{o.Contract}}, nil
	case store.KindSettlement:
		b, err := verify[statement.Settlement](e)
		if err != nil {
			return nil, err
		}
		return c.ofOrder(ctx, b.Order, b.Settler)
	case store.KindInvoice:
		b, err := verify[statement.Invoice](e)
		if err != nil {
			return nil, err
		}
		return c.ofOrder(ctx, b.Order, b.Owner)
	case store.KindCharge:
		b, err := verify[statement.Charge](e)
		if err != nil {
			return nil, err
		}
		return c.ofOrder(ctx, b.Order, b.Owner)
	case store.KindClosing:
		b, err := verify[statement.Closing](e)
		if err != nil {
			return nil, err
		}
		return c.ofOrder(ctx, b.Order, b.Owner)
	case store.KindRefund:
		b, err := verify[statement.Refund](e)
		if err != nil {
			return nil, err
		}
		return c.ofOrder(ctx, b.Order, b.Owner)
	}
	return nil, errWrong("is of a kind that this version does not know")
}

// ofOrder is about what was said of an order: by its owner, or by a settler that is no party.
func (c *check) ofOrder(ctx context.Context, order statement.Digest, author statement.Fingerprint) (*store.Statement, error) {
	st, err := c.named(ctx, order, store.KindOrder, "the order")
	if err != nil {
		return nil, err
	}
	e, err := statement.ParseEnvelope(st.Envelope)
	if err != nil {
		return nil, errWrong("the order that it names is malformed")
	}
	o, err := statement.DecodeUnverified[statement.Order](e.Payload)
	if err != nil {
		return nil, errWrong("the order that it names is malformed")
	}
	if author != o.Owner && o.Provider != statement.ProviderCredits {
		return nil, errWrong("it is about an order from another owner")
	}
	return &store.Statement{Complete: true, Authors: []statement.Fingerprint{author}, Readers: []statement.Fingerprint{o.Buyer, o.Owner}, Refs: []statement.Digest{order}}, nil
}
