package exchange_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func (e *env) ask(path string) (int, string) {
	e.Helper()
	resp, err := http.Get(e.url + path)
	e.ok(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	e.ok(err)
	return resp.StatusCode, string(b)
}

// ailing store and lake, as the test has them: 0 well, 1 failing, 2 silent.
type ailing struct{ state atomic.Int32 }

func (a *ailing) call(ctx context.Context) error {
	switch a.state.Load() {
	case 1:
		return errors.New("disk /srv/secret has failed")
	case 2:
		time.Sleep(4 * time.Second) // deaf to its context
	}
	return ctx.Err()
}

type ailingLake struct {
	lake.Lake
	*ailing
}

func (l ailingLake) Size(ctx context.Context, path string) (int64, error) {
	if err := l.call(ctx); err != nil {
		return 0, err
	}
	return l.Lake.Size(ctx, path)
}

type ailingStore struct {
	store.Store
	*ailing
}

func (s ailingStore) Job(ctx context.Context, d statement.Digest) (*store.Job, error) {
	if err := s.call(ctx); err != nil {
		return nil, err
	}
	return s.Store.Job(ctx, d)
}

// TestHealth says which of store and lake does not answer, in time, and nothing else.
func TestHealth(t *testing.T) {
	e := newEnv(t)
	e.stop()
	var st, lk ailing
	e.st = func(s store.Store) store.Store { return ailingStore{s, &st} }
	e.lake = func(l lake.Lake) lake.Lake { return ailingLake{l, &lk} }
	e.start("127.0.0.1:0")
	for _, c := range []struct {
		store, lake int32
		status      int
		body        string
	}{
		{0, 0, 200, `{"ready":true,"store":"ok","lake":"ok"}`},
		{1, 0, 503, `{"ready":false,"store":"away","lake":"ok"}`},
		{0, 1, 503, `{"ready":false,"store":"ok","lake":"away"}`},
		{2, 2, 503, `{"ready":false,"store":"away","lake":"away"}`},
	} {
		time.Sleep(1100 * time.Millisecond) // an answer serves for a second
		st.state.Store(c.store)
		lk.state.Store(c.lake)
		begin := time.Now()
		if status, body := e.ask("/readyz"); status != c.status || body != c.body {
			t.Errorf("store %d, lake %d: %d %s", c.store, c.lake, status, body)
		}
		if d := time.Since(begin); d > 3*time.Second {
			t.Errorf("the answer took %v", d)
		}
		if status, body := e.ask("/healthz"); status != 200 || body != `{"alive":true}` {
			t.Errorf("alive: %d %s", status, body)
		}
	}
	st.state.Store(0)
	lk.state.Store(0)
	// While the silent look has not come back there is no second one, and no better answer.
	time.Sleep(1100 * time.Millisecond)
	if status, _ := e.ask("/readyz"); status != 503 {
		t.Errorf("ready while a look hangs: %d", status)
	}
	time.Sleep(2 * time.Second)
	if status, body := e.ask("/readyz"); status != 200 {
		t.Errorf("after both are well again: %d %s", status, body)
	}
}

// TestHealthIsAskedOnce: strangers who ask all the time do not keep store and lake busy.
func TestHealthIsAskedOnce(t *testing.T) {
	e := newEnv(t)
	e.stop()
	var asked atomic.Int32
	e.lake = func(l lake.Lake) lake.Lake { return countedLake{l, &asked} }
	e.start("127.0.0.1:0")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				e.ask("/readyz")
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n < 1 || n > 3 {
		t.Errorf("the lake was asked %d times for 80 questions", n)
	}
}

type countedLake struct {
	lake.Lake
	n *atomic.Int32
}

func (l countedLake) Size(ctx context.Context, path string) (int64, error) {
	l.n.Add(1)
	return l.Lake.Size(ctx, path)
}

// TestStopUnderPolls: with many long polls open the exchange stops at once, and every poll gets its empty answer.
func TestStopUnderPolls(t *testing.T) {
	w := newWorld(t)
	const each = 20
	parties := []*party{w.a, w.b, w.asker, w.other}
	ends := make(chan error, each*len(parties))
	for _, p := range parties {
		p.empty()
		for range each {
			go func() {
				m, err := p.Mailbox(t.Context(), 1<<40, 60*time.Second)
				if err == nil && len(m.Items) > 0 {
					err = errors.New("an item came of nowhere")
				}
				ends <- err
			}()
		}
	}
	for deadline := time.Now().Add(10 * time.Second); w.srv.Polls() < each*len(parties); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d polls open", w.srv.Polls())
		}
	}
	w.srv.Drain()
	if status, body := w.ask("/readyz"); status != 503 || !strings.Contains(body, `"stopping":true`) {
		t.Errorf("ready while it stops: %d %s", status, body)
	}
	begin := time.Now()
	w.stop()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("stopping took %v", d)
	}
	for range each * len(parties) {
		if err := <-ends; err != nil {
			t.Errorf("a poll ended with %v", err)
		}
	}
	if n := w.srv.Polls(); n != 0 {
		t.Errorf("%d polls still open", n)
	}
}
