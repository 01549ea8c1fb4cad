package stripe

//lint:file-ignore SA1019 the client that is meant instead links every service of Stripe's API into each program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v82"
	"github.com/stripe/stripe-go/v82/checkout/session"
	"github.com/stripe/stripe-go/v82/refund"
	"github.com/stripe/stripe-go/v82/webhook"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// Options of an account. Without a comment: required.
type Options struct {
	Key      string // secret API key
	Secret   string // of webhooks; needed for Event alone
	Currency string // three letters, lower case
	Unit     int64  // of the currency's smallest unit, for one credit
	Return   string // URL that a browser goes to after paying
	Scope    string // who takes payments with the account: sessions of another scope are not its own
	URL      string // of the API; default Stripe's
	HTTP     *http.Client
}

// Account takes payments. It is safe for concurrent use.
type Account struct {
	o        Options
	sessions session.Client
	refunds  refund.Client
}

// Sentinel errors.
var (
	ErrSignature = errors.New("stripe: webhook is not signed with the secret, or not now")
	ErrOther     = errors.New("stripe: session is not of this account's making, or not as it was made")
	ErrAway      = errors.New("stripe: does not answer")
	ErrRefused   = errors.New("stripe: refund was refused") // for good: nothing was paid back under its key
)

const (
	tolerance = 5 * time.Minute // between a webhook's time and now
	callTime  = 30 * time.Second
	retries   = 2
)

// New checks the options.
func New(o Options) (*Account, error) {
	if o.Key == "" || len(o.Currency) != 3 || strings.ToLower(o.Currency) != o.Currency || o.Unit < 1 || o.Return == "" || o.Scope == "" {
		return nil, errors.New("stripe: an option is missing")
	}
	cfg := &stripe.BackendConfig{
		EnableTelemetry: stripe.Bool(false), MaxNetworkRetries: stripe.Int64(retries), HTTPClient: o.HTTP, LeveledLogger: &stripe.LeveledLogger{Level: stripe.LevelNull},
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: callTime}
	}
	if o.URL != "" {
		cfg.URL = stripe.String(o.URL)
	}
	b := stripe.GetBackendWithConfig(stripe.APIBackend, cfg)
	return &Account{o: o, sessions: session.Client{B: b, Key: o.Key}, refunds: refund.Client{B: b, Key: o.Key}}, nil
}

// ReadSecret reads a key or secret from a file that nobody else can read.
func ReadSecret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", fault.New(fault.NoKey, "key of the payment provider can't be read", "check the path", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.NoKey, "key of the payment provider can be read by others", "chmod 600 "+file, nil)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fault.New(fault.NoKey, "key of the payment provider can't be read", "check the path", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// ParsePrice reads "eur:100": a currency, and its smallest units for one credit.
func ParsePrice(s string) (currency string, unit int64, err error) {
	currency, text, _ := strings.Cut(s, ":")
	unit, err = strconv.ParseInt(text, 10, 64)
	if err != nil || unit < 1 || len(currency) != 3 || strings.ToLower(currency) != currency {
		return "", 0, fault.New(fault.Usage, "not a price of a credit: "+s, "write a currency and its smallest units for one credit, as in eur:100", nil)
	}
	return currency, unit, nil
}

// Names in the metadata of sessions and refunds.
const (
	metaScope   = "cordon_scope"
	metaFor     = "cordon_for"
	metaCredits = "cordon_credits"
	metaUnit    = "cordon_unit"
	metaRefund  = "cordon_refund" // in a refund's: the key that it was made under
)

// Checkout is a page on which somebody pays.
type Checkout struct {
	Session string
	URL     string
	Amount  int64 // of the currency's smallest unit

	Currency string
}

// Begin makes a Checkout session for credits, of which name says what they are for. The same key makes no second one.
func (a *Account) Begin(ctx context.Context, name string, credits int64, key string) (*Checkout, error) {
	p := &stripe.CheckoutSessionParams{
		Mode: stripe.String(string(stripe.CheckoutSessionModePayment)), ClientReferenceID: stripe.String(name),
		SuccessURL: stripe.String(a.o.Return), CancelURL: stripe.String(a.o.Return),
		LineItems: []*stripe.CheckoutSessionLineItemParams{{
			Quantity: stripe.Int64(credits),
			PriceData: &stripe.CheckoutSessionLineItemPriceDataParams{
				Currency: stripe.String(a.o.Currency), UnitAmount: stripe.Int64(a.o.Unit),
				ProductData: &stripe.CheckoutSessionLineItemPriceDataProductDataParams{Name: stripe.String("Credits of a Cordon exchange")},
			},
		}},
	}
	p.Context = ctx
	p.SetIdempotencyKey("cordon " + key)
	for k, v := range map[string]string{metaScope: a.o.Scope, metaFor: name, metaCredits: fmt.Sprint(credits), metaUnit: fmt.Sprint(a.o.Unit)} {
		p.AddMetadata(k, v)
	}
	s, err := a.sessions.New(p)
	if err != nil {
		return nil, named(err)
	}
	return &Checkout{Session: s.ID, URL: s.URL, Amount: credits * a.o.Unit, Currency: a.o.Currency}, nil
}

// Payment is what became of a session.
type Payment struct {
	Session string
	For     string // the name that Begin was given
	Credits int64
	Paid    bool
	Over    bool // nobody can pay any more
	intent  string
	unit    int64
}

// Payment asks Stripe what became of a session: ErrOther for one that is not this account's, or whose amount is not that of its credits.
func (a *Account) Payment(ctx context.Context, id string) (*Payment, error) {
	if !strings.HasPrefix(id, "cs_") || strings.ContainsAny(id, "/?#%") {
		return nil, ErrOther
	}
	p := &stripe.CheckoutSessionParams{}
	p.Context = ctx
	s, err := a.sessions.Get(id, p)
	if err != nil {
		return nil, named(err)
	}
	if s.ID != id {
		return nil, ErrOther
	}
	return a.payment(s)
}

func (a *Account) payment(s *stripe.CheckoutSession) (*Payment, error) {
	credits, err := strconv.ParseInt(s.Metadata[metaCredits], 10, 64)
	unit, uerr := strconv.ParseInt(s.Metadata[metaUnit], 10, 64)
	if err != nil || uerr != nil || credits < 1 || unit < 1 || s.Metadata[metaScope] != a.o.Scope || s.Metadata[metaFor] == "" ||
		s.Mode != stripe.CheckoutSessionModePayment || string(s.Currency) != a.o.Currency || s.AmountTotal/unit != credits || s.AmountTotal%unit != 0 {
		return nil, ErrOther
	}
	out := &Payment{
		Session: s.ID, For: s.Metadata[metaFor], Credits: credits, Paid: s.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid,
		Over: s.Status == stripe.CheckoutSessionStatusExpired, unit: unit,
	}
	if s.PaymentIntent != nil {
		out.intent = s.PaymentIntent.ID
	}
	if out.Paid && out.intent == "" {
		return nil, ErrOther // nothing could be paid back
	}
	return out, nil
}

// Expire ends a session that nobody has paid: nobody can from then on. One that was paid meanwhile is ErrOther.
func (a *Account) Expire(ctx context.Context, id string) error {
	p := &stripe.CheckoutSessionExpireParams{}
	p.Context = ctx
	if _, err := a.sessions.Expire(id, p); err != nil {
		return named(err)
	}
	return nil
}

// PaidSince lists the paid sessions of this account's that were made since a time: what a webhook did not tell.
func (a *Account) PaidSince(ctx context.Context, since time.Time) (out []*Payment, err error) {
	p := &stripe.CheckoutSessionListParams{
		CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: since.Unix()}, Status: stripe.String(string(stripe.CheckoutSessionStatusComplete)),
	}
	p.Context = ctx
	it := a.sessions.List(p)
	for it.Next() {
		if x, err := a.payment(it.CheckoutSession()); err == nil && x.Paid {
			out = append(out, x)
		}
	}
	if err := it.Err(); err != nil {
		return nil, named(err)
	}
	return out, nil
}

// Event checks a webhook's signature and time, and returns the session that it is about; "" for what says nothing of a payment.
func (a *Account) Event(payload []byte, signature string) (string, error) {
	if a.o.Secret == "" {
		return "", ErrSignature
	}
	e, err := webhook.ConstructEventWithOptions(payload, signature, a.o.Secret, webhook.ConstructEventOptions{Tolerance: tolerance, IgnoreAPIVersionMismatch: true})
	if err != nil {
		return "", ErrSignature
	}
	switch e.Type {
	case stripe.EventTypeCheckoutSessionCompleted, stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded:
	default:
		return "", nil
	}
	var s struct {
		ID string `json:"id"`
	}
	if e.Data == nil || json.Unmarshal(e.Data.Raw, &s) != nil || s.ID == "" {
		return "", ErrSignature
	}
	return s.ID, nil
}

// named tells a refusal of Stripe's from no answer.
func named(err error) error {
	var e *stripe.Error
	if errors.As(err, &e) && e.HTTPStatusCode >= 400 && e.HTTPStatusCode < 500 && e.HTTPStatusCode != http.StatusTooManyRequests && e.HTTPStatusCode != http.StatusConflict {
		return fmt.Errorf("%w: %s (%s)", ErrOther, e.Code, e.Type)
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}

// LogValue keeps the key out of logs.
func (o Options) LogValue() slog.Value { return slog.StringValue("stripe account, in " + o.Currency) }
