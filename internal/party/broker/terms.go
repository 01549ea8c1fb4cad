package broker

import (
	"math"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
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
		used := a.Used(m.contract.Digest(), p.Offer.Digest())
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

// cost is a price, and the offers whose price for the contract, or the day, it has in it.
type cost struct {
	sum       int64
	flat, day []statement.Digest
}

// price is what the job costs now. A job that was charged costs what it was charged; what may have been paid in entries that
// are lost counts as paid. Of what terms ask once it asks, whole, what stays within a bound; the rest is left to jobs that come later.
func (b *Broker) price(m *matter, a *ledger.Accounts, atMS, most int64) (c cost) {
	if j := a.Job(m.item.Job); j.ChargedMS != 0 {
		return cost{sum: j.Charged}
	}
	for _, p := range m.own {
		c.sum += p.Offer.Body().Price
	}
	if m.mayBeLost(a) {
		return c
	}
	contract := m.contract.Digest()
	for _, o := range m.withTerms() {
		if flat, _ := a.Paid(contract, o.Digest(), atMS); !flat {
			c.flat = c.add(c.flat, o, o.Body().Terms.Flat, most)
		}
	}
	for _, o := range m.withTerms() {
		if _, day := a.Paid(contract, o.Digest(), atMS); !day {
			c.day = c.add(c.day, o, o.Body().Terms.PerDay, most)
		}
	}
	return c
}

// anyPrice bounds nothing.
const anyPrice = math.MaxInt64

// add takes up what an offer asks, if it asks anything and the whole of it stays within the bound.
func (c *cost) add(list []statement.Digest, o *statement.Verified[statement.Offer], asked, most int64) []statement.Digest {
	if asked == 0 || c.sum+asked > most {
		return list
	}
	c.sum += asked
	return append(list, o.Digest())
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
func (m *matter) withTerms() (out []*statement.Verified[statement.Offer]) {
	for _, p := range m.own {
		if p.Offer.Body().Terms != nil {
			out = append(out, p.Offer)
		}
	}
	return out
}

func digests(offers []*statement.Verified[statement.Offer]) (out []statement.Digest) {
	for _, o := range offers {
		out = append(out, o.Digest())
	}
	return out
}

// unpaidFor refuses a ready to a query that no order pays for. With the quote, the charge decides, by what the ready said.
func (b *Broker) unpaidFor(m *matter, a *ledger.Accounts) error {
	if m.item.Kind != wire.KindHello || a.Job(m.item.Job).ChargedMS != 0 {
		return nil
	}
	now := b.Now().UnixMilli()
	_, err := b.payer(m, a, b.price(m, a, now, anyPrice).sum, now)
	return err
}

// payer is the order that a price is charged to: "" where the contract was not bought, or nothing is charged. What no order pays for is
// refused.
func (b *Broker) payer(m *matter, a *ledger.Accounts, price, atMS int64) (statement.Digest, error) {
	contract := m.contract.Digest()
	switch sold := a.Sold(contract); {
	case !sold && m.grant.Body().Authority == statement.ByPurchase:
		return "", refuse(CodeUnpaid, "this party's ledger does not know what paid for the contract")
	case !sold || price == 0:
		return "", nil
	}
	order := a.Payer(contract, price, atMS)
	if order == "" {
		return "", refuse(CodeUnpaid, "no order that pays for the contract has room for what the query costs: place another")
	}
	return order, nil
}

// chargeable refuses to release keys for a job whose order has ended since it was charged: its closing said that nothing more is.
func chargeable(m *matter, a *ledger.Accounts, atMS int64) error {
	if j := a.Job(m.item.Job); len(j.Exposures) == 0 && !a.MayBill(m.item.Job, atMS) {
		return refuse(CodeUnpaid, "the order that the job was charged to has ended")
	}
	return nil
}

// chargeTime is how long a job that was charged counts as paying before its keys have left: others cost that much less meanwhile. After
// it, keys leave for it no more, its room in its order is free, and what it had paid for is asked again.
const chargeTime = 24 * time.Hour

// chargedUntil is the end of what a job is charged for now, unless keys leave before.
func (m *matter) chargedUntil(atMS int64) int64 {
	return min(m.job.Body().ExpiresMS, atMS+chargeTime.Milliseconds())
}
