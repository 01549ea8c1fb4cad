package shamir

import (
	"crypto/rand"
	"errors"
)

// MaxShares is how many there can be: each has its own number from 1.
const MaxShares = 255

// Errors of splitting and combining, for errors.Is.
var (
	ErrNumbers = errors.New("shamir: a threshold is at least 2 and at most the number of shares, of which there are at most 255")
	ErrShares  = errors.New("shamir: shares are missing, repeated or of different lengths")
)

// Share is one point of each byte's polynomial: at X, which is not 0.
type Share struct {
	X byte
	Y []byte
}

// Split makes n shares, any t of which give back the secret. The polynomials have degree t-1, the secret's byte as their value at 0,
// and uniform coefficients, zero among them: else fewer shares would say something.
func Split(secret []byte, n, t int) ([]Share, error) {
	if t < 2 || t > n || n > MaxShares || len(secret) == 0 {
		return nil, ErrNumbers
	}
	shares := make([]Share, n)
	for i := range shares {
		shares[i] = Share{X: byte(i + 1), Y: make([]byte, len(secret))}
	}
	coefficients := make([]byte, t)
	defer clear(coefficients)
	for at, b := range secret {
		coefficients[0] = b
		if _, err := rand.Read(coefficients[1:]); err != nil {
			return nil, err
		}
		for i := range shares {
			shares[i].Y[at] = value(coefficients, shares[i].X)
		}
	}
	return shares, nil
}

// value of a polynomial at x, by Horner's rule.
func value(coefficients []byte, x byte) byte {
	var out byte
	for i := len(coefficients) - 1; i >= 0; i-- {
		out = mul(out, x) ^ coefficients[i]
	}
	return out
}

// Combine gives back the secret from at least as many shares as the threshold. From fewer, or from others, it gives something else:
// whoever calls it has to check.
func Combine(shares []Share) ([]byte, error) {
	if len(shares) < 2 || len(shares) > MaxShares || len(shares[0].Y) == 0 {
		return nil, ErrShares
	}
	seen := [256]bool{0: true}
	for _, s := range shares {
		if seen[s.X] || len(s.Y) != len(shares[0].Y) {
			return nil, ErrShares
		}
		seen[s.X] = true
	}
	out := make([]byte, len(shares[0].Y))
	for i, s := range shares {
		w := weight(shares, i)
		for at, y := range s.Y {
			out[at] ^= mul(y, w)
		}
	}
	return out, nil
}

// weight of share i in Lagrange's interpolation at 0: the product of x_j / (x_j - x_i) over all others. Subtracting is XOR.
func weight(shares []Share, i int) byte {
	over, under := byte(1), byte(1)
	for j, s := range shares {
		if j != i {
			over, under = mul(over, s.X), mul(under, s.X^shares[i].X)
		}
	}
	return mul(over, inverse(under))
}

// mul multiplies modulo x^8+x^4+x^3+x+1, in the same time whatever the factors: without tables or branches.
func mul(a, b byte) byte {
	var out byte
	for range 8 {
		out ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return out
}

// inverse is a^254, since a^255 is 1.
func inverse(a byte) byte {
	out := byte(1)
	for range 7 {
		a = mul(a, a)
		out = mul(out, a)
	}
	return out
}
