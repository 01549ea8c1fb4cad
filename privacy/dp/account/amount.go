package account

import (
	"errors"
	"math/big"
)

// ErrAmount says that a number is negative, too long or not in its one form.
var ErrAmount = errors.New("account: not an amount")

const (
	maxAmountBits = 1024 // of a numerator or denominator
	maxAmountText = 640  // characters: two numbers of 1024 bits and a slash
)

// Amount is an exact number of at least 0 in its one form: digits, and behind a slash the denominator if it is not 1, in
// lowest terms. The empty text is no amount.
type Amount string

// AmountOf gives the form of x, which is not negative and not longer than the limit.
func AmountOf(x *big.Rat) (Amount, error) {
	if x == nil || x.Sign() < 0 || x.Num().BitLen() > maxAmountBits || x.Denom().BitLen() > maxAmountBits {
		return "", ErrAmount
	}
	return Amount(x.RatString()), nil
}

// Rat is the number, exactly. What it accepts has no other form.
func (a Amount) Rat() (*big.Rat, error) {
	if len(a) == 0 || len(a) > maxAmountText {
		return nil, ErrAmount
	}
	for _, c := range a {
		if c != '/' && (c < '0' || c > '9') {
			return nil, ErrAmount
		}
	}
	x, ok := new(big.Rat).SetString(string(a))
	if !ok {
		return nil, ErrAmount
	}
	if again, err := AmountOf(x); err != nil || again != a {
		return nil, ErrAmount
	}
	return x, nil
}

// Cost is what a release takes from a budget, or all that a budget has.
type Cost struct {
	Rho     *big.Rat // required: zero-concentrated differential privacy
	Delta   *big.Rat // required, may be 0: the chance that Rho and Epsilon do not hold, from the selection of groups
	Epsilon *big.Rat // nil: not known to be pure; else Rho is PureRho of it, but in a sum or a total
}

func (c Cost) valid() bool {
	for _, x := range []*big.Rat{c.Rho, c.Delta} {
		if _, err := AmountOf(x); err != nil {
			return false
		}
	}
	if c.Epsilon != nil {
		if _, err := AmountOf(c.Epsilon); err != nil {
			return false
		}
	}
	return c.Delta.Cmp(big.NewRat(1, 1)) < 0
}

// Plus is the cost of both. It is pure where both are.
func (c Cost) Plus(o Cost) Cost {
	sum := Cost{Rho: new(big.Rat).Add(c.Rho, o.Rho), Delta: new(big.Rat).Add(c.Delta, o.Delta)}
	if c.Epsilon != nil && o.Epsilon != nil {
		sum.Epsilon = new(big.Rat).Add(c.Epsilon, o.Epsilon)
	}
	return sum
}

// Within reports whether a total covers a cost, by one of its accounts: the sum of rho, or that of pure epsilon
// (docs/spec/dp.md, section 8.3).
func (c Cost) Within(total Cost) bool {
	if c.Delta.Cmp(total.Delta) > 0 {
		return false
	}
	return c.Rho.Cmp(total.Rho) <= 0 || c.Epsilon != nil && total.Epsilon != nil && c.Epsilon.Cmp(total.Epsilon) <= 0
}

func (c Cost) equal(o Cost) bool {
	same := c.Epsilon == nil && o.Epsilon == nil || c.Epsilon != nil && o.Epsilon != nil && c.Epsilon.Cmp(o.Epsilon) == 0
	return same && c.Rho.Cmp(o.Rho) == 0 && c.Delta.Cmp(o.Delta) == 0
}

// Nothing is what no release costs.
func Nothing() Cost { return Cost{new(big.Rat), new(big.Rat), new(big.Rat)} }

// left is what a total has beyond what was spent, nothing where that is more.
func (c Cost) left(spent Cost) Cost {
	beyond := func(total, spent *big.Rat) *big.Rat {
		if total == nil {
			return nil
		}
		if spent == nil || spent.Cmp(total) > 0 {
			return new(big.Rat)
		}
		return new(big.Rat).Sub(total, spent)
	}
	return Cost{beyond(c.Rho, spent.Rho), beyond(c.Delta, spent.Delta), beyond(c.Epsilon, spent.Epsilon)}
}

// PureRho is the cost of pure epsilon: epsilon²/2 (Bun and Steinke, proposition 1.4).
func PureRho(epsilon *big.Rat) *big.Rat {
	rho := new(big.Rat).Mul(epsilon, epsilon)
	return rho.Quo(rho, big.NewRat(2, 1))
}

// GaussianRho is the cost of discrete Gaussian noise of variance parameter sigma2 on numbers whose squared differences sum to
// at most l2sq: l2sq/(2 sigma2) (Canonne, Kamath and Steinke, for several numbers).
func GaussianRho(l2sq, sigma2 *big.Rat) (*big.Rat, error) {
	if l2sq.Sign() < 0 || sigma2.Sign() <= 0 {
		return nil, ErrAmount
	}
	rho := new(big.Rat).Quo(l2sq, sigma2)
	return rho.Quo(rho, big.NewRat(2, 1)), nil
}
