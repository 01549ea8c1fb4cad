package sqlite

import (
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// registry remembers parties: every request asks for one. Nobody else writes the
// file, so what was read stays true until this process writes.
type registry struct {
	mu      sync.Mutex
	writes  int64
	parties map[statement.Fingerprint]store.Party
}

const maxRegistry = 1 << 16

// get returns a copy of a party, or nil and what put must be told.
func (r *registry) get(f statement.Fingerprint) (*store.Party, int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.parties[f]; ok {
		return &p, r.writes
	}
	return nil, r.writes
}

// put remembers a party that was read after get returned since, unless
// something was written in between.
func (r *registry) put(p store.Party, since int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writes != since {
		return
	}
	if r.parties == nil || len(r.parties) >= maxRegistry {
		r.parties = map[statement.Fingerprint]store.Party{}
	}
	r.parties[p.Fingerprint] = p
}

// forget is called once a write has ended, before its caller learns of it.
func (r *registry) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	r.parties = nil
}
