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
	Rho   *big.Rat // required: zero-concentrated differential privacy
	Delta *big.Rat // required, may be 0: the chance that Rho does not hold, from the selection of groups
}

func (c Cost) valid() bool {
	for _, x := range []*big.Rat{c.Rho, c.Delta} {
		if _, err := AmountOf(x); err != nil {
			return false
		}
	}
	return c.Delta.Cmp(big.NewRat(1, 1)) < 0
}

func (c Cost) plus(o Cost) Cost {
	return Cost{new(big.Rat).Add(c.Rho, o.Rho), new(big.Rat).Add(c.Delta, o.Delta)}
}

func (c Cost) within(total Cost) bool {
	return c.Rho.Cmp(total.Rho) <= 0 && c.Delta.Cmp(total.Delta) <= 0
}

func (c Cost) equal(o Cost) bool { return c.Rho.Cmp(o.Rho) == 0 && c.Delta.Cmp(o.Delta) == 0 }

func nothing() Cost { return Cost{new(big.Rat), new(big.Rat)} }

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
