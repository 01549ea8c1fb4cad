package broker

import (
	"time"

	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// The terms that count are those of the offers that the grant names, as they were signed: docs/trading.md, section 2.

// underTerms refuses a purpose that the terms of an offer do not allow. A party may use its own data for what it likes.
func (b *Broker) underTerms(m *matter) error {
	for _, p := range m.own {
		if !m.isRequester(b.self) && !p.Offer.Body().AllowsPurpose(m.contract.Body().Purpose) {
			return refuse(CodeTerms, "the terms of the offer do not allow the contract's purpose")
		}
	}
	return nil
}

// termsQuota refuses a query past what the terms of an offer allow. Charged jobs alone count, so that a re-release counts once.
func (b *Broker) termsQuota(m *matter, a *ledger.Accounts, p *dataset.Published) error {
	t := p.Offer.Body().Terms
	if t == nil {
		return nil
	}
	if t.OfContract > 0 {
		used, _ := a.Used(m.contract.Digest(), p.Offer.Digest(), 0)
		if used >= t.OfContract || m.mayBeLost(a) {
			return refuse(CodeTermsQuota, "the contract has as many queries as the offer's terms allow")
		}
	}
	if t.OfMonth > 0 {
		organisation := p.Policy.Organisation(string(m.job.Body().Requester))
		if askedBy(a, organisation, monthOf(b.Now()).UnixMilli()) >= t.OfMonth {
			return refuse(CodeTermsQuota, "the analyst's organisation has as many queries this month as the offer's terms allow")
		}
	}
	return nil
}

// monthOf is the first moment of a time's calendar month in UTC.
func monthOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// mayBeLost reports whether queries under the contract may stand in entries that a repair of the ledger gave up. A contract that was
// used before the repair began before it: no job is answered before from_ms.
func (m *matter) mayBeLost(a *ledger.Accounts) bool {
	return a.RepairedMS() != 0 && m.contract.Body().FromMS <= a.RepairedMS()
}

// price is what the job costs now. A job that was charged costs what it was charged; what may have been paid in entries that
// are lost counts as paid.
func (b *Broker) price(m *matter, a *ledger.Accounts) (sum int64) {
	if j := a.Job(m.item.Job); j.ChargedMS != 0 {
		return j.Charged
	}
	now := b.Now().UnixMilli()
	for _, p := range m.own {
		o := p.Offer.Body()
		sum += o.Price
		if o.Terms == nil || m.mayBeLost(a) {
			continue
		}
		all, today := a.Used(m.contract.Digest(), p.Offer.Digest(), now)
		if all == 0 {
			sum += o.Terms.Flat
		}
		if today == 0 {
			sum += o.Terms.PerDay
		}
	}
	return sum
}

// couldCost reports whether a ready's price is one that the offers can ask: between that of a query alone and that of a contract's first.
func (m *matter) couldCost(price int64) bool {
	var least, most int64
	for _, p := range m.own {
		least, most = least+p.Offer.Body().Price, most+p.Offer.Body().MaxPrice()
	}
	return least <= price && price <= most
}

// withTerms are the offers read whose terms count their uses.
func (m *matter) withTerms() (out []statement.Digest) {
	for _, p := range m.own {
		if p.Offer.Body().Terms != nil {
			out = append(out, p.Offer.Digest())
		}
	}
	return out
}

// unpaidFor refuses a query that no order pays for, under a contract that was bought: before any key, and before the ledger is charged.
func (b *Broker) unpaidFor(m *matter, a *ledger.Accounts) error {
	contract := m.contract.Digest()
	if !a.Sold(contract) {
		if m.grant.Body().Authority == statement.ByPurchase {
			return refuse(CodeUnpaid, "this party's ledger does not know what paid for the contract")
		}
		return nil
	}
	if price := b.price(m, a); price > 0 && a.Payer(contract, price, b.Now().UnixMilli()) == "" {
		return refuse(CodeUnpaid, "no order that pays for the contract has room for what the query costs: place another")
	}
	return nil
}

// payer is the order that a price is charged to: "" where the contract was not bought, or nothing is charged.
func (b *Broker) payer(m *matter, a *ledger.Accounts, price int64) (statement.Digest, error) {
	contract := m.contract.Digest()
	if price == 0 || !a.Sold(contract) {
		return "", nil
	}
	order := a.Payer(contract, price, b.Now().UnixMilli())
	if order == "" {
		return "", refuse(CodeUnpaid, "no order that pays for the contract has room for what the query costs: place another")
	}
	return order, nil
}

// chargeable refuses to release keys for a job whose order has ended since it was charged: its closing said that nothing more is.
func chargeable(m *matter, a *ledger.Accounts) error {
	j := a.Job(m.item.Job)
	if j.Order != "" && len(j.Exposures) == 0 && !a.MayCharge(j.Order) {
		return refuse(CodeUnpaid, "the order that the job was charged to has ended")
	}
	return nil
}
