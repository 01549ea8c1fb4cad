package stripe_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/cordon-exchange/cordon/internal/stripe"
	"github.com/cordon-exchange/cordon/internal/teststripe"
)

// paidFor is a session of 100 credits that was paid.
func paidFor(t *testing.T) (*teststripe.Server, *stripe.Account, *stripe.Payment) {
	card := teststripe.Start(t)
	a := account(t, card.URL)
	c, err := a.Begin(t.Context(), "x", 100, "x")
	if err != nil {
		t.Fatal(err)
	}
	card.Pay(c.Session)
	x, err := a.Payment(t.Context(), c.Session)
	if err != nil {
		t.Fatal(err)
	}
	return card, a, x
}

func account(t *testing.T, url string) *stripe.Account {
	a, err := stripe.New(stripe.Options{Key: "sk_test_1", Currency: "eur", Unit: 10, Return: "https://x.example", Scope: "x", URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRefundOnce: a key pays back once, also after Stripe forgot it, and whatever else was paid back meanwhile.
func TestRefundOnce(t *testing.T) {
	card, a, x := paidFor(t)
	for i := range 5 {
		if err := a.Refund(t.Context(), x, 10, fmt.Sprint("k", i)); err != nil {
			t.Fatal(err)
		}
	}
	card.Forget()
	for range 2 {
		if err := a.Refund(t.Context(), x, 10, "k0"); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Refund(t.Context(), x, 11, "k0"); !errors.Is(err, stripe.ErrOther) || errors.Is(err, stripe.ErrRefused) {
		t.Fatalf("another amount under the key: %v", err)
	}
	if got := card.PaidBack(x.Session); got != 500 {
		t.Fatalf("%d went back, want 500", got)
	}
}

// TestRefused: only where nothing was made under the key it is refused: then whoever asked may take it that no money goes out.
func TestRefused(t *testing.T) {
	card, a, x := paidFor(t)
	card.Refuse(true)
	if err := a.Refund(t.Context(), x, 10, "no"); !errors.Is(err, stripe.ErrRefused) {
		t.Fatalf("refused: %v", err)
	}
	card.Refuse(false)
	if err := a.Refund(t.Context(), x, 10, "k"); err != nil {
		t.Fatal(err)
	}
	// A key that may not look at refunds any more.
	blind := account(t, without(t, card.URL, http.StatusForbidden, `{"error":{"type":"invalid_request_error"}}`))
	if err := blind.Refund(t.Context(), x, 10, "k"); err == nil || errors.Is(err, stripe.ErrRefused) {
		t.Fatalf("the list is refused: %v", err)
	}
	// Asked for under the key with other parameters, by a version that left no mark on it.
	unmarked := account(t, without(t, card.URL, http.StatusOK, `{"object":"list","url":"/v1/refunds","has_more":false,"data":[]}`))
	if err := unmarked.Refund(t.Context(), x, 11, "k"); err == nil || errors.Is(err, stripe.ErrRefused) {
		t.Fatalf("other parameters: %v", err)
	}
	card.FailRefunds()
	if err := a.Refund(t.Context(), x, 10, "k"); !errors.Is(err, stripe.ErrRefused) {
		t.Fatalf("failed later: %v", err)
	}
	if got := card.PaidBack(x.Session); got != 0 {
		t.Fatalf("%d went back", got)
	}
}

// without is a Stripe that answers lists of refunds with something else.
func without(t *testing.T, to string, status int, body string) string {
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Path == "/v1/refunds" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
