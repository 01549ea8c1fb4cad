package policy

import (
	"math/big"
	"time"
)

// DP is the budget that an owner sets with output: dp. It is of the data set, not of a version.
type DP struct {
	EpsilonMaxQuery *big.Rat // of one query
	Epsilon         *big.Rat // with Delta: of everything that is ever released, to all together
	Delta           *big.Rat
	PerOrg          *big.Rat      // of what one organisation is charged for within Period; nil: no such cap
	Period          time.Duration // 0: for life
}

// Noisy reports whether all that leaves carries noise: output: dp.
func (p *Policy) Noisy() bool { return p.output == outputDP }

// DP returns the budget of a policy with output: dp.
func (p *Policy) DP() (DP, bool) {
	if !p.Noisy() || p.dp == nil {
		return DP{}, false
	}
	d := DP{
		EpsilonMaxQuery: new(big.Rat).Set(p.dp.epsilonMaxQuery), Epsilon: new(big.Rat).Set(p.dp.epsilon),
		Delta: new(big.Rat).Set(p.dp.delta), Period: p.dp.period,
	}
	if p.dp.perOrg != nil {
		d.PerOrg = new(big.Rat).Set(p.dp.perOrg)
	}
	return d, true
}
