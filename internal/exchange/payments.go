package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/stripe"
	"github.com/cordon-exchange/cordon/statement"
)

// Credits can be bought from the operator by card. The session at the provider says who gets how many, so that nothing has to be
// remembered here between payment and posting; the posting is made once for a session, whoever tells of it and how often.

// Payments is the operator's account with a provider.
type Payments interface {
	Begin(ctx context.Context, name string, credits int64, key string) (*stripe.Checkout, error)
	Payment(ctx context.Context, session string) (*stripe.Payment, error)
	PaidSince(ctx context.Context, since time.Time) ([]*stripe.Payment, error)
	Refund(ctx context.Context, x *stripe.Payment, credits int64, key string) error
	Event(payload []byte, signature string) (session string, err error)
}

func noPayments() error {
	return refuse(http.StatusUnprocessableEntity, wire.CodeNoProvider, "this exchange sells no credits by card", "ask its operator how to pay")
}

func paymentError(err error) error {
	switch {
	case errors.Is(err, stripe.ErrRefused):
		return refuse(http.StatusConflict, wire.CodePaymentRefused, "payment provider refused the refund: the credits came back", "pay out by hand, or try later under another --reference")
	case errors.Is(err, stripe.ErrOther):
		return unknownReference("the payment")
	case errors.Is(err, stripe.ErrAway):
		return refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "payment provider does not answer", "try again; nothing is paid twice")
	case errors.Is(err, stripe.ErrSignature):
		return refuse(http.StatusBadRequest, wire.CodeSignature, "event is not signed by the payment provider, or not now", "check the secret and the clock")
	}
	return err
}

// postCheckout makes a page on which the caller pays for credits of its own. The same nonce makes no second one.
func (s *Server) postCheckout(c *call) error {
	if s.payments == nil {
		return noPayments()
	}
	var in wire.CheckoutRequest
	if err := c.decode(&in); err != nil {
		return err
	}
	if in.Credits < 1 || in.Credits > wire.MaxCheckout || !wire.ValidNonce(in.Nonce) {
		return malformed("credits or nonce are not of their form")
	}
	out, err := s.payments.Begin(c.r.Context(), string(c.party), in.Credits, fmt.Sprintf("%s %s %d", c.party, in.Nonce, in.Credits))
	if err != nil {
		return paymentError(err)
	}
	return c.answer(wire.Checkout{Session: out.Session, URL: out.URL, Amount: out.Amount})
}

// maxEvent bounds a webhook, in bytes.
const maxEvent = 1 << 20

// paymentEvent takes the provider's word that it is worth asking about a session. What the event itself says counts for nothing: it may
// be late, come twice, or out of order.
func (s *Server) paymentEvent(w http.ResponseWriter, r *http.Request) {
	err := noPayments()
	if s.payments != nil {
		err = s.event(w, r)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	send(w, http.StatusOK, []byte("{}"))
}

func (s *Server) event(w http.ResponseWriter, r *http.Request) error {
	// Who calls is nobody yet: one that sends slowly must not keep the connection for as long as it likes.
	ctl := http.NewResponseController(w)
	_ = ctl.SetReadDeadline(time.Now().Add(s.bodyTime))
	b, err := io.ReadAll(io.LimitReader(r.Body, maxEvent+1))
	if err != nil {
		return malformed("body could not be read")
	}
	_ = ctl.SetReadDeadline(time.Time{}) // else the call would end with it
	if len(b) > maxEvent {
		return tooLarge()
	}
	session, err := s.payments.Event(b, r.Header.Get("Stripe-Signature"))
	if err != nil || session == "" {
		return paymentError(err)
	}
	_, err = s.paid(r.Context(), session)
	if errors.Is(err, stripe.ErrOther) {
		s.log.Warn("event about a payment that is not of this exchange", "session", session)
		return nil // asking again would not change it
	}
	return paymentError(err)
}

// paid posts the credits of a session, if it is paid; false if it is not, or was posted before.
func (s *Server) paid(ctx context.Context, session string) (bool, error) {
	x, err := s.payments.Payment(ctx, session)
	if err != nil || !x.Paid {
		return false, err
	}
	return s.credited(ctx, x)
}

func (s *Server) credited(ctx context.Context, x *stripe.Payment) (bool, error) {
	party := statement.Fingerprint(x.For)
	if _, err := s.store.Party(ctx, party); err != nil {
		return false, missing(err, "the party that paid")
	}
	added, err := s.store.Post(ctx, store.Posting{
		Reference: "stripe:" + x.Session, Kind: store.PostDeposit, From: store.AccountOperator, To: store.AccountOf(party), Amount: x.Credits, AtMS: s.now().UnixMilli(),
	})
	if added {
		s.log.Info("credits paid by card", "party", party.Short(), "session", x.Session)
	}
	return added, moneyError(err)
}

const (
	paymentsTime = 10 * time.Minute // between two looks for payments that no event told of
	paymentsBack = 4 * 24 * time.Hour
)

func (s *Server) paymentLoop(ctx context.Context) {
	t := time.NewTicker(paymentsTime)
	defer t.Stop()
	for {
		if err := s.FindPayments(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("payments can't be looked at", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// FindPayments posts what was paid and no event told of.
func (s *Server) FindPayments(ctx context.Context) error {
	list, err := s.payments.PaidSince(ctx, s.now().Add(-paymentsBack))
	if err != nil {
		return err
	}
	var errs []error
	for _, x := range list {
		_, err := s.credited(ctx, x)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// refundPayment pays credits back to the card that they were bought with: they leave the party's account first, so that nobody spends
// them meanwhile, and come back only if the provider says no. Said again under the same reference, after a crash or no answer, it goes on;
// not once they came back: nothing would leave the account a second time.
func (s *Server) refundPayment(r *http.Request, b []byte) (any, error) {
	if s.payments == nil {
		return nil, noPayments()
	}
	var in wire.PaymentRefund
	if err := decodeBody(b, &in); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(in.Session, "cs_") || in.Amount < 1 || !validReference(in.Reference) {
		return nil, malformed("session, amount or reference is not of its form")
	}
	ctx := r.Context()
	x, err := s.payments.Payment(ctx, in.Session)
	if err != nil {
		return nil, paymentError(err)
	}
	party := statement.Fingerprint(x.For)
	if !x.Paid || in.Amount > x.Credits {
		return nil, unknownReference("a payment of that much")
	}
	key := in.Session + ":" + in.Reference
	out := store.Posting{
		Reference: "stripe-refund:" + key, Kind: store.PostPayout, From: store.AccountOf(party), To: store.AccountOperator, Amount: in.Amount, AtMS: s.now().UnixMilli(),
	}
	s.refunds.Lock()
	defer s.refunds.Unlock()
	back := out
	back.Reference, back.Kind, back.From, back.To = "stripe-refused:"+key, store.PostDeposit, out.To, out.From
	if came, err := s.store.Postings(ctx, store.PostingQuery{Reference: back.Reference, Items: 1}); err != nil {
		return nil, err
	} else if len(came) > 0 {
		return nil, paymentError(stripe.ErrRefused)
	}
	added, err := s.store.Post(ctx, out)
	if err != nil {
		return nil, moneyError(err)
	}
	if err := s.payments.Refund(ctx, x, in.Amount, key); err != nil {
		if !errors.Is(err, stripe.ErrRefused) {
			return nil, paymentError(err)
		}
		_, perr := s.store.Post(ctx, back)
		return nil, errors.Join(paymentError(err), perr)
	}
	balance, err := s.store.Balance(ctx, store.AccountOf(party))
	return wire.CreditMoved{Added: added, Balance: balance}, err
}
