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
//
// What one party takes of it is bounded, so that none can fill it: past its share it is refused, and when all together have filled it, only
// who has more than a little.
type replays struct {
	mu     sync.Mutex
	since  time.Time
	recent map[seen]struct{}
	older  map[seen]struct{}
	by     map[statement.Fingerprint]int // how many of recent are a party's
}

type seen struct {
	key   statement.PublicKey
	nonce string
}

const (
	replayTime = 2 * wire.MaxSkew // from the earliest to the latest moment of one signature
	maxReplays = 1 << 20          // of one replayTime, about 100 MB; and what each party may have in any case beside that
	partyMost  = maxReplays / 4   // of one party: 1,092 calls a second, all the time
	partyLeast = 1 << 12          // that one party may have, however many others have: 17 calls a second
)

type verdict int

const (
	fresh verdict = iota
	replayed
	crowded
)

// check remembers a nonce and tells whether it is new. Two generations, each of
// replayTime, so that every nonce is kept for at least that long.
func (r *replays) check(party statement.Fingerprint, k statement.PublicKey, nonce string, now time.Time) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recent == nil || now.Sub(r.since) >= replayTime {
		r.older, r.recent, r.by, r.since = r.recent, map[seen]struct{}{}, map[statement.Fingerprint]int{}, now
	}
	s := seen{key: k, nonce: nonce}
	if has(r.recent, s) || has(r.older, s) {
		return replayed
	}
	if n := r.by[party]; n >= partyMost || n >= partyLeast && len(r.recent) >= maxReplays {
		return crowded
	}
	r.by[party]++
	r.recent[s] = struct{}{}
	return fresh
}

func has(m map[seen]struct{}, s seen) bool {
	_, ok := m[s]
	return ok
}
