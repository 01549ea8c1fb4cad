package exchange_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/bucket"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/tests3"
)

// TestBucketAway: while the server of objects is away callers are told so, the rest goes on, and a caller that asks again gets on by
// itself once it is back.
func TestBucketAway(t *testing.T) {
	s := tests3.Start(t)
	e := newEnv(t)
	e.stop()
	e.lake = func(lake.Lake) lake.Lake {
		l, err := bucket.Open(t.Context(), s.URL("/cordon"))
		e.ok(err)
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	e.start("127.0.0.1:0")
	p := e.party("alpha")
	path, size := p.object("part.parquet", "ciphertext")
	s.Stop()
	_, err := p.OpenObject(t.Context(), path, 0, -1)
	e.code(err, wire.CodeUnavailable)
	e.code(p.put(strings.Replace(path, "part", "other", 1), "x"), wire.CodeUnavailable)
	_, err = p.Mailbox(t.Context(), 0, 0)
	e.ok(err)
	if status, body := e.ask("/readyz"); status != 503 || !strings.Contains(body, `"store":"ok","lake":"away"`) {
		t.Errorf("%d %s", status, body)
	}
	back := make(chan struct{})
	go func() {
		defer close(back)
		time.Sleep(time.Second)
		s.Run(t)
	}()
	r, err := p.OpenObject(t.Context(), path, 0, -1) // tried for 5 s
	<-back
	e.ok(err)
	b, err := io.ReadAll(r)
	e.ok(err)
	e.ok(r.Close())
	if int64(len(b)) != size || string(b) != "ciphertext" {
		t.Errorf("got %q", b)
	}
	e.ok(p.put(strings.Replace(path, "part", "other", 1), "x")) // what failed holds nobody up
	e.code(p.put(path, "another x"), wire.CodeObjectExists)
	e.ok(p.put(path, "ciphertext")) // the same again
}
