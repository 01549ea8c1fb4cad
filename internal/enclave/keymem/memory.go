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

// Rooms are of two sizes: for keys, and for keys that are expanded for code in C (package served), which begin at multiples of their size.
const (
	slotSize = 32
	wideSize = 1 << 10
	narrow   = 256 << 10 // 8,192 keys; memory is taken as it is used
	size     = narrow + 256<<10
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
	areas  [2]area
	closed bool
}

// area is memory for rooms of one size.
type area struct {
	slot  int
	pages []byte
	free  [][]byte // slots given back
	next  int      // the first byte never lent
}

// over makes a memory of this form.
func over(form string, pages []byte) *Memory {
	return &Memory{form: form, areas: [2]area{{slot: slotSize, pages: pages[:narrow:narrow]}, {slot: wideSize, pages: pages[narrow:]}}}
}

// Form of the memory.
func (m *Memory) Form() string { return m.form }

// Take lends 32 or 1,024 zeroed bytes.
func (m *Memory) Take(n int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.of(n)
	switch {
	case a == nil:
		return nil, ErrSize
	case m.closed:
		return nil, ErrClosed
	}
	return a.take()
}

func (m *Memory) of(n int) *area {
	for i := range m.areas {
		if m.areas[i].slot == n {
			return &m.areas[i]
		}
	}
	return nil
}

func (a *area) take() ([]byte, error) {
	if last := len(a.free) - 1; last >= 0 {
		b := a.free[last]
		a.free = a.free[:last]
		return b, nil
	}
	if a.next+a.slot > len(a.pages) {
		return nil, ErrFull
	}
	b := a.pages[a.next : a.next+a.slot : a.next+a.slot]
	a.next += a.slot
	return b, nil
}

// Give wipes what Take lent, and takes it back. The caller must not use it any more.
func (m *Memory) Give(b []byte) {
	clear(b)
	m.mu.Lock()
	defer m.mu.Unlock()
	if a := m.of(len(b)); a != nil && !m.closed {
		a.free = append(a.free, b)
	}
}

// Close wipes every key that was ever lent. Nothing can be taken any more; what was lent reads as zeroes.
func (m *Memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.areas {
		a := &m.areas[i]
		clear(a.pages[:a.next])
		a.free = nil
	}
	m.closed = true
}
