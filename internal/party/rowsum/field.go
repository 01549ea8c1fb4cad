package rowsum

import "math/bits"

// element is a number modulo p = 2^127 - 1. It is loose: at most 2^127, so that p is 0 too, and 2^127 is 1.
type element struct{ lo, hi uint64 }

const top = 1<<63 - 1 // the bits of hi that stand for less than 2^127

// fold makes a loose number of one below 2^128: 2^127 is 1.
func fold(lo, hi uint64) element {
	lo, carry := bits.Add64(lo, hi>>63, 0)
	return element{lo, hi&top + carry}
}

// exact is the number below p.
func (e element) exact() element {
	e = fold(e.lo, e.hi)
	if e.lo == 1<<64-1 && e.hi == top {
		return element{}
	}
	return e
}

func (e element) plus(o element) element {
	lo, carry := bits.Add64(e.lo, o.lo, 0)
	hi, carry := bits.Add64(e.hi, o.hi, carry) // a carry out of both being 2^127 alone: 2^128 is 2, and the rest is 0
	lo, carry = bits.Add64(lo, hi>>63|carry<<1, 0)
	return element{lo, hi&top + carry}
}

// times multiplies two loose numbers, at most 2^254: high times 2^127, and low.
func (e element) times(o element) element {
	h0, w0 := bits.Mul64(e.lo, o.lo)
	h1, l1 := bits.Mul64(e.lo, o.hi)
	h2, l2 := bits.Mul64(e.hi, o.lo)
	h3, l3 := bits.Mul64(e.hi, o.hi)
	w1, c := bits.Add64(h0, l1, 0)
	w2, c := bits.Add64(h1, l3, c)
	w3 := h3 + c
	w1, c = bits.Add64(w1, l2, 0)
	w2, c = bits.Add64(w2, h2, c)
	w3 += c
	lo, c := bits.Add64(w0, w2<<1|w1>>63, 0)
	return fold(lo, w1&top+(w3<<1|w2>>63)+c) // below 2^128
}

// factor multiplies words of 64 bits: low + high · 2^63.
type factor struct{ low, high uint64 }

// Four products of words by a low part stay below 2^126, four by a high part below 2^127.
const (
	lowBits  = 60
	highBits = 61
)

// joined is low + high · 2^63, each the sum of no more than four products. Of high = h1 · 2^64 + h0, h1 · 2^127 is h1. It is at most
// 2^126 + (2^127 - 2^63) + 2^63: below 2^128, but not loose.
func joined(l1, l0, h1, h0 uint64) element {
	lo, c := bits.Add64(l0, h0<<63, 0)
	hi := l1 + h0>>1 + c
	lo, c = bits.Add64(lo, h1, 0)
	return element{lo, hi + c}
}

// plusJoined is plus of a number out of joined: with a carry, what is left of their sum is below 2^127 - 2.
func (e element) plusJoined(l1, l0, h1, h0 uint64) element { return e.plus(joined(l1, l0, h1, h0)) }

func (f factor) word(x uint64) element {
	l1, l0 := bits.Mul64(f.low, x)
	h1, h0 := bits.Mul64(f.high, x)
	return element{}.plusJoined(l1, l0, h1, h0)
}

// element is the factor itself.
func (f factor) element() element { return f.word(1) }

// addWords adds x[i] · f to each sum.
func addWords(sums []element, f factor, x []int64) {
	x = x[:len(sums)]
	for i := range sums {
		l1, l0 := bits.Mul64(f.low, uint64(x[i]))
		h1, h0 := bits.Mul64(f.high, uint64(x[i]))
		sums[i] = sums[i].plusJoined(l1, l0, h1, h0)
	}
}

// addFour adds the words of four columns, each times its factor.
func addFour(sums []element, f *[4]factor, x *[4][]int64) {
	n := len(sums)
	a, b, c, d := x[0][:n], x[1][:n], x[2][:n], x[3][:n]
	for i := range sums {
		l1, l0 := bits.Mul64(f[0].low, uint64(a[i]))
		h1, h0 := bits.Mul64(f[0].high, uint64(a[i]))
		m1, m0 := bits.Mul64(f[1].low, uint64(b[i]))
		n1, n0 := bits.Mul64(f[1].high, uint64(b[i]))
		var k uint64
		l0, k = bits.Add64(l0, m0, 0)
		l1 += m1 + k
		h0, k = bits.Add64(h0, n0, 0)
		h1 += n1 + k
		m1, m0 = bits.Mul64(f[2].low, uint64(c[i]))
		n1, n0 = bits.Mul64(f[2].high, uint64(c[i]))
		l0, k = bits.Add64(l0, m0, 0)
		l1 += m1 + k
		h0, k = bits.Add64(h0, n0, 0)
		h1 += n1 + k
		m1, m0 = bits.Mul64(f[3].low, uint64(d[i]))
		n1, n0 = bits.Mul64(f[3].high, uint64(d[i]))
		l0, k = bits.Add64(l0, m0, 0)
		l1 += m1 + k
		h0, k = bits.Add64(h0, n0, 0)
		h1 += n1 + k
		sums[i] = sums[i].plusJoined(l1, l0, h1, h0)
	}
}

// product multiplies all of them, four apart so that the processor need not wait for each.
func product(e []element) element {
	p, q, r, s := element{lo: 1}, element{lo: 1}, element{lo: 1}, element{lo: 1}
	for ; len(e) >= 4; e = e[4:] {
		p, q, r, s = p.times(e[0]), q.times(e[1]), r.times(e[2]), s.times(e[3])
	}
	for _, x := range e {
		p = p.times(x)
	}
	return p.times(q).times(r.times(s))
}
