package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// exchangeAt is one process of an exchange with an id.
func exchangeAt(t *testing.T, id string, answer http.HandlerFunc) (url string, calls *atomic.Int32) {
	t.Helper()
	calls = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/exchange" {
			_, _ = io.WriteString(w, `{"id":"`+id+`","instance":"`+strings.Repeat("0", 32)+`","time_ms":1}`)
			return
		}
		calls.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

func fine(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"next":3}`) }

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

// silent is an address that takes connections and never answers.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}

// at has a client ask its first address first: otherwise that is chance.
func at(t *testing.T, urls ...string) *Client {
	t.Helper()
	c, err := New(Options{URL: strings.Join(urls, ", "), Signer: signer{}, Patience: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.places.at.Store(0)
	return c
}

// TestNextAddress: where one process of an exchange does not answer, another one is asked, and stays the one that is.
func TestNextAddress(t *testing.T) {
	away := func(w http.ResponseWriter, _ *http.Request) { refuseWith(w, 503, "unavailable") }
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"next"`)
	}
	for name, first := range map[string]func() (string, *atomic.Int32){
		"killed":      func() (string, *atomic.Int32) { return closed(t), nil },
		"stopping":    func() (string, *atomic.Int32) { return exchangeAt(t, "exchange1", away) },
		"killed then": func() (string, *atomic.Int32) { return exchangeAt(t, "exchange1", cut) },
	} {
		url, tried := first()
		other, calls := exchangeAt(t, "exchange1", fine)
		c := at(t, url, closed(t), other)
		for range 3 {
			if _, err := c.Mailbox(t.Context(), 0, 0); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if calls.Load() != 3 || tried != nil && tried.Load() != 1 {
			t.Errorf("%s: the other was asked %d times, want 3; the first %v", name, calls.Load(), tried)
		}
	}
}

// TestAllAway: the wait is bounded.
func TestAllAway(t *testing.T) {
	c := at(t, closed(t), closed(t), closed(t))
	began := time.Now()
	_, err := c.Mailbox(t.Context(), 0, 0)
	if !errors.Is(err, ErrUnavailable) || fault.ExitCode(err) != int(fault.Unavailable) || fault.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to give up", took)
	}
}

// TestSilentAddress: one that took a caller's time without an answer is not asked next.
func TestSilentAddress(t *testing.T) {
	other, calls := exchangeAt(t, "exchange1", fine)
	c := at(t, silent(t), other)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Mailbox(ctx, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a silent exchange: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Mailbox(ctx, 0, 0); err != nil || calls.Load() != 1 {
		t.Errorf("the call after it: %v, %d calls of the other", err, calls.Load())
	}
}

// TestOtherExchange: an address that leads to another exchange is found out, whichever is asked first.
func TestOtherExchange(t *testing.T) {
	var down atomic.Bool
	one, _ := exchangeAt(t, "exchange1", func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			refuseWith(w, 503, "unavailable")
			return
		}
		fine(w, r)
	})
	two, calls := exchangeAt(t, "exchange2", fine)
	c := at(t, one, two)
	if _, err := c.Mailbox(t.Context(), 0, 0); err != nil {
		t.Fatal(err)
	}
	down.Store(true)
	c.known.Store(nil) // as after a restart
	c.places.leave(0)
	if _, err := c.Mailbox(t.Context(), 0, 0); fault.ExitCode(err) != int(fault.Untrusted) || calls.Load() != 0 {
		t.Errorf("got %v, and %d calls signed for the other", err, calls.Load())
	}
}

func TestAddresses(t *testing.T) {
	for _, bad := range []string{"", ",", "http://a:1,", "http://a:1,ftp://b:2", "http://a:1,http://b:2/path", "http://a:1,http://user@b:2",
		strings.Repeat("http://a:1,", maxPlaces) + "http://a:1"} {
		if _, err := New(Options{URL: bad, Signer: signer{}}); fault.ExitCode(err) != int(fault.Input) || fault.Hint(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	c, err := New(Options{URL: "http://a:1, https://b:2/", Signer: signer{}})
	if err != nil || len(c.places.all) != 2 || c.places.all[1].String() != "https://b:2" {
		t.Errorf("%v", err)
	}
}

// TestSilentExchange: a call that the client ended itself was not interrupted by anybody; the exchange did not answer.
func TestSilentExchange(t *testing.T) {
	hangs, _ := exchangeAt(t, "exchange1", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, url := range map[string]string{"from the start": silent(t), "then": hangs} {
		c := at(t, url)
		c.answer, c.patience = 100*time.Millisecond, 300*time.Millisecond
		_, err := c.Mailbox(t.Context(), 0, 0)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("silent %s: %v", name, err)
		}
	}
}
