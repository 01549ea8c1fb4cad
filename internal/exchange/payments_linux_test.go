package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v82/webhook"

	"github.com/cordon-exchange/cordon/internal/exchange"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/stripe"
	"github.com/cordon-exchange/cordon/internal/teststripe"
)

const webhookSecret = "whsec_test"

// till is a shop that sells credits by card, for 2.50 each.
type till struct {
	*shop
	card *teststripe.Server
}

func newTill(t *testing.T, wrap func(store.Store) store.Store) *till {
	w := &till{card: teststripe.Start(t)}
	e := &env{T: t, st: wrap}
	e.opts = func(o *exchange.Options) {
		a, err := stripe.New(stripe.Options{Key: "sk_test_1", Secret: webhookSecret, Currency: "eur", Unit: 250, Return: "https://cordon.example/paid", Scope: o.Store.ID(), URL: w.card.URL})
		e.ok(err)
		o.Payments = a
	}
	w.shop = newShopIn(e)
	return w
}

func (w *till) checkout(credits int64, nonce int) *wire.Checkout {
	w.Helper()
	out, err := w.asker.Checkout(w.Context(), wire.CheckoutRequest{Credits: credits, Nonce: fmt.Sprintf("%032x", nonce)})
	w.ok(err)
	return out
}

// event sends one, signed with a secret at a time, and returns the status.
func (w *till) event(kind, session, secret string, at time.Time) int {
	w.Helper()
	payload := fmt.Appendf(nil, `{"id":"evt_1","object":"event","type":"%s","data":{"object":{"id":"%s"}}}`, kind, session)
	signed := stripego.GenerateTestSignedPayload(&stripego.UnsignedPayload{Payload: payload, Secret: secret, Timestamp: at})
	return w.send(payload, signed.Header)
}

func (w *till) send(payload []byte, signature string) int {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+"/stripe/webhook", bytes.NewReader(payload))
	w.ok(err)
	req.Header.Set("Stripe-Signature", signature)
	resp, err := http.DefaultClient.Do(req)
	w.ok(err)
	resp.Body.Close()
	return resp.StatusCode
}

func (w *till) balance(want int64) {
	w.Helper()
	c, err := w.asker.Credits(w.Context())
	w.ok(err)
	if c.Balance != want {
		w.Fatalf("balance %d, want %d", c.Balance, want)
	}
}

const completed = "checkout.session.completed"

// TestPaidByCard: a page is made once for each nonce; only what Stripe itself says is paid is posted, once, whatever events say, in
// whatever order and however often.
func TestPaidByCard(t *testing.T) {
	w := newTill(t, nil)
	c := w.checkout(40, 1)
	if again := w.checkout(40, 1); again.Session != c.Session || w.card.Sessions() != 1 || c.Amount != 10000 || !strings.HasPrefix(c.URL, "https://") {
		t.Fatalf("%+v, then %+v, %d pages", c, again, w.card.Sessions())
	}
	other := w.checkout(40, 2)
	now := time.Now()
	for name, x := range map[string]struct {
		status int
		send   func() int
	}{
		"not paid yet":            {200, func() int { return w.event(completed, c.Session, webhookSecret, now) }},
		"another secret":          {400, func() int { return w.event(completed, c.Session, "whsec_other", now) }},
		"an old event":            {400, func() int { return w.event(completed, c.Session, webhookSecret, now.Add(-6*time.Minute)) }},
		"no signature":            {400, func() int { return w.send([]byte(`{}`), "") }},
		"of a session of nobody":  {200, func() int { return w.event(completed, "cs_test_99", webhookSecret, now) }},
		"of a path":               {200, func() int { return w.event(completed, "cs_test_1/expire", webhookSecret, now) }},
		"of another kind":         {200, func() int { return w.event("charge.succeeded", c.Session, webhookSecret, now) }},
		"a page that was expired": {200, func() int { return w.event("checkout.session.expired", other.Session, webhookSecret, now) }},
		"larger than events are":  {413, func() int { return w.send(make([]byte, 2<<20), "t=1,v1=00") }},
		"another body than signed": {400, func() int {
			signed := stripego.GenerateTestSignedPayload(&stripego.UnsignedPayload{Payload: []byte(`{"a":1}`), Secret: webhookSecret, Timestamp: now})
			return w.send([]byte(`{"a":2}`), signed.Header)
		}},
	} {
		if got := x.send(); got != x.status {
			t.Errorf("%s: status %d, want %d", name, got, x.status)
		}
	}
	w.balance(100)
	w.card.Pay(c.Session)
	for range 3 {
		if got := w.event(completed, c.Session, webhookSecret, now); got != 200 {
			t.Fatalf("status %d", got)
		}
	}
	w.balance(140)
	// Late, and after what came later.
	w.card.Pay(other.Session)
	w.card.Fail(true, false)
	if got := w.event("checkout.session.async_payment_succeeded", other.Session, webhookSecret, now); got != 503 {
		t.Fatalf("Stripe is away: status %d", got)
	}
	w.card.Fail(false, false)
	w.ok(w.srv.FindPayments(t.Context())) // the event never comes again
	w.balance(180)
	w.ok(w.srv.FindPayments(t.Context()))
	w.event(completed, other.Session, webhookSecret, now)
	w.balance(180)
	// A session whose amount, currency or scope is not as it was made is none.
	for i, change := range []map[string]any{
		{"amount_total": 9999}, {"currency": "usd"}, {"mode": "setup"}, {"metadata": map[string]any{"cordon_scope": "exchange2", "cordon_for": string(w.asker.fp), "cordon_credits": "40", "cordon_unit": "250"}},
		{"metadata": map[string]any{"cordon_scope": w.scope(), "cordon_for": string(w.asker.fp), "cordon_credits": "400", "cordon_unit": "250"}},
	} {
		x := w.checkout(40, 10+i)
		w.card.Pay(x.Session)
		w.card.Set(x.Session, change)
		w.event(completed, x.Session, webhookSecret, now)
	}
	w.ok(w.srv.FindPayments(t.Context()))
	w.balance(180)
}

func (w *till) scope() string { return w.money.(interface{ ID() string }).ID() }

// dying is a store that fails before or after it makes a posting, as a process that is killed there.
type dying struct {
	store.Store
	before, after *bool
}

func (d dying) Post(ctx context.Context, p store.Posting) (bool, error) {
	if *d.before {
		return false, errors.New("killed")
	}
	added, err := d.Store.Post(ctx, p)
	if *d.after {
		return false, errors.New("killed")
	}
	return added, err
}

// TestPaymentCrash: between payment and posting, and between posting and answer, nothing is lost and nothing is posted twice; the same
// for paying back.
func TestPaymentCrash(t *testing.T) {
	var before, after bool
	w := newTill(t, func(s store.Store) store.Store { return dying{s, &before, &after} })
	c := w.checkout(40, 1)
	w.card.Pay(c.Session)
	before = true
	if got := w.event(completed, c.Session, webhookSecret, time.Now()); got != 500 {
		t.Fatalf("status %d", got)
	}
	before, after = false, true
	if got := w.event(completed, c.Session, webhookSecret, time.Now()); got != 500 {
		t.Fatalf("status %d", got)
	}
	after = false
	w.restart()
	if got := w.event(completed, c.Session, webhookSecret, time.Now()); got != 200 {
		t.Fatalf("status %d", got)
	}
	w.balance(140)

	refund := w.refunds(c.Session)
	refund(41, "a", 422)
	w.card.Fail(true, true) // it is done, and its answer gets lost
	refund(10, "a", 503)
	w.card.Fail(false, false)
	refund(10, "a", 200)
	refund(10, "a", 200)
	w.balance(130)
	if got := w.card.PaidBack(c.Session); got != 2500 {
		t.Fatalf("%d paid back, want 2500", got)
	}
	refund(131, "b", 422)
	w.place(125)
	refund(10, "c", 409) // they are set aside
	w.balance(5)
}

// refunds serves the operator, and returns what pays back of a session and expects a status.
func (w *till) refunds(session string) func(amount int64, ref string, want int) string {
	w.Helper()
	l, err := exchange.ListenOperator(w.home)
	w.ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.srv.RunOperator(ctx, l) }()
	w.Cleanup(func() {
		cancel()
		w.ok(<-done)
	})
	ask := operatorOf(w.T, w.home)
	return func(amount int64, ref string, want int) string {
		w.Helper()
		status, body := ask(http.MethodPost, "/refund", wire.PaymentRefund{Session: session, Amount: amount, Reference: ref})
		if status != want {
			w.Fatalf("status %d, want %d: %s", status, want, body)
		}
		return body
	}
}

// TestRefundRefused: credits come back when Stripe refuses a refund, and from then on no money goes out under its reference; credits that
// are out stay out while it is not known whether money went out.
func TestRefundRefused(t *testing.T) {
	w := newTill(t, nil)
	c := w.checkout(40, 1)
	w.card.Pay(c.Session)
	w.ok(w.srv.FindPayments(t.Context()))
	refund := w.refunds(c.Session)
	w.card.Refuse(true)
	for range 2 {
		refund(10, "a", 409)
		w.balance(140)
	}
	w.card.Refuse(false)
	w.card.Forget() // Stripe would do it now
	if body := refund(10, "a", 409); !strings.Contains(body, wire.CodePaymentRefused) || !strings.Contains(body, "another --reference") {
		t.Fatalf("got %s", body)
	}
	w.balance(140)
	refund(10, "b", 200)
	w.card.Forget() // a day later, in a script that starts again
	refund(10, "b", 200)
	w.balance(130)
	if got := w.card.PaidBack(c.Session); got != 2500 {
		t.Fatalf("%d paid back, want 2500", got)
	}
	// Its answer got lost, and it came to nothing.
	w.card.Fail(true, true)
	refund(10, "c", 503)
	w.card.Fail(false, false)
	w.balance(120)
	w.card.Forget()
	w.card.FailRefunds()
	refund(10, "c", 409) // by now it is known
	w.balance(130)
}
