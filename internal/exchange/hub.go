package exchange

import (
	"context"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// hub wakes long polls. It holds no messages: who is woken looks into the store.
type hub struct {
	mu     sync.Mutex
	topics map[string]*topic // only those that somebody watches
	polls  map[string]int    // by party
	most   int               // that one party may have open at once
}

type topic struct {
	ch       chan struct{} // closed by the next notify
	watchers int
}

const queueTopic = "queue"

func mailboxTopic(f statement.Fingerprint) string { return "mailbox/" + string(f) }
func jobTopic(d statement.Digest) string          { return "job/" + string(d) }
func repliesTopic(d statement.Digest) string      { return "replies/" + string(d) }

// notify wakes all who watch one of the topics.
func (h *hub) notify(names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range names {
		if t := h.topics[n]; t != nil {
			close(t.ch)
			t.ch = make(chan struct{})
		}
	}
}

// all wakes everybody.
func (h *hub) all() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		close(t.ch)
		t.ch = make(chan struct{})
	}
}

// watch starts watching a topic for a party; false if it has too many polls open.
func (h *hub) watch(name, party string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.polls[party] >= h.most {
		return false
	}
	h.polls[party]++
	t := h.topics[name]
	if t == nil {
		t = &topic{ch: make(chan struct{})}
		h.topics[name] = t
	}
	t.watchers++
	return true
}

// open polls of all parties.
func (h *hub) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, of := range h.polls {
		n += of
	}
	return n
}

func (h *hub) unwatch(name, party string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.polls[party]--; h.polls[party] == 0 {
		delete(h.polls, party)
	}
	if t := h.topics[name]; t.watchers == 1 {
		delete(h.topics, name)
	} else {
		t.watchers--
	}
}

// next returns what the next notify closes. Take it before looking into the
// store: what comes in between is not missed.
func (h *hub) next(name string) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.topics[name].ch
}

// poll calls look until it finds something, the wait is over, the caller leaves,
// or the exchange stops.
func (s *Server) poll(c *call, name string, wait time.Duration, look func(context.Context) (found bool, err error)) error {
	return s.pollUntil(c, name, wait, nil, look)
}

// pollUntil is poll, and ends when enough is closed.
func (s *Server) pollUntil(c *call, name string, wait time.Duration, enough <-chan struct{}, look func(context.Context) (found bool, err error)) error {
	ctx := c.r.Context()
	if wait <= 0 {
		_, err := look(ctx)
		return err
	}
	if !s.hub.watch(name, string(c.party)) {
		return s.limited("polls", tooMany("too many long polls of this party at once"))
	}
	defer s.hub.unwatch(name, string(c.party))
	c.expect(wait)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	again, stop := s.relook()
	defer stop()
	for {
		wake := s.hub.next(name)
		if found, err := look(ctx); found || err != nil {
			return err
		}
		select {
		case <-wake:
		case <-again:
		case <-timer.C:
			return nil
		case <-enough:
			return nil
		case <-s.closing:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func waitOf(ms int64) time.Duration {
	return min(time.Duration(min(ms, wire.MaxWait.Milliseconds()))*time.Millisecond, wire.MaxWait)
}
