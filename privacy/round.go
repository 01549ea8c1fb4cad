package privacy

import "math/big"

// RoundCount rounds a count to the nearest multiple, half up. Counts are never negative.
func RoundCount(count *big.Int, multiple int64) *big.Int {
	m := big.NewInt(multiple)
	twice := new(big.Int).Lsh(count, 1)
	twice.Add(twice, m)
	twice.Quo(twice, new(big.Int).Lsh(m, 1))
	return twice.Mul(twice, m)
}

// RoundDigits rounds to significant decimal digits, half away from zero. Scaled integers keep their scale. Absolute rounding
// would be evaded by a factor inside the sum; significant digits are not.
func RoundDigits(v *big.Int, digits int64) *big.Int {
	abs := new(big.Int).Abs(v)
	excess := int64(len(abs.String())) - digits
	if excess <= 0 {
		return new(big.Int).Set(v)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(excess), nil)
	abs.Add(abs, new(big.Int).Rsh(unit, 1)) // unit is even: a power of ten above 1
	abs.Quo(abs, unit)
	abs.Mul(abs, unit)
	if v.Sign() < 0 {
		abs.Neg(abs)
	}
	return abs
}

// ceilMultiple rounds a number of cells up, so that it says little about how many there are.
func ceilMultiple(n, multiple int64) int64 { return (n + multiple - 1) / multiple * multiple }
