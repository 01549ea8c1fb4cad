package sample

import (
	"errors"
	"math/big"
)

// Uniform gives uniform integers of 0 to n-1, independent of one another.
type Uniform interface {
	Below(n *big.Int) (*big.Int, error)
}

// ErrParameter says that a parameter is out of range. Parameters come from policies, so this says nothing about data.
var ErrParameter = errors.New("sample: parameter out of range")

// maxBits bounds every numerator and denominator.
const maxBits = 1024

var one = big.NewInt(1)

// positive refuses what is not an integer of 1 to 2^maxBits.
func positive(n *big.Int) bool { return n != nil && n.Sign() > 0 && n.BitLen() <= maxBits }

func fraction(x *big.Rat) bool {
	return x != nil && x.Sign() >= 0 && x.Num().BitLen() <= maxBits && x.Denom().BitLen() <= maxBits
}

// Bernoulli is true with probability a/b, for 0 <= a <= b and b >= 1.
func Bernoulli(u Uniform, a, b *big.Int) (bool, error) {
	if b.Sign() <= 0 || a.Sign() < 0 || a.Cmp(b) > 0 {
		return false, ErrParameter
	}
	x, err := u.Below(b)
	return err == nil && x.Cmp(a) < 0, err
}

// BernoulliExp is true with probability exp(-gamma), for gamma >= 0 (algorithm 1).
func BernoulliExp(u Uniform, gamma *big.Rat) (bool, error) {
	if !fraction(gamma) {
		return false, ErrParameter
	}
	return bernoulliExp(u, gamma.Num(), gamma.Denom())
}

// bernoulliExp is BernoulliExp for a/b. With a > b it is true if floor(a/b) draws of exp(-1) and one of the rest all are:
// the first that is not ends it, so that a large a/b costs nothing.
func bernoulliExp(u Uniform, a, b *big.Int) (bool, error) {
	if a.Cmp(b) <= 0 {
		return bernoulliExp1(u, a, b)
	}
	whole, rest := new(big.Int).QuoRem(a, b, new(big.Int))
	for ; whole.Sign() > 0; whole.Sub(whole, one) {
		if yes, err := bernoulliExp1(u, one, one); err != nil || !yes {
			return false, err
		}
	}
	return bernoulliExp1(u, rest, b)
}

// bernoulliExp1 is algorithm 1 for a/b of 0 to 1: with K the first k for which Bernoulli(a/(b k)) is false,
// P(K > k) = (a/b)^k / k!, so P(K odd) = exp(-a/b).
func bernoulliExp1(u Uniform, a, b *big.Int) (bool, error) {
	for k := int64(1); ; k++ {
		again, err := Bernoulli(u, a, new(big.Int).Mul(b, big.NewInt(k)))
		if err != nil {
			return false, err
		}
		if !again {
			return k%2 == 1, nil
		}
	}
}

// Laplace draws from the discrete Laplace distribution of scale t/s: P(x) is proportional to exp(-|x| s/t) (algorithm 2).
func Laplace(u Uniform, t, s *big.Int) (*big.Int, error) {
	if !positive(t) || !positive(s) {
		return nil, ErrParameter
	}
	for {
		y, negative, err := laplace(u, t, s)
		if err != nil {
			return nil, err
		}
		if y == nil || negative && y.Sign() == 0 { // zero has no sign: two ways to it would make it twice as likely
			continue
		}
		if negative {
			y.Neg(y)
		}
		return y, nil
	}
}

// laplace is one attempt of algorithm 2: nil is a rejection.
func laplace(u Uniform, t, s *big.Int) (y *big.Int, negative bool, err error) {
	x, err := u.Below(t)
	if err != nil {
		return nil, false, err
	}
	if keep, err := bernoulliExp1(u, x, t); err != nil || !keep {
		return nil, false, err
	}
	v, err := geometric(u)
	if err != nil {
		return nil, false, err
	}
	y = v.Mul(v, t)
	y.Add(y, x).Quo(y, s)
	negative, err = Bernoulli(u, one, big.NewInt(2))
	return y, negative, err
}

// geometric counts draws of exp(-1) before the first that is false.
func geometric(u Uniform) (*big.Int, error) {
	for v := int64(0); ; v++ {
		again, err := bernoulliExp1(u, one, one)
		if err != nil {
			return nil, err
		}
		if !again {
			return big.NewInt(v), nil
		}
	}
}

// Gaussian draws from the discrete Gaussian distribution: P(x) is proportional to exp(-x²/(2 sigma2)) (algorithm 3). It is
// not the continuous one rounded.
func Gaussian(u Uniform, sigma2 *big.Rat) (*big.Int, error) {
	if !fraction(sigma2) || sigma2.Sign() == 0 {
		return nil, ErrParameter
	}
	p, q := sigma2.Num(), sigma2.Denom()
	t := new(big.Int).Quo(p, q)
	t.Sqrt(t).Add(t, one) // floor(sigma) + 1, as floor(sqrt(x)) = floor(sqrt(floor(x)))
	qt := new(big.Int).Mul(q, t)
	// (|y| - sigma²/t)² / (2 sigma²) = (|y| q t - p)² / (2 p q t²)
	below := new(big.Int).Mul(p, qt)
	below.Mul(below, t).Lsh(below, 1)
	for {
		y, err := Laplace(u, t, one)
		if err != nil {
			return nil, err
		}
		above := new(big.Int).Abs(y)
		above.Mul(above, qt).Sub(above, p)
		keep, err := bernoulliExp(u, above.Mul(above, above), below)
		if err != nil {
			return nil, err
		}
		if keep {
			return y, nil
		}
	}
}
