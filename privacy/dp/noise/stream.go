package noise

import (
	"crypto/cipher"
	"math/big"
)

const (
	maxStream = 1 << 20 // bytes of one stream; a sample takes some hundred
	maxBytes  = 512     // of one integer
	chunk     = 256     // bytes made at a time
)

// Stream gives uniform integers. One goroutine may use it at a time.
type Stream struct {
	ctr  cipher.Stream
	buf  [chunk]byte
	next []byte // of buf, not yet used
	left int    // bytes that may still be given
}

// Below gives a uniform integer of 0 to n-1 by rejection (docs/spec/dp.md, section 4.2). It takes the fewest whole bytes
// that n-1 fits in, none for n = 1, drops the bits above, and starts again when n is reached: every integer is hit by one
// pattern, so there is no bias to bound.
func (s *Stream) Below(n *big.Int) (*big.Int, error) {
	if n.Sign() <= 0 {
		return nil, ErrRange
	}
	out := new(big.Int).Sub(n, big.NewInt(1))
	bits := out.BitLen()
	size := (bits + 7) / 8
	if size > maxBytes {
		return nil, ErrRange
	}
	var room [maxBytes]byte
	b := room[:size]
	for {
		if err := s.read(b); err != nil {
			return nil, err
		}
		if size > 0 {
			b[0] &= 0xff >> (8*size - bits)
		}
		if out.SetBytes(b).Cmp(n) < 0 {
			return out, nil
		}
	}
}

// read fills b with the next bytes, or fails without giving any.
func (s *Stream) read(b []byte) error {
	if len(b) > s.left {
		return ErrExhausted
	}
	s.left -= len(b)
	for len(b) > 0 {
		if len(s.next) == 0 {
			clear(s.buf[:])
			s.ctr.XORKeyStream(s.buf[:], s.buf[:])
			s.next = s.buf[:]
		}
		n := copy(b, s.next)
		b, s.next = b[n:], s.next[n:]
	}
	return nil
}
