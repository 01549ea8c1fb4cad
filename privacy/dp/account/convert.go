package account

import (
	"errors"
	"math"
	"math/big"
)

// ErrConvert says that a conversion was asked for outside of its range.
var ErrConvert = errors.New("account: out of the range of the conversion")

// Delta is a delta for which rho-zCDP is (epsilon, delta)-DP (docs/spec/dp.md, section 8.2):
//
//	exp((alpha-1)(alpha rho - epsilon)) (1 - 1/alpha)^alpha / (alpha-1)    (Canonne, Kamath and Steinke, v3, p. 13)
//
// for any alpha > 1. Floating point only looks for a good alpha; the bound itself is computed exactly and rounded up.
func Delta(rho, epsilon *big.Rat) (*big.Rat, error) {
	if !convertible(rho) || !convertible(epsilon) {
		return nil, ErrConvert
	}
	if rho.Sign() == 0 {
		return new(big.Rat), nil
	}
	return deltaAt(rho, epsilon, goodAlpha(rho, epsilon)), nil
}

func convertible(x *big.Rat) bool {
	_, err := AmountOf(x)
	return err == nil && x.Cmp(big.NewRat(1<<10, 1)) <= 0 && (x.Sign() == 0 || x.Cmp(smallest()) >= 0)
}

// smallest is the least number but 0 that is converted, far from where floating point ends.
func smallest() *big.Rat { return big.NewRat(1, 1<<40) }

// goodAlpha looks for the alpha with the least bound, where the derivative of its logarithm is zero. What it finds is within
// the limits of deltaAt, good or not.
func goodAlpha(rho, epsilon *big.Rat) *big.Rat {
	r, _ := rho.Float64()
	e, _ := epsilon.Float64()
	lo, hi := 1.01, (e+1)/(2*r)+2
	for range 200 {
		mid := (lo + hi) / 2
		if (2*mid-1)*r-e+math.Log1p(-1/mid) < 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	return new(big.Rat).SetFloat64(hi)
}

// deltaAt is the bound for one alpha, rounded up, at most 1.
func deltaAt(rho, epsilon, alpha *big.Rat) *big.Rat {
	one := big.NewRat(1, 1)
	above := new(big.Rat).Sub(alpha, one)
	x := new(big.Rat).Mul(alpha, rho)
	x.Sub(x, epsilon).Mul(x, above)
	x.Add(x, new(big.Rat).Mul(alpha, logUpper(alpha)))
	if x.Cmp(big.NewRat(maxExponent, 1)) > 0 {
		return one
	}
	d := rounded(new(big.Rat).Quo(expUpper(x), above), true)
	if d.Cmp(one) > 0 {
		return one
	}
	return d
}

// Epsilon is an epsilon for which rho-zCDP is (epsilon, delta)-DP, close above the least that Delta shows.
func Epsilon(rho, delta *big.Rat) (*big.Rat, error) {
	if !convertible(rho) || !chance(delta) {
		return nil, ErrConvert
	}
	if rho.Sign() == 0 {
		return new(big.Rat), nil
	}
	enough := func(x float64) bool { return atMost(rho, new(big.Rat).SetFloat64(x), delta) }
	hi := 1.0
	for !enough(hi) {
		if hi *= 2; hi > 1<<10 {
			return nil, ErrConvert
		}
	}
	_, hi = search(0, hi, func(x float64) bool { return !enough(x) })
	return new(big.Rat).SetFloat64(hi), nil
}

// Rho is a rho for which rho-zCDP is (epsilon, delta)-DP, close below the largest that Delta shows.
func Rho(epsilon, delta *big.Rat) (*big.Rat, error) {
	if !convertible(epsilon) || !chance(delta) {
		return nil, ErrConvert
	}
	e, _ := epsilon.Float64()
	lo, _ := search(0, e+1, func(x float64) bool { return atMost(new(big.Rat).SetFloat64(x), epsilon, delta) })
	return new(big.Rat).SetFloat64(lo), nil
}

// Total is the budget that keeps (epsilon, delta)-DP over all releases together, whichever of its two accounts covers them at the
// end (docs/spec/dp.md, section 8.3): half of delta pays for the conversion, a quarter in each account for the selection of groups.
func Total(epsilon, delta *big.Rat) (Cost, error) {
	if !chance(delta) {
		return Cost{}, ErrConvert
	}
	half := new(big.Rat).Quo(delta, big.NewRat(2, 1))
	rho, err := Rho(epsilon, half)
	if err != nil {
		return Cost{}, err
	}
	return Cost{Rho: rho, Delta: half.Quo(half, big.NewRat(2, 1)), Epsilon: new(big.Rat).Set(epsilon)}, nil
}

// chance is a delta that can be converted: more than 2^-192, less than 1.
func chance(delta *big.Rat) bool {
	least := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), 192))
	return delta != nil && delta.Cmp(least) > 0 && delta.Cmp(big.NewRat(1, 1)) < 0
}

func atMost(rho, epsilon, delta *big.Rat) bool {
	d, err := Delta(rho, epsilon)
	return err == nil && d.Cmp(delta) <= 0
}

// search halves lo..hi 48 times, where holds is true for lo and false for hi, and keeps it that way: what is returned was
// tested, or is where it began.
func search(lo, hi float64, holds func(float64) bool) (float64, float64) {
	for range 48 {
		if mid := (lo + hi) / 2; holds(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, hi
}
