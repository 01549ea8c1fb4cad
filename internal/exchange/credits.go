package exchange

import (
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// getCredits tells the caller what it has, and whose settlements these are.
func (s *Server) getCredits(c *call) error {
	ctx := c.r.Context()
	balance, err := s.store.Balance(ctx, store.AccountOf(c.party))
	if err != nil {
		return err
	}
	held, err := s.store.Held(ctx, c.party)
	if err != nil {
		return err
	}
	out := wire.Credits{Balance: balance, Held: held}
	if s.settler != nil {
		out.Settler = s.settler.Public().Fingerprint()
	}
	return c.answer(out)
}

// getPostings lists those of the caller's account, or of an order that it bought or sold.
func (s *Server) getPostings(c *call) error {
	p, err := c.params("order", "after")
	if err != nil {
		return err
	}
	q := store.PostingQuery{Items: wire.MaxPage}
	if q.After, err = p.number("after"); err != nil {
		return err
	}
	ctx := c.r.Context()
	if p["order"] == "" {
		q.Account = store.AccountOf(c.party)
	} else {
		q.Order = statement.Digest(p["order"])
		if !q.Order.Valid() {
			return malformed("parameter order is no digest")
		}
		o, err := s.store.Order(ctx, q.Order)
		if err != nil {
			return err
		}
		if o.Buyer != c.party && o.Owner != c.party {
			return notFound()
		}
	}
	list, err := s.store.Postings(ctx, q)
	if err != nil {
		return err
	}
	out := wire.Postings{Next: q.After, End: len(list) < q.Items}
	for _, p := range list {
		out.Next = p.Seq
		out.Items = append(out.Items, wirePosting(p, c.party))
	}
	return c.answer(out)
}

// wirePosting is one as a party may see it: of accounts, its own and those of orders; of others, only that it is another's.
func wirePosting(p store.Posting, who statement.Fingerprint) wire.Posting {
	return wire.Posting{
		Seq: p.Seq, Kind: p.Kind, Amount: p.Amount, Order: p.Order, Statement: p.Statement, Reference: p.Reference, AtMS: p.AtMS,
		In: p.To == store.AccountOf(who), Out: p.From == store.AccountOf(who),
	}
}

func (s *Server) getOrder(c *call) error {
	d, err := c.digest()
	if err != nil {
		return err
	}
	o, err := s.store.Order(c.r.Context(), d)
	if err != nil {
		return err
	}
	if o.Buyer != c.party && o.Owner != c.party {
		return notFound()
	}
	return c.answer(wire.Order{
		Digest: o.Digest, Buyer: o.Buyer, Owner: o.Owner, Contract: o.Contract, Provider: o.Provider, Amount: o.Amount, ExpiresMS: o.ExpiresMS,
		Settlement: o.Settlement, Charged: o.Charged, Refunded: o.Refunded, EndedMS: o.EndedMS,
	})
}
