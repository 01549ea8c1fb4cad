package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// signer signs with nothing: these tests look at what the client does with answers.
type signer struct{}

func (signer) Public() statement.PublicKey { return statement.PublicKey{1} }
func (signer) Sign([]byte) ([]byte, error) { return make([]byte, 64), nil }

// fake answers calls; the first argument counts those before.
func fake(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) (*Client, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/exchange" {
			_, _ = io.WriteString(w, `{"id":"exchange1","instance":"`+strings.Repeat("0", 32)+`","time_ms":1}`)
			return
		}
		answer(int(calls.Add(1))-1, w, r)
	}))
	t.Cleanup(s.Close)
	c, err := New(Options{URL: s.URL, Signer: signer{}, Patience: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, &calls
}

func refuseWith(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"error":"no","code":"`+code+`","hint":"do it"}`)
}

func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(n int, w http.ResponseWriter, r *http.Request)
		calls  int32 // 0: many
		is     func(error) bool
	}{
		"success": {func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"next":3}`) }, 1, func(err error) bool { return err == nil }},
		"unavailable once": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				refuseWith(w, 503, wire.CodeUnavailable)
				return
			}
			_, _ = io.WriteString(w, `{"next":3}`)
		}, 2, func(err error) bool { return err == nil }},
		"gateway in between": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				w.WriteHeader(502)
				return
			}
			_, _ = io.WriteString(w, `{"next":3}`)
		}, 2, func(err error) bool { return err == nil }},
		"cut off once": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				w.Header().Set("Content-Length", "100")
				_, _ = io.WriteString(w, `{"next"`)
				return
			}
			_, _ = io.WriteString(w, `{"next":3}`)
		}, 2, func(err error) bool { return err == nil }},
		"restarted": {func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < 2 {
				refuseWith(w, 401, wire.CodeWrongInstance)
				return
			}
			_, _ = io.WriteString(w, `{"next":3}`)
		}, 3, func(err error) bool { return err == nil }},
		"never the right instance": {func(_ int, w http.ResponseWriter, _ *http.Request) { refuseWith(w, 401, wire.CodeWrongInstance) }, 5,
			func(err error) bool { return HasCode(err, wire.CodeWrongInstance) }},
		"refused":       {func(_ int, w http.ResponseWriter, _ *http.Request) { refuseWith(w, 403, wire.CodeForbidden) }, 1, func(err error) bool { return HasCode(err, wire.CodeForbidden) }},
		"failed":        {func(_ int, w http.ResponseWriter, _ *http.Request) { refuseWith(w, 500, wire.CodeInternal) }, 1, func(err error) bool { return HasCode(err, wire.CodeInternal) }},
		"always away":   {func(_ int, w http.ResponseWriter, _ *http.Request) { refuseWith(w, 503, wire.CodeUnavailable) }, 0, func(err error) bool { return errors.Is(err, ErrUnavailable) }},
		"malformed":     {func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"next": 3}`) }, 1, func(err error) bool { return fault.ExitCode(err) == int(fault.Untrusted) }},
		"unknown field": {func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"next":3,"x":1}`) }, 1, func(err error) bool { return fault.ExitCode(err) == int(fault.Untrusted) }},
		"redirect": {func(_ int, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, 1, func(err error) bool { var e *Error; return errors.As(err, &e) && e.Status == 307 }},
		"endless answer": {func(_ int, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 20<<20))
		}, 1, func(err error) bool { return err != nil }},
	} {
		cl, calls := fake(t, c.answer)
		_, err := cl.Mailbox(t.Context(), 0, 0)
		if !c.is(err) || c.calls != 0 && calls.Load() != c.calls || c.calls == 0 && calls.Load() < 3 {
			t.Errorf("%s: %d calls, %v", name, calls.Load(), err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestExitCodes(t *testing.T) {
	for code, e := range map[fault.Code]*Error{
		fault.Untrusted:   {Status: 401, Code: wire.CodeUnauthenticated},
		fault.Refused:     {Status: 403, Code: wire.CodeForbidden},
		fault.Unavailable: {Status: 507, Code: wire.CodeStorageFull},
		fault.Input:       {Status: 409, Code: wire.CodeNameTaken},
	} {
		if e.ExitCode() != int(code) {
			t.Errorf("%s: exit code %d, want %d", e.Code, e.ExitCode(), code)
		}
	}
	if e := (&Error{Status: 422, Code: wire.CodeSignature, Message: "m", Advice: "a"}); e.ExitCode() != int(fault.Untrusted) || e.Hint() != "a" || e.Error() != "exchange: m (bad-signature)" {
		t.Errorf("%v: %d", e, e.ExitCode())
	}
}

// TestOtherStatement: an exchange that gives another statement than the one asked for is found out.
func TestOtherStatement(t *testing.T) {
	e := statement.Envelope{PayloadType: statement.PayloadType, Payload: []byte("{}"), Signatures: []statement.Signature{{KeyID: "k", Sig: []byte("s")}}}
	c, _ := fake(t, func(_ int, w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(e.Bytes()) })
	if _, err := c.Statement(t.Context(), e.Digest()); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		second(c.Statement(t.Context(), statement.Sum([]byte("x")))),
		second(c.JobEnvelope(t.Context(), statement.Sum([]byte("x")))),
	} {
		if fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("got %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestSubmitTwice: a submission whose answer got lost is a success when the
// exchange knows the job; one that was known before is not.
func TestSubmitTwice(t *testing.T) {
	e := &statement.Envelope{PayloadType: statement.PayloadType, Payload: []byte("{}"), Signatures: []statement.Signature{{KeyID: "k", Sig: []byte("s")}}}
	for name, c := range map[string]struct {
		first func(w http.ResponseWriter)
		known bool
	}{
		"lost":      {func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); _, _ = io.WriteString(w, "{") }, false},
		"restarted": {func(w http.ResponseWriter) { refuseWith(w, 401, wire.CodeWrongInstance) }, true},
		"known":     {func(w http.ResponseWriter) { refuseWith(w, 409, wire.CodeAlreadySubmitted) }, true},
	} {
		cl, _ := fake(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n == 0 {
				c.first(w)
				return
			}
			refuseWith(w, 409, wire.CodeAlreadySubmitted)
		})
		d, err := cl.SubmitJob(t.Context(), e)
		if c.known != HasCode(err, wire.CodeAlreadySubmitted) || !c.known && (err != nil || d != e.Digest()) {
			t.Errorf("%s: %s, %v", name, d, err)
		}
	}
}

// TestWrongRange: an exchange that sends another range than the one asked for is found out.
func TestWrongRange(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter){
		"whole object": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "0123456789") },
		"too short":    func(w http.ResponseWriter) { w.WriteHeader(206); _, _ = io.WriteString(w, "012") },
		"too long":     func(w http.ResponseWriter) { w.WriteHeader(206); _, _ = io.WriteString(w, "0123456") },
	} {
		c, _ := fake(t, func(_ int, w http.ResponseWriter, _ *http.Request) { answer(w) })
		if _, err := c.OpenObject(t.Context(), "a/b", 0, 5); fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSendMessagesSplits(t *testing.T) {
	var sizes []int
	c, calls := fake(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var m wire.Messages
		if err := statement.Unmarshal(b, &m); err != nil || !wire.ValidNonce(m.ID) {
			t.Error(err)
		}
		sizes = append(sizes, len(m.Messages))
		_, _ = io.WriteString(w, "{}")
	})
	var out []wire.Outgoing
	for range 5 {
		out = append(out, wire.Outgoing{To: "x", Kind: "hello", Body: make([]byte, 3<<19)})
	}
	if err := c.SendMessages(t.Context(), "d", "l", out); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 3 || sizes[0] != 2 || sizes[1] != 2 || sizes[2] != 1 {
		t.Errorf("%d calls, %v", calls.Load(), sizes)
	}
}

func TestContextEndsARetry(t *testing.T) {
	c, _ := fake(t, func(_ int, w http.ResponseWriter, _ *http.Request) { refuseWith(w, 503, wire.CodeUnavailable) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Mailbox(ctx, 0, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// TestLastPage: a listing whose page is said to be the last is not asked on for. One that goes on from where it was is not taken for whole:
// what it leaves out may be a revocation.
func TestLastPage(t *testing.T) {
	for body, calls := range map[string]int32{`{"next":3,"end":true}`: 1, `{"next":3}`: 2} {
		c, n := fake(t, func(before int, w http.ResponseWriter, _ *http.Request) {
			if before > 0 {
				body = `{"next":3}`
			}
			_, _ = io.WriteString(w, strings.Replace(body, "{", `{"items":[{"seq":3,"digest":"d","envelope":{"payloadType":"t","payload":"","signatures":[]}}],`, 1-min(before, 1)))
		})
		list, err := c.AllStatements(t.Context(), Query{Kind: Parties})
		if err != nil || len(list) != 1 || n.Load() != calls {
			t.Errorf("%s: %d items in %d calls, %v", body, len(list), n.Load(), err)
		}
	}
	c, _ := fake(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"items":[{"seq":3,"digest":"d","envelope":{"payloadType":"t","payload":"","signatures":[]}}],"next":0}`)
	})
	if list, err := c.AllStatements(t.Context(), Query{Kind: Parties}); err == nil {
		t.Errorf("%d items of a listing without an end", len(list))
	}
}
