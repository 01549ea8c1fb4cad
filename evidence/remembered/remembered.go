package remembered

import (
	"crypto/sha256"
	"sync"
	"time"
)

// most and mostBytes bound what is remembered, by the bytes that verdicts are about: a kind of machine has some ten verdicts, about 60 KiB.
// What came first is forgotten first: whoever brings much else only makes others' be verified again.
const (
	most      = 4096
	mostBytes = 16 << 20
)

// Span is how long a verdict holds, both ends included. Without an end it is about bytes alone: what they say, whenever.
type Span struct{ From, Until time.Time }

// Always is the span of what does not depend on time.
func Always() Span { return Span{} }

// Within is the part of both spans.
func (s Span) Within(o Span) Span {
	if s.From.Before(o.From) {
		s.From = o.From
	}
	if s.Until.IsZero() || !o.Until.IsZero() && o.Until.Before(s.Until) {
		s.Until = o.Until
	}
	return s
}

func (s Span) holds(at time.Time) bool {
	return !at.Before(s.From) && (s.Until.IsZero() || !at.After(s.Until))
}

// Memory of verdicts. Nil remembers nothing. It may be used concurrently.
type Memory struct {
	mu    sync.Mutex
	known map[key]verdict
	order []key // oldest first
	size  int   // in bytes
}

type key [sha256.Size]byte

type verdict struct {
	value any
	span  Span
	size  int // of what it is about, in bytes
}

// New makes an empty memory.
func New() *Memory { return &Memory{known: map[key]verdict{}} }

// Do gives what verify gave before for the same question, if that holds at this time; else it asks verify, and remembers its answer
// for as long as verify says, unless it is an error. about names the question, with no zero byte in it; parts are all bytes that the
// answer depends on. Callers must not modify what they get: others get it too.
func Do[T any](m *Memory, about string, at time.Time, parts [][]byte, verify func() (T, Span, error)) (T, error) {
	if m == nil {
		v, _, err := verify()
		return v, err
	}
	k := keyOf(about, parts)
	if v, ok := m.recall(k, at).(T); ok {
		return v, nil
	}
	v, span, err := verify()
	if err == nil && span.holds(at) {
		m.keep(k, verdict{v, span, sizeOf(parts)})
	}
	return v, err
}

// keyOf hashes the question, a zero byte and the digest of each part: all digests have one length, so that no part runs into the next.
func keyOf(about string, parts [][]byte) key {
	in := append([]byte("cordon/remembered/v1/"+about), 0)
	for _, p := range parts {
		sum := sha256.Sum256(p)
		in = append(in, sum[:]...)
	}
	return sha256.Sum256(in)
}

func (m *Memory) recall(k key, at time.Time) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.known[k]; ok && v.span.holds(at) {
		return v.value
	}
	return nil
}

func sizeOf(parts [][]byte) (n int) {
	for _, p := range parts {
		n += len(p)
	}
	return n
}

func (m *Memory) keep(k key, v verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, again := m.known[k]; again || v.size > mostBytes { // again: of the same parts, by another at the same time
		return
	}
	for len(m.order) >= most || m.size+v.size > mostBytes {
		m.size -= m.known[m.order[0]].size
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
	m.known[k], m.order, m.size = v, append(m.order, k), m.size+v.size
}
