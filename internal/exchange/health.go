package exchange

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Health of what the exchange stands on. Anybody may ask, so an answer serves all who ask within a second, and says no more than
// which of the two does not answer.
type health struct {
	mu    sync.Mutex
	asked time.Time
	last  wire.Ready
	busy  bool // a look of before has not come back
}

const (
	healthAge  = time.Second     // of an answer
	healthTime = 2 * time.Second // for store and lake to answer
)

// nowhere is the path of no object: a lake that answers says that it is not there.
const nowhere = "ready/none"

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	sendStatement(w, http.StatusOK, wire.Alive{Alive: true})
}

// readyz tells whether calls are taken now.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	out := s.health.get(r.Context(), s)
	select {
	case <-s.closing:
		out.Ready, out.Stopping = false, true
	default:
	}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	sendStatement(w, status, out)
}

func sendStatement(w http.ResponseWriter, status int, v any) {
	b, err := statement.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, nil
	}
	send(w, status, b)
}

// get looks at most once a second, and never twice at once: a store that hangs holds one goroutine, not one for each who asks.
func (h *health) get(ctx context.Context, s *Server) wire.Ready {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.asked) < healthAge {
		return h.last
	}
	if h.busy {
		h.last, h.asked = wire.Ready{Store: h.last.Store, Lake: h.last.Lake}, time.Now()
		return h.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healthTime)
	st, lk := make(chan bool, 1), make(chan bool, 1)
	var both sync.WaitGroup
	both.Go(func() {
		_, err := s.store.Job(ctx, statement.Sum(nil))
		st <- err == nil || errors.Is(err, store.ErrNotFound)
	})
	both.Go(func() {
		_, err := s.lake.Size(ctx, nowhere)
		lk <- err == nil || errors.Is(err, lake.ErrNotFound)
	})
	h.busy = true
	go func() {
		both.Wait()
		cancel()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.busy = false
	}()
	late := make(chan struct{}) // for who does not hear the context
	timer := time.AfterFunc(healthTime+100*time.Millisecond, func() { close(late) })
	defer timer.Stop()
	h.last = wire.Ready{Store: answered(st, late), Lake: answered(lk, late)}
	h.last.Ready = h.last.Store == wire.HealthOK && h.last.Lake == wire.HealthOK
	h.asked = time.Now()
	return h.last
}

func answered(from <-chan bool, late <-chan struct{}) string {
	select {
	case ok := <-from:
		if ok {
			return wire.HealthOK
		}
	case <-late:
	}
	return wire.HealthAway
}
