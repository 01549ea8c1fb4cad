package client

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// errSilent is an answer that did not come in time. What the guard did to the call is nobody's interruption.
var errSilent = errors.New("no answer in time")

// errCutOff is an answer that ended before its end.
var errCutOff = errors.New("answer was cut off")

// readAnswer reads a JSON answer into out and closes it. An answer that is not a
// success becomes an *Error.
func readAnswer(resp *http.Response, out any) error {
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return errors.Join(errCutOff, err)
	}
	if resp.StatusCode >= 300 {
		return refusal(resp, b)
	}
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := statement.Unmarshal(b, out); err != nil {
		return untrusted("exchange gave a malformed answer")
	}
	return nil
}

func refusal(resp *http.Response, body []byte) error {
	status := resp.StatusCode
	var e wire.Error
	if err := statement.Unmarshal(body, &e); err != nil || e.Code == "" {
		// Something between us and the exchange answered, or it is no exchange at all.
		return &Error{Status: status, Code: wire.CodeUnavailable, Message: http.StatusText(status),
			Advice: "check that the URL is that of an exchange", After: retryAfter(resp)}
	}
	return &Error{Status: status, Code: e.Code, Message: e.Text, Advice: e.Hint, After: retryAfter(resp)}
}

// retryAfter is how long a refused caller is asked to wait; what is no number of seconds is none.
func retryAfter(resp *http.Response) time.Duration {
	n, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 32)
	if resp.StatusCode != http.StatusTooManyRequests || err != nil || n <= 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// guard ends a call that takes too long: a plain one after its wait and some
// time, a streaming one when no byte passed for a while.
type guard struct {
	cancel func()
	timer  *time.Timer
	limit  time.Duration
	stream bool
	once   sync.Once
}

func newGuard(cancel func(), k call, answer time.Duration) *guard {
	limit := k.wait + answer
	if k.stream {
		limit = stall
	}
	return &guard{cancel: cancel, limit: limit, stream: k.stream, timer: time.AfterFunc(limit, cancel)}
}

func (g *guard) progress() {
	if g.stream {
		g.timer.Reset(g.limit)
	}
}

func (g *guard) end() {
	g.once.Do(func() {
		g.timer.Stop()
		g.cancel()
	})
}

// guarded is a body under a guard. A shared one leaves the guard to the answer's body.
type guarded struct {
	io.ReadCloser
	g      *guard
	shared bool
}

func (b *guarded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.g.progress()
	}
	return n, err
}

func (b *guarded) Close() error {
	err := b.ReadCloser.Close()
	if !b.shared {
		b.g.end()
	}
	return err
}
