package broker

import (
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/party/budget"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// noisy establishes which of this party's versions give a noise key to the plan, and what it takes from their budgets: those with a
// charge. None where the policy wants noise is refused, and so is a charge to a version without a noise key.
func (b *Broker) noisy(m *matter) error {
	m.noise, m.dues = nil, nil
	charges := m.plan.Charges()
	for _, p := range m.own {
		mine := chargesOf(charges, string(p.Offer.Digest()))
		if len(mine) == 0 {
			if p.Policy.Noisy() && !m.isRequester(b.self) {
				return refuse(CodeBudget, "the policy wants noise, and the plan has none")
			}
			continue
		}
		if _, committed := p.Offer.Body().Commitment(statement.NoiseKey); !committed {
			return refuse(CodeKeys, "the version has no noise key")
		}
		m.noise = append(m.noise, p.Offer.Digest())
		if err := b.due(m, p, mine); err != nil {
			return err
		}
	}
	return nil
}

func chargesOf(list []policy.Charge, offer string) (out []policy.Charge) {
	for _, c := range list {
		if c.Offer == offer {
			out = append(out, c)
		}
	}
	return out
}

// due adds a version's charges to those of its data set, whose budget all versions share.
func (b *Broker) due(m *matter, p dataset.Published, charges []policy.Charge) error {
	name := p.Offer.Body().Dataset
	rules, err := b.rules(p)
	if err != nil {
		return refuseBecause(CodeBudget, "the policy of data set "+name+" sets no usable budget", err)
	}
	at := slices.IndexFunc(m.dues, func(d budget.Due) bool { return d.Dataset == name })
	if at < 0 {
		m.dues, at = append(m.dues, budget.Due{Dataset: name}), len(m.dues)
	}
	d := &m.dues[at]
	d.Rules = append(d.Rules, rules...)
	for _, c := range charges {
		if !slices.ContainsFunc(d.Charges, func(o policy.Charge) bool { return o.Release == c.Release }) {
			d.Charges = append(d.Charges, c)
		}
	}
	return nil
}

// rules are those of the version that is read, and of the newest: an owner that tightens its budget tightens it for contracts
// over older versions too.
func (b *Broker) rules(p dataset.Published) ([]budget.Rule, error) {
	r, err := b.converted.Of(p.Policy)
	if err != nil {
		return nil, err
	}
	out := []budget.Rule{r}
	if newest, ok := b.Store.Latest(p.Offer.Body().Dataset); ok && newest.Policy.Noisy() && newest.Offer.Digest() != p.Offer.Digest() {
		if r, err = b.converted.Of(newest.Policy); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// unpaid decides about the budgets and gives what is to be written before anything leaves.
func (b *Broker) unpaid(m *matter, a *ledger.Accounts) (out []ledger.Entry, err error) {
	for _, d := range m.dues {
		list, err := d.Entries(a, b.by(m))
		var r *budget.Refused
		if errors.As(err, &r) {
			return nil, refuse(CodeBudget, r.Error())
		}
		if err != nil {
			return nil, refuseBecause(CodeBudget, "the charges of data set "+d.Dataset+" do not fit together", err)
		}
		out = append(out, list...)
	}
	return out, nil
}

func (b *Broker) by(m *matter) budget.By {
	return budget.By{AtMS: b.Now().UnixMilli(), Requester: m.job.Body().Requester, Job: m.item.Job, Contract: m.contract.Digest()}
}

// paid refuses a release of keys while one of its charges is not in the ledger: another job's charge for the same question may
// have been queued when this one looked, and then not been written.
func (b *Broker) paid(m *matter, a *ledger.Accounts) error {
	for _, d := range m.dues {
		if !d.Paid(a, b.by(m)) {
			return refuse(CodeLedger, "the charge for this release is not in the ledger")
		}
	}
	return nil
}

// needs are the names of the keys of a version that the plan needs beside the footer's.
func (m *matter) needs(offer statement.Digest) []string {
	out := slices.Clone(m.plan.Columns(string(offer)))
	if slices.Contains(m.noise, offer) {
		out = append(out, statement.NoiseKey)
	}
	return out
}
