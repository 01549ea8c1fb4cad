package sqlite

import (
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// known remembers statements: each claim gives out a dozen, and a complete one never changes but for an envelope that is signed anew. As
// with the registry, what was read stays true until this process writes it.
type known struct {
	mu     sync.Mutex
	writes int64
	bytes  int
	of     map[statement.Digest]store.Statement
}

// maxKnown bounds what is remembered, in bytes of envelopes and lists.
const maxKnown = 64 << 20

// get returns a copy whose lists are shared, to be read only; or nil and what put must be told.
func (k *known) get(d statement.Digest) (*store.Statement, int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if st, ok := k.of[d]; ok {
		return &st, k.writes
	}
	return nil, k.writes
}

// put remembers a complete statement that was read after get returned since, unless one was changed in between.
func (k *known) put(st store.Statement, since int64) {
	const around = 512
	n := len(st.Envelope) + around*(1+len(st.Authors)+len(st.Readers)+len(st.Refs))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.writes != since || !st.Complete || n > maxKnown/16 {
		return
	}
	if k.of == nil || k.bytes+n > maxKnown {
		k.of, k.bytes = map[statement.Digest]store.Statement{}, 0
	}
	if _, ok := k.of[st.Digest]; !ok {
		k.bytes += n
	}
	k.of[st.Digest] = st
}

// forget is called once a write that changes statements has ended, before its caller learns of it.
func (k *known) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes++
	k.of, k.bytes = nil, 0
}
