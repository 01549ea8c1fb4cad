package exchange_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange"
)

// TestSlowBodies: who is nobody yet, or was refused, does not keep a connection by sending byte after byte.
func TestSlowBodies(t *testing.T) {
	w := newTill(t, nil)
	restart := func(change func(*exchange.Options)) {
		w.stop()
		old := w.opts
		w.opts = func(o *exchange.Options) { old(o); change(o) }
		w.start(strings.TrimPrefix(w.url, "http://"))
	}
	restart(func(o *exchange.Options) { o.BodyTime = 300 * time.Millisecond })
	w.slow("POST /stripe/webhook", "400")
	w.slow("POST /v1/statements", "401")
	c := w.checkout(5, 1)
	w.card.Pay(c.Session)
	if got := w.event(completed, c.Session, webhookSecret, time.Now()); got != 200 { // one that does not wait passes
		t.Errorf("status %d", got)
	}
	restart(func(o *exchange.Options) { o.Payments = nil })
	w.slow("POST /stripe/webhook", "422")
}

// slow sends a body byte by byte, and is answered and cut off all the same.
func (w *till) slow(call, want string) {
	w.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	w.ok(err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", call)
	w.ok(err)
	done := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(conn) // a connection that is reset has ended, too
		done <- string(b)
	}()
	end := time.After(5 * time.Second)
	for {
		select {
		case got := <-done:
			if !strings.HasPrefix(got, "HTTP/1.1 "+want) {
				w.Errorf("%s: %q", call, got)
			}
			return
		case <-end:
			w.Errorf("%s: a slow body keeps the connection", call)
			return
		case <-time.After(20 * time.Millisecond):
			_, _ = conn.Write([]byte("x"))
		}
	}
}
