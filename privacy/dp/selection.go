package dp

import (
	"math/big"

	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/privacy/dp/sample"
)

const (
	keepBits  = 192     // of a chance to be shown
	maxKeep   = 1 << 20 // steps until a group is shown for sure
	leastPart = 1 << 10 // 1/epsilon of one group
)

// selection prepares the choice of groups (docs/spec/dp.md, section 7.4). A unit is in at most c groups, so each is chosen under
// epsilon/c and delta/c. Under zCDP the part rho pays for epsilon = sqrt(2 rho), rounded down.
func (c *Checked) selection(part *big.Rat) error {
	delta, err := c.spec.Rule.Delta.Rat()
	if err != nil || delta.Sign() == 0 || delta.Cmp(big.NewRat(1, 1)) >= 0 || delta.Denom().BitLen() > 64 {
		return ErrSpec
	}
	c.cost.Delta = delta
	if c.spec.Rule.Mechanism == Gaussian {
		part = sqrtDown(new(big.Rat).Add(part, part))
	}
	groups := big.NewRat(c.spec.Rule.MaxGroups, 1)
	epsilon := new(big.Rat).Quo(part, groups)
	if epsilon.Cmp(big.NewRat(1, leastPart)) < 0 {
		return ErrSpec
	}
	c.keep, err = chances(epsilon, new(big.Rat).Quo(delta, groups))
	return err
}

// sqrtDown is at most the root of x, and within 2^-64 of it.
func sqrtDown(x *big.Rat) *big.Rat {
	n := new(big.Int).Lsh(x.Num(), 128)
	n.Quo(n, x.Denom()).Sqrt(n)
	return new(big.Rat).SetFrac(n, new(big.Int).Lsh(big.NewInt(1), 64))
}

// chances is the truncated geometric choice (Desfontaines, Voss, Gipson and Mandayam 2020), the one that shows
// most under (epsilon, delta): with n units a group is shown with the chance p(n), where p(0) = 0 and
//
//	p(n+1) = min(e^epsilon p(n) + delta, 1 - (1 - p(n) - delta)/e^epsilon, 1).
//
// For e^epsilon stands a rational E below it, so that the choice is as private as it says for ln E, and E for both limits.
// Rounding p down keeps both: each of them bounds p(n+1) from above. It also keeps p from falling, as p(n) is on the grid.
func chances(epsilon, delta *big.Rat) ([]*big.Int, error) {
	whole := new(big.Int).Lsh(big.NewInt(1), keepBits)
	d := scaled(delta, whole)
	grow := account.ExpLower(epsilon)
	if d.Sign() == 0 || grow.Cmp(big.NewRat(1, 1)) <= 0 {
		return nil, ErrSpec
	}
	out := []*big.Int{new(big.Int)}
	for p := out[0]; p.Cmp(whole) < 0; out = append(out, p) {
		if len(out) > maxKeep {
			return nil, ErrSpec
		}
		p = next(p, d, whole, grow)
	}
	return out, nil
}

// next is p(n+1), rounded down; all over whole.
func next(p, delta, whole *big.Int, grow *big.Rat) *big.Int {
	up := new(big.Int).Mul(p, grow.Num())
	up.Quo(up, grow.Denom()).Add(up, delta)
	rest := new(big.Int).Sub(whole, p)
	rest.Sub(rest, delta)
	if rest.Sign() <= 0 {
		rest.SetInt64(0)
	}
	rest.Mul(rest, grow.Denom())
	rest, odd := rest.QuoRem(rest, grow.Num(), new(big.Int))
	if odd.Sign() != 0 {
		rest.Add(rest, big.NewInt(1))
	}
	down := rest.Sub(whole, rest)
	if up.Cmp(down) < 0 {
		return up
	}
	return down
}

func scaled(x *big.Rat, whole *big.Int) *big.Int {
	n := new(big.Int).Mul(x.Num(), whole)
	return n.Quo(n, x.Denom())
}

// shown draws whether a group of so many units is shown. The threshold of the policy shifts the chances: with fewer than
// min_units the chance is 0, as it is for no unit, and one unit more moves it one step, as before. To ask for min_units and
// then for the chance of all units would be a jump that a single unit makes.
func (c *Checked) shown(u sample.Uniform, units int64) (bool, error) {
	n := units - (c.spec.Rule.MinUnits - 1)
	if n <= 0 {
		return false, nil
	}
	chance := c.keep[min(n, int64(len(c.keep)-1))]
	return sample.Bernoulli(u, chance, new(big.Int).Lsh(big.NewInt(1), keepBits))
}
