package dp

import (
	"math/big"

	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/privacy/dp/sample"
)

// drawer draws the noise of one slot.
type drawer func(sample.Uniform) (*big.Int, error)

// budget divides what the release takes (docs/spec/dp.md, section 7.2): one equal part to every aggregate, halved between the two
// numbers of a mean, and one to the selection of groups if there is one.
func (c *Checked) budget() error {
	r := &c.spec.Rule
	parts := int64(len(c.spec.Aggregates))
	if c.spec.Groups == Selected {
		parts++
	}
	total, err := amount(r.Epsilon + r.Rho) // one of them is there
	if err != nil {
		return err
	}
	part := new(big.Rat).Quo(total, big.NewRat(parts, 1))
	c.cost = account.Cost{Rho: total, Delta: new(big.Rat)}
	if r.Mechanism == Laplace {
		c.cost.Rho, c.cost.Epsilon = account.PureRho(total), total
	}
	for i := range c.slots {
		c.noises = append(c.noises, c.noise(&c.slots[i], part))
	}
	if c.spec.Groups == Selected {
		return c.selection(part)
	}
	return nil
}

// amount is an epsilon or rho of one release: short enough for a budget to sum.
func amount(a account.Amount) (*big.Rat, error) {
	x, err := a.Rat()
	if err != nil || x.Sign() == 0 || x.Cmp(big.NewRat(maxBudget, 1)) > 0 || x.Denom().BitLen() > 31 {
		return nil, ErrSpec
	}
	return x, nil
}

// Scales are the scales of Laplace noise by aggregate, one for each of its slots (docs/spec/dp.md, section 7.3); nil for Gaussian noise.
func (c *Checked) Scales() [][]*big.Rat {
	if c.spec.Rule.Mechanism != Laplace {
		return nil
	}
	out := make([][]*big.Rat, len(c.first))
	for i, at := range c.first {
		end := len(c.slots)
		if i+1 < len(c.first) {
			end = c.first[i+1]
		}
		for _, x := range c.scales[at:end] {
			out[i] = append(out[i], new(big.Rat).Set(x))
		}
	}
	return out
}

// noise is scaled to what one unit more or less changes (docs/spec/dp.md, section 7.3). A unit is in at most c groups and adds
// at most w to each, so the numbers of all groups together change by L1 = c w, and by L2² = c w². Where one person may be
// several units, all of them may be in the same groups: w grows with them.
func (c *Checked) noise(s *slot, part *big.Rat) drawer {
	w := s.clamp.Width()
	w.Mul(w, big.NewInt(c.spec.Copies))
	groups := big.NewInt(c.spec.Rule.MaxGroups)
	budget := new(big.Rat).Mul(part, s.share)
	if c.spec.Rule.Mechanism == Laplace {
		l1 := new(big.Rat).SetInt(new(big.Int).Mul(groups, w))
		scale := l1.Quo(l1, budget) // L1 / epsilon
		c.scales = append(c.scales, scale)
		return func(u sample.Uniform) (*big.Int, error) { return sample.Laplace(u, scale.Num(), scale.Denom()) }
	}
	l2sq := new(big.Rat).SetInt(new(big.Int).Mul(groups, new(big.Int).Mul(w, w)))
	sigma2 := l2sq.Quo(l2sq, new(big.Rat).Add(budget, budget)) // L2² / (2 rho)
	return func(u sample.Uniform) (*big.Int, error) { return sample.Gaussian(u, sigma2) }
}
