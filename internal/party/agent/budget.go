package agent

import (
	"context"
	"math/big"
	"slices"

	api "github.com/cordon-exchange/cordon/internal/party/agentclient"
	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy/dp/account"
	"github.com/cordon-exchange/cordon/statement"
)

// lastCharges is how many charges of a data set are shown.
const lastCharges = 20

// showBudgets gives the budgets of this party's data sets, from policies and ledger, and what others' policies allow where this
// party has a contract. What was taken from those is in their owners' ledgers alone.
func (a *Agent) showBudgets(ctx context.Context, _ *api.Empty) (*api.Budgets, error) {
	out := &api.Budgets{Own: []api.Budget{}, Others: []api.BudgetTerms{}}
	entries := a.ledger.Entries()
	for _, p := range a.noisy() {
		b, err := a.budgetOf(ctx, p, entries)
		if err != nil {
			return nil, err
		}
		out.Own = append(out.Own, *b)
	}
	var err error
	out.Others, err = a.othersBudgets(ctx)
	return out, err
}

// noisy is of each data set the newest version whose policy wants noise: one on offer, if there is one.
func (a *Agent) noisy() (out []dataset.Published) {
	for _, p := range a.store.List() {
		if !p.Policy.Noisy() {
			continue
		}
		at := slices.IndexFunc(out, func(o dataset.Published) bool { return o.Offer.Body().Dataset == p.Offer.Body().Dataset })
		switch {
		case at < 0:
			out = append(out, p)
		case !p.Retired || out[at].Retired:
			out[at] = p
		}
	}
	return out
}

func (a *Agent) budgetOf(ctx context.Context, p dataset.Published, entries []ledger.Entry) (*api.Budget, error) {
	name := p.Offer.Body().Dataset
	r, err := a.rules.Of(p.Policy)
	if err != nil {
		return nil, err
	}
	s, err := budget.StateOf(r, ledger.BudgetOf(entries, name))
	if err != nil {
		return nil, err
	}
	left := new(big.Rat).Sub(r.Noise.Epsilon, s.SpentEpsilon)
	if left.Sign() < 0 {
		left.SetInt64(0)
	}
	b := &api.Budget{
		BudgetTerms: termsOf(a.party(ctx, a.self), name, r.Noise),
		Total:       amountsOf(r.Total(), r.Noise.Epsilon), Spent: amountsOf(s.Spent, s.SpentEpsilon), Left: amountsOf(s.Left, left),
		Organisations: []api.BudgetOrg{}, Charges: []ledger.Entry{},
	}
	a.ledger.View(func(acc *ledger.Accounts) { b.GivenUp = acc.Exhausted(name) })
	if b.GivenUp {
		b.Left = amountsOf(account.Cost{Rho: new(big.Rat), Delta: new(big.Rat)}, new(big.Rat))
	}
	for _, o := range s.Orgs {
		b.Organisations = append(b.Organisations, api.BudgetOrg{Party: a.party(ctx, o.Fingerprint), Charges: int64(o.Charges), Spent: amountsOf(o.Spent, nil)})
	}
	for _, e := range slices.Backward(entries) {
		if e.Kind == ledger.KindBudget && e.Name == name && len(b.Charges) < lastCharges {
			b.Charges = append(b.Charges, e)
		}
	}
	return b, nil
}

func termsOf(owner api.Party, name string, d policy.Noise) api.BudgetTerms {
	t := api.BudgetTerms{
		Owner: owner, Dataset: name, Epsilon: budget.Decimal(d.Epsilon), Delta: budget.Decimal(d.Delta),
		EpsilonMaxQuery: budget.Decimal(d.EpsilonMaxQuery), PeriodDays: int64(d.Period.Hours()) / 24,
	}
	if d.PerOrg != nil {
		t.PerOrg = budget.Decimal(d.PerOrg)
	}
	return t
}

func amountsOf(c account.Cost, epsilon *big.Rat) api.BudgetAmounts {
	out := api.BudgetAmounts{Rho: budget.Decimal(c.Rho), Delta: budget.Decimal(c.Delta)}
	if epsilon != nil {
		out.Epsilon = budget.Decimal(epsilon)
	}
	return out
}

// othersBudgets are those of the data sets in this party's own contracts.
func (a *Agent) othersBudgets(ctx context.Context) ([]api.BudgetTerms, error) {
	out := []api.BudgetTerms{}
	list, err := a.desk.Contracts(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		c := s.Contract.Body()
		if c.Requester != a.self {
			continue
		}
		tables, err := a.catalog.Tables(ctx, c)
		if err != nil {
			return nil, err
		}
		for _, t := range tables {
			for _, m := range t.Members {
				d, noisy := m.Policy.Noise()
				if !noisy || m.Owner == string(a.self) {
					continue
				}
				terms := termsOf(api.Party{Name: m.OwnerName, Fingerprint: statement.Fingerprint(m.Owner)}, m.Dataset, d)
				if !slices.Contains(out, terms) {
					out = append(out, terms)
				}
			}
		}
	}
	return out, nil
}
