package exchange

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// moneyError gives errors of orders their answers: for them, the store's names mean something else than for jobs.
func moneyError(err error) error {
	conflict := func(code, text, hint string) error { return refuse(http.StatusConflict, code, text, hint) }
	switch {
	case errors.Is(err, store.ErrNoCredit):
		return conflict(wire.CodeNoCredit, "there are fewer credits than that", "pay in more, or ask for less: cordon credits show")
	case errors.Is(err, store.ErrOver):
		return conflict(wire.CodeOrderEnded, "the order has ended", "place another")
	case errors.Is(err, store.ErrChanged):
		return conflict(wire.CodeOutOfOrder, "the total is not that of what was charged before", "post what came before it first")
	case errors.Is(err, store.ErrExists):
		return conflict(wire.CodeCharged, "this was charged, or settled, before", "nothing is charged twice")
	}
	return err
}

// between is a statement that buyer and owner alone read.
func between(v interface{ Digest() statement.Digest }, kind string, e *statement.Envelope, author, other statement.Fingerprint, refs ...statement.Digest) store.Statement {
	return store.Statement{
		Digest: v.Digest(), Kind: kind, Complete: true, Envelope: e.Bytes(), Authors: []statement.Fingerprint{author}, Readers: unique([]statement.Fingerprint{author, other}), Refs: refs,
	}
}

// addOrder takes a buyer's order for one owner's data in its contract. One that is to be paid with credits is settled in the same
// transaction that sets them aside: there is no moment in which the one is true and the other is not.
func (s *Server) addOrder(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Order](e)
	if err != nil {
		return err
	}
	o, ctx := v.Body(), c.r.Context()
	if err := c.byAuthor(o.Authors()); err != nil {
		return err
	}
	if err := s.orderable(ctx, o); err != nil {
		return err
	}
	order := store.Order{Digest: v.Digest(), Buyer: o.Buyer, Owner: o.Owner, Contract: o.Contract, Provider: o.Provider, Amount: o.Most, ExpiresMS: o.ExpiresMS}
	with := store.With{AtMS: s.now().UnixMilli(), Statements: []store.Statement{between(v, store.KindOrder, e, o.Buyer, o.Owner, o.Contract)}}
	told := e
	if o.Provider == statement.ProviderCredits {
		if told, err = s.settle(v, with.AtMS); err != nil {
			return err
		}
		settler := s.settler.Public().Fingerprint()
		st := between(told, store.KindSettlement, told, settler, o.Owner, v.Digest())
		st.Readers = []statement.Fingerprint{o.Buyer, o.Owner}
		order.Held, order.Settlement = true, told.Digest()
		with.Statements = append(with.Statements, st)
	}
	with.Deliver = deliverStatement(c.party, told.Bytes(), []statement.Fingerprint{o.Owner})
	if err := s.mayAdd(c, &with.Statements[0], []statement.Fingerprint{o.Owner}); err != nil {
		return err
	}
	added, err := s.store.AddOrder(ctx, order, s.limits.OpenOrders, with)
	if errors.Is(err, store.ErrTooMany) {
		return s.over("orders", "this party has as many orders open as it may", "wait until some have ended, or cancel one: cordon order cancel")
	}
	if err != nil {
		return moneyError(err)
	}
	if added {
		s.log.Info("order added", "order", v.Digest().Short(), "provider", o.Provider)
		s.tlog.poke()
		s.wake(with.Deliver)
	}
	return nil
}

// orderable refuses an order that its contract does not fit.
func (s *Server) orderable(ctx context.Context, o *statement.Order) error {
	_, t, err := s.contract(ctx, o.Contract)
	if err != nil {
		return err
	}
	var own []statement.Digest
	for _, table := range t.Tables {
		for _, m := range table.Members {
			if m.Owner == o.Owner {
				own = append(own, m.Offer)
			}
		}
	}
	slices.Sort(own)
	switch now := s.now().UnixMilli(); {
	case t.Requester != o.Buyer || !slices.Equal(slices.Compact(own), slices.Sorted(slices.Values(o.Offers))):
		return unknownReference("the contract of the order")
	case o.ExpiresMS <= now || o.ExpiresMS > t.UntilMS:
		return refuse(http.StatusUnprocessableEntity, wire.CodeExpired, "the order ends before now, or after its contract", "give an end within the contract's")
	case o.Provider == statement.ProviderCredits && s.settler == nil:
		return refuse(http.StatusUnprocessableEntity, wire.CodeNoProvider, "this exchange settles no orders", "pay by another provider, or ask its operator")
	case o.Provider != statement.ProviderCredits && o.Provider != statement.ProviderStripe:
		return refuse(http.StatusUnprocessableEntity, wire.CodeNoProvider, "nobody settles orders of this provider", "name credits or stripe")
	}
	return s.sold(ctx, o)
}

// sold refuses an order for what can't be bought: its owner would look for a payment until the order expires.
func (s *Server) sold(ctx context.Context, o *statement.Order) error {
	for _, d := range o.Offers {
		st, err := s.offer(ctx, d, o.Owner)
		if err != nil {
			return err
		}
		v, err := body[statement.Offer](st)
		if err != nil {
			return err
		}
		if v.Access() == statement.AccessPurchase {
			return nil
		}
	}
	return refuse(http.StatusUnprocessableEntity, wire.CodeNotSold, "no offer of the order is sold", "its owner grants the contract: cordon contract show")
}

// settle signs that an order is paid; the caller sees to it that it is true.
func (s *Server) settle(v *statement.Verified[statement.Order], atMS int64) (*statement.Envelope, error) {
	return statement.Sign(statement.Settlement{
		Settler: s.settler.Public().Fingerprint(), Order: v.Digest(), Amount: v.Body().Most, Provider: statement.ProviderCredits,
		Reference: "hold " + string(v.Digest()), SettledMS: atMS,
	}, s.settler)
}

// ofOwner is the order that an owner's statement is about.
func (s *Server) ofOwner(c *call, authors []statement.Fingerprint, order statement.Digest) (*store.Order, error) {
	if err := c.byAuthor(authors); err != nil {
		return nil, err
	}
	o, err := s.store.Order(c.r.Context(), order)
	if err != nil || o.Owner != c.party {
		return nil, missing(err, "the order")
	}
	return o, nil
}

// addInvoice takes an owner's word where an order is paid to its own account.
func (s *Server) addInvoice(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Invoice](e)
	if err != nil {
		return err
	}
	o, err := s.ofOwner(c, v.Body().Authors(), v.Body().Order)
	if err != nil {
		return err
	}
	if o.Held {
		return badStatement("the order is paid with credits")
	}
	return s.add(c, between(v, store.KindInvoice, e, o.Owner, o.Buyer, o.Digest), []statement.Fingerprint{o.Buyer})
}

// addSettlement takes an owner's own word that an order was paid to its own account. What the exchange settles, it signs itself.
func (s *Server) addSettlement(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Settlement](e)
	if err != nil {
		return err
	}
	b := v.Body()
	o, err := s.ofOwner(c, b.Authors(), b.Order)
	if err != nil {
		return err
	}
	if o.Held || b.Provider != o.Provider || b.Amount != o.Amount {
		return badStatement("the settlement is of another provider or amount than its order")
	}
	with := s.with(c, between(v, store.KindSettlement, e, o.Owner, o.Buyer, o.Digest), o.Buyer)
	_, err = s.store.Settle(c.r.Context(), o.Digest, with)
	return s.moved(with, err)
}

// with is one statement, told to the other side.
func (s *Server) with(c *call, st store.Statement, to statement.Fingerprint) store.With {
	return store.With{AtMS: s.now().UnixMilli(), Statements: []store.Statement{st}, Deliver: deliverStatement(c.party, st.Envelope, []statement.Fingerprint{to})}
}

func (s *Server) moved(w store.With, err error) error {
	if err != nil {
		return moneyError(err)
	}
	s.wake(w.Deliver)
	return nil
}

// addCharge takes an owner's charge: what it names moves from the order to the owner, once for each job.
func (s *Server) addCharge(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Charge](e)
	if err != nil {
		return err
	}
	b := v.Body()
	o, err := s.ofOwner(c, b.Authors(), b.Order)
	if err != nil {
		return err
	}
	if err := s.chargeable(c.r.Context(), o, b.Job); err != nil {
		return err
	}
	with := s.with(c, between(v, store.KindCharge, e, o.Owner, o.Buyer, o.Digest), o.Buyer)
	with.Deliver = nil // a buyer asks for them when it wants to know
	_, err = s.store.AddCharge(c.r.Context(), store.Charge{Order: o.Digest, Ref: string(b.Job), Amount: b.Amount, Total: b.Total}, with)
	return s.moved(with, err)
}

// chargeable refuses a charge for what is no job of the order's contract and owner: there are no more charges than jobs that the buyer asked.
func (s *Server) chargeable(ctx context.Context, o *store.Order, job statement.Digest) error {
	j, err := s.store.Job(ctx, job)
	if err != nil || j.Contract != o.Contract {
		return missing(err, "the job")
	}
	role, err := s.role(ctx, job, o.Owner)
	if err == nil && role&store.Owner == 0 {
		err = unknownReference("the job")
	}
	return err
}

// addClosing takes an owner's word that it charges nothing more: what is left goes back.
func (s *Server) addClosing(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Closing](e)
	if err != nil {
		return err
	}
	b := v.Body()
	o, err := s.ofOwner(c, b.Authors(), b.Order)
	if err != nil {
		return err
	}
	with := s.with(c, between(v, store.KindClosing, e, o.Owner, o.Buyer, o.Digest), o.Buyer)
	_, err = s.store.EndOrder(c.r.Context(), store.OrderEnd{Order: o.Digest, Total: b.Total}, with)
	if errors.Is(err, store.ErrExists) {
		err = store.ErrOver // one closing is enough
	}
	return s.moved(with, err)
}

// addRefund takes an owner's word that it gives back some of what it charged.
func (s *Server) addRefund(c *call, e *statement.Envelope) error {
	v, err := statement.VerifyAuthor[statement.Refund](e)
	if err != nil {
		return err
	}
	b := v.Body()
	o, err := s.ofOwner(c, b.Authors(), b.Order)
	if err != nil {
		return err
	}
	with := s.with(c, between(v, store.KindRefund, e, o.Owner, o.Buyer, o.Digest), o.Buyer)
	_, err = s.store.AddRefund(c.r.Context(), store.Charge{Order: o.Digest, Amount: b.Amount, Total: b.Total}, with)
	if errors.Is(err, store.ErrTooMany) {
		return s.over("refunds", "the order was refunded as often as one can be", "give the rest back by other means")
	}
	return s.moved(with, err)
}

const (
	defaultGrace = 24 * time.Hour  // for an owner's charges to come in after an order's end
	ordersTime   = 5 * time.Second // between two looks at what has expired
	ordersAtOnce = 100
)

// orderLoop ends orders whose time is over.
func (s *Server) orderLoop(ctx context.Context) {
	every(ctx, min(ordersTime, max(s.grace, 10*time.Millisecond)), func() {
		if err := s.EndOrders(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("expired orders can't be ended", "err", err)
		}
	})
}

// EndOrders ends the orders that expired longer ago than owners have to charge for what they released before: what is left of them
// goes back to their buyers.
func (s *Server) EndOrders(ctx context.Context) error {
	now := s.now()
	due, err := s.store.OrdersDue(ctx, now.Add(-s.grace).UnixMilli(), ordersAtOnce)
	if err != nil {
		return err
	}
	for _, o := range due {
		ended, err := s.store.EndOrder(ctx, store.OrderEnd{Order: o.Digest, Total: -1}, store.With{AtMS: now.UnixMilli()})
		if err != nil {
			return err
		}
		if ended {
			s.log.Info("order expired", "order", o.Digest.Short())
		}
	}
	return nil
}
