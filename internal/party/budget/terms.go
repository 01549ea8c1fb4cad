package budget

import (
	"errors"
	"math/big"
	"sync"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
)

// ErrNoTerms says that a policy sets no budget that could be kept: absence refuses.
var ErrNoTerms = errors.New("budget: the policy sets no usable budget")

// Rule is what one policy allows, ready to be held against charges.
type Rule struct {
	policy.Noise
	terms account.Terms
}

// Rules remembers what RuleOf gave: a conversion takes some 60 ms, as it is exact. The zero value is ready; it may be used
// concurrently.
type Rules struct {
	mu    sync.Mutex
	known map[*policy.Policy]Rule
}

// maxKnown bounds what is remembered: an owner has some data sets with some versions.
const maxKnown = 1024

// Of is RuleOf.
func (k *Rules) Of(p *policy.Policy) (Rule, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r, ok := k.known[p]; ok {
		return r, nil
	}
	r, err := RuleOf(p)
	if err != nil {
		return Rule{}, err
	}
	if k.known == nil || len(k.known) >= maxKnown {
		k.known = map[*policy.Policy]Rule{}
	}
	k.known[p] = r
	return r, nil
}

// RuleOf converts a policy's budget.
func RuleOf(p *policy.Policy) (Rule, error) {
	d, ok := p.Noise()
	if !ok {
		return Rule{}, ErrNoTerms
	}
	total, err := account.Total(d.Epsilon, d.Delta)
	if err != nil {
		return Rule{}, ErrNoTerms
	}
	r := Rule{Noise: d, terms: account.Terms{Total: total}}
	if d.PerOrg == nil {
		return r, nil
	}
	most, err := account.Total(d.PerOrg, d.Delta)
	if err != nil {
		return Rule{}, ErrNoTerms
	}
	r.terms.Caps = []account.Cap{{Scope: account.Each, PeriodMS: d.Period.Milliseconds(), Most: most}}
	return r, nil
}

// Total is what the data set has over its lifetime.
func (r Rule) Total() account.Cost { return r.terms.Total }

// Epsilon is what a cost stands for, so that all of Total stands for the policy's epsilon: the sum of pure epsilon, or what rho
// stands for at half of the policy's delta, where that is less.
func (r Rule) Epsilon(c account.Cost) (*big.Rat, error) {
	e, err := account.Epsilon(c.Rho, new(big.Rat).Quo(r.Delta, big.NewRat(2, 1)))
	if c.Epsilon != nil && (err != nil || c.Epsilon.Cmp(e) < 0) {
		return c.Epsilon, nil
	}
	return e, err
}
