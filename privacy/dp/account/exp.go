package account

import "math/big"

// Bounds of exp and log in exact arithmetic: every step is rounded to 2^-256 in the direction that keeps the bound.
const precision = 256

// rounded gives x as a multiple of 2^-256, down or up.
func rounded(x *big.Rat, up bool) *big.Rat {
	n := new(big.Int).Lsh(x.Num(), precision)
	n, rest := n.DivMod(n, x.Denom(), new(big.Int)) // Euclidean: down for a positive denominator
	if up && rest.Sign() != 0 {
		n.Add(n, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(n, new(big.Int).Lsh(big.NewInt(1), precision))
}

// ExpLower is at most exp(x), for x >= 0. It is above 1 when x is above 2^-200.
func ExpLower(x *big.Rat) *big.Rat { return expBound(x, false) }

// expBound bounds exp(x) for x >= 0: it halves x until it is at most 1, sums the series, and squares back. The terms left
// out are positive; together they are less than twice the first of them, since each is at most half of the one before.
func expBound(x *big.Rat, up bool) *big.Rat {
	halvings := 0
	small := new(big.Rat).Set(x)
	for small.Cmp(big.NewRat(1, 1)) > 0 {
		small.Quo(small, big.NewRat(2, 1))
		halvings++
	}
	small = rounded(small, up)
	sum, term := new(big.Rat), big.NewRat(1, 1)
	for k := int64(1); k <= 64; k++ { // 1/64! < 2^-295
		sum.Add(sum, term)
		term.Mul(term, small)
		term = rounded(term.Quo(term, big.NewRat(k, 1)), up)
	}
	if up {
		sum.Add(sum, term.Add(term, term))
	}
	for ; halvings > 0; halvings-- {
		sum = rounded(sum.Mul(sum, sum), up)
	}
	return sum
}

// maxExponent is where exp(-x) is taken for exp(-maxExponent), which is larger.
const maxExponent = 4096

// expUpper is at least exp(x), for any x up to maxExponent.
func expUpper(x *big.Rat) *big.Rat {
	if x.Sign() >= 0 {
		return expBound(x, true)
	}
	u := new(big.Rat).Neg(x)
	if u.Cmp(big.NewRat(maxExponent, 1)) > 0 {
		u.SetInt64(maxExponent)
	}
	return rounded(u.Inv(expBound(u, false)), true)
}

// logUpper is at least ln(1 - 1/alpha), for alpha > 1: -2 atanh(1/(2 alpha - 1)). All terms of the series have one sign, so
// that leaving some out makes the result larger.
func logUpper(alpha *big.Rat) *big.Rat {
	z := new(big.Rat).Add(alpha, alpha)
	z = rounded(z.Inv(z.Sub(z, big.NewRat(1, 1))), false)
	square := rounded(new(big.Rat).Mul(z, z), false)
	sum := new(big.Rat)
	for k := int64(1); k < 4096 && z.Sign() > 0; k += 2 {
		sum.Add(sum, new(big.Rat).Quo(z, big.NewRat(k, 1)))
		sum = rounded(sum, false)
		z = rounded(z.Mul(z, square), false)
	}
	return sum.Neg(sum.Add(sum, sum))
}
