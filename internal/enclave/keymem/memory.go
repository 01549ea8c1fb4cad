package keymem

import (
	"errors"
	"sync"
)

// Forms of key memory, strongest first, as receipts name them.
const (
	// Secret: a secret memory file (memfd_secret). The kernel takes its pages out of its own map and zeroes them when the process
	// ends; nobody reads them through /proc or ptrace.
	Secret = "memfd_secret"
	// Locked: private pages, locked, in no core dump.
	Locked = "mlock"
	// None: the Go heap. The limit on locked memory is too low, or the system knows no such thing.
	None = "none"
)

const (
	slotSize = 32
	size     = 256 << 10 // 8,192 keys; memory is taken as it is used
)

// Errors of Take.
var (
	ErrFull   = errors.New("keymem: no room for another key")
	ErrSize   = errors.New("keymem: a key of another size")
	ErrClosed = errors.New("keymem: closed")
)

// Memory lends room for keys. Its methods may be called concurrently.
type Memory struct {
	form string

	mu     sync.Mutex
	pages  []byte
	free   [][]byte // slots given back
	next   int      // the first byte never lent
	closed bool
}

// Form of the memory.
func (m *Memory) Form() string { return m.form }

// Take lends 32 zeroed bytes.
func (m *Memory) Take(n int) ([]byte, error) {
	if n != slotSize {
		return nil, ErrSize
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch last := len(m.free) - 1; {
	case m.closed:
		return nil, ErrClosed
	case last >= 0:
		b := m.free[last]
		m.free = m.free[:last]
		return b, nil
	case m.next+slotSize > len(m.pages):
		return nil, ErrFull
	}
	b := m.pages[m.next : m.next+slotSize : m.next+slotSize]
	m.next += slotSize
	return b, nil
}

// Give wipes what Take lent, and takes it back. The caller must not use it any more.
func (m *Memory) Give(b []byte) {
	clear(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.free = append(m.free, b)
	}
}

// Close wipes every key that was ever lent. Nothing can be taken any more; what was lent reads as zeroes.
func (m *Memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.pages[:m.next])
	m.closed, m.free = true, nil
}
