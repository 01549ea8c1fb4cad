package exchange

import (
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// replays remembers the nonces of accepted requests for as long as their
// signatures could be accepted again (spec, section 3), for an exchange that has its
// store for itself. It need not outlive the process: signatures name the instance
// that they were made for. A shared store remembers nonces itself.
type replays struct {
	mu     sync.Mutex
	since  time.Time
	recent map[seen]struct{}
	older  map[seen]struct{}
}

type seen struct {
	key   statement.PublicKey
	nonce string
}

const (
	replayTime = 2 * wire.MaxSkew // from the earliest to the latest moment of one signature
	maxReplays = 1 << 20          // of one replayTime, about 100 MB
)

type verdict int

const (
	fresh verdict = iota
	replayed
	crowded
)

// check remembers a nonce and tells whether it is new. Two generations, each of
// replayTime, so that every nonce is kept for at least that long.
func (r *replays) check(k statement.PublicKey, nonce string, now time.Time) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recent == nil || now.Sub(r.since) >= replayTime {
		r.older, r.recent, r.since = r.recent, map[seen]struct{}{}, now
	}
	s := seen{key: k, nonce: nonce}
	if has(r.recent, s) || has(r.older, s) {
		return replayed
	}
	if len(r.recent) >= maxReplays {
		return crowded
	}
	r.recent[s] = struct{}{}
	return fresh
}

func has(m map[seen]struct{}, s seen) bool {
	_, ok := m[s]
	return ok
}
