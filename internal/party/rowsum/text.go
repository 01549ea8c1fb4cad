package rowsum

import (
	"encoding/binary"
	"math/bits"
)

// Texts are cut into words of seven bytes, and of these textBlock products by a wide factor's low part stay below 2^125, by its high part below
// 2^126.
const (
	textWord  = 7
	textBlock = 64
)

// wide is an exact number as a factor of words of 56 bits.
func wide(e element) factor { return factor{e.lo & top, e.hi<<1 | e.lo>>63} }

// text is the sum of a text's words, the last one filled with zeros, and behind them its length, each times a power of the
// column's factor: the first times the factor, the next its square.
func (c *column) text(t []byte) element {
	var sum element
	shift := element{lo: 1} // the power that this block begins behind
	for size, ended := uint64(len(t)), false; !ended; {
		var l1, l0, h1, h0 uint64
		for i := range c.powers {
			var w uint64
			if w, t = nextWord(t); w == noWord {
				w, ended = size, true
			}
			f := &c.powers[i]
			m1, m0 := bits.Mul64(f.low, w)
			n1, n0 := bits.Mul64(f.high, w)
			var k uint64
			l0, k = bits.Add64(l0, m0, 0)
			l1 += m1 + k
			h0, k = bits.Add64(h0, n0, 0)
			h1 += n1 + k
			if ended {
				break
			}
		}
		sum = sum.plus(shift.times(element{}.plusJoined(l1, l0, h1, h0)))
		if !ended {
			shift = shift.times(c.next)
		}
	}
	return sum
}

const noWord = 1<<64 - 1

// nextWord takes up to seven bytes off a text, the first as the lowest.
func nextWord(t []byte) (uint64, []byte) {
	if len(t) >= 8 {
		return binary.LittleEndian.Uint64(t) & (1<<(8*textWord) - 1), t[textWord:]
	}
	if len(t) == 0 {
		return noWord, nil
	}
	n := min(len(t), textWord)
	var b [8]byte
	copy(b[:], t[:n])
	return binary.LittleEndian.Uint64(b[:]), t[n:]
}
