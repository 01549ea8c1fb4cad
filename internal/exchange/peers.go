package exchange

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// presence is the instance that requests are signed for. Over a shared store it is the store's, and this is what was read last.
type presence struct {
	mu       sync.Mutex
	instance string
	read     time.Time
}

func (p *presence) set(instance string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instance, p.read = instance, time.Now()
}

// get returns the instance, and for how long it has been known.
func (p *presence) get() (string, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instance, time.Since(p.read)
}

// goneTime without any exchange over a shared store: after that, holders get their leases' full length again.
const goneTime = 3 * time.Second

// attend tells the other processes that there is an exchange, and asks for the instance.
func (s *Server) attend(ctx context.Context) error {
	instance, err := s.shared.Attend(ctx, store.Attendance{Gap: max(goneTime, s.lease/2), Lease: s.lease})
	if err == nil {
		s.present.set(instance)
	}
	return err
}

// askedLately bounds how often requests for another instance make this process ask for the present one.
const askedLately = 50 * time.Millisecond

// signedForUs reports whether an instance is the one that requests are signed for now. Another process may have met a new one first.
func (s *Server) signedForUs(ctx context.Context, instance string) (bool, error) {
	have, age := s.present.get()
	if have == instance || s.shared == nil || age < askedLately {
		return have == instance, nil
	}
	if err := s.attend(ctx); err != nil {
		return false, err
	}
	have, _ = s.present.get()
	return have == instance, nil
}

func wrongInstance() error {
	return refuse(http.StatusUnauthorized, wire.CodeWrongInstance,
		"request was signed for another exchange, or before this one restarted", "ask GET /v1/exchange again, and sign anew")
}

func wrongTime() error {
	return refuse(http.StatusUnauthorized, wire.CodeSkew,
		"clock of the caller and of the exchange differ by more than "+wire.MaxSkew.String(), "set the clock")
}

// spend uses the nonce of a request, once for all processes.
func (s *Server) spend(ctx context.Context, party statement.Fingerprint, c *credentials, now time.Time) error {
	again := refuse(http.StatusUnauthorized, wire.CodeReplayed, "this request was sent before", "sign every request with a new nonce")
	if s.shared == nil {
		switch s.replays.check(party, c.key, c.nonce, now) {
		case replayed:
			return again
		case crowded:
			return s.limited("nonces", tooMany("more requests than the exchange tells apart for one party"))
		}
		return nil
	}
	spent, err := s.shared.Spend(ctx, store.Nonce{Instance: c.instance, Key: c.key, Nonce: c.nonce, TimeMS: c.timeMS, MaxSkew: wire.MaxSkew})
	switch {
	case err != nil:
		return err
	case spent == store.Fresh:
		return nil
	case spent == store.Skewed:
		return wrongTime()
	case spent == store.WrongInstance:
		if err := s.attend(ctx); err != nil {
			return err
		}
		return wrongInstance()
	}
	return again
}

// notify wakes those who wait for one of the topics, here and at the other processes.
func (s *Server) notify(topics ...string) {
	s.hub.notify(topics...)
	if s.shared != nil {
		s.shared.Notify(topics...)
	}
}

const recallPrefix = "recall/"

func recallTopic(p poll) string { return recallPrefix + string(p.party) + "/" + p.name }

// heard is called with what other processes notify, and without topics where some may have been missed.
func (s *Server) heard(topics []string) {
	if topics == nil {
		s.hub.all()
		return
	}
	for _, t := range topics {
		party, name, ok := strings.Cut(strings.TrimPrefix(t, recallPrefix), "/")
		if ok && strings.HasPrefix(t, recallPrefix) {
			s.recalls.recall(poll{statement.Fingerprint(party), name})
			continue
		}
		s.hub.notify(t)
	}
}

// relook ticks for a long poll that may miss what others do; nil never does.
func (s *Server) relook() (ticks <-chan time.Time, stop func()) {
	if s.shared == nil {
		return nil, func() {}
	}
	t := time.NewTicker(s.relookTime)
	return t.C, t.Stop
}
