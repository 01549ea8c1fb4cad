//go:build !linux

package memfile

import "errors"

// Scratch is memory for bytes on their way. It is not for secrets: nothing zeroes it.
type Scratch struct{ mem []byte }

// NewScratch makes n bytes.
func NewScratch(n int64) (*Scratch, error) {
	if n <= 0 || int64(int(n)) != n {
		return nil, errors.New("scratch memory: size out of range")
	}
	return &Scratch{make([]byte, n)}, nil
}

// Bytes is the memory.
func (s *Scratch) Bytes() []byte { return s.mem }

// Free gives the memory back. Freeing twice is harmless.
func (s *Scratch) Free() { s.mem = nil }
