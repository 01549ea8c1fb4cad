package ledger

import (
	"slices"

	"github.com/cordon-exchange/cordon/statement"
)

// Purchase is an order for this party's data, as far as the ledger says.
type Purchase struct {
	Order      statement.Digest
	Contract   statement.Digest
	Settlement statement.Digest      // that was believed; "" if none was
	Settler    statement.Fingerprint // whose word it was
	Requester  statement.Fingerprint
	Authority  string // who believed: a rule, or a person
	Amount     int64
	UntilMS    int64
	SettledMS  int64

	Spent    int64    // by charges, before any key left, of jobs that never got one too
	Billed   []Billed // by the first release of each job that was charged to it
	Refunds  []Given
	Refunded int64
	Ended    bool // nothing is charged to it any more
	EndedMS  int64
	Reason   string // of its end

	held []*Job // charged, and without keys so far
}

// room is what can still be charged: what a job that lapsed had is there again.
func (p *Purchase) room(atMS int64) int64 {
	room := p.Amount - p.Spent
	for _, j := range p.held {
		if j.Lapsed(atMS) {
			room += j.Charged
		}
	}
	return room
}

// Billed is the release of keys that a charge is for.
type Billed struct {
	Job, Release statement.Digest
	Amount       int64
	AtMS         int64
}

// Given is what was given back.
type Given struct {
	Amount int64
	AtMS   int64
	Reason string
}

// Total is what the releases come to that are charged to the order.
func (p *Purchase) Total() (sum int64) {
	for _, b := range p.Billed {
		sum += b.Amount
	}
	return sum
}

// Owed is what the settler owes for the order, or may come to owe.
func (p *Purchase) Owed() int64 {
	if p.Ended {
		return p.Total() - p.Refunded
	}
	return p.Amount - p.Refunded
}

// purchases is what the entries about purchases come to.
type purchases struct {
	rule     statement.Digest
	orders   map[statement.Digest]*Purchase
	sequence []statement.Digest // of orders, as they were settled
	sold     map[statement.Digest][]*Purchase
	received map[statement.Fingerprint]int64
	lost     bool // entries may be lost
}

func newPurchases() purchases {
	return purchases{orders: map[statement.Digest]*Purchase{}, sold: map[statement.Digest][]*Purchase{}, received: map[statement.Fingerprint]int64{}}
}

func (p *purchases) order(d statement.Digest) *Purchase {
	o := p.orders[d]
	if o == nil {
		o = &Purchase{Order: d}
		p.orders[d] = o
		p.sequence = append(p.sequence, d)
	}
	return o
}

func (p *purchases) apply(e *Entry) {
	switch e.Kind {
	case KindPurchases:
		p.rule = e.About
	case KindSettle:
		o := p.order(e.Order)
		o.Contract, o.Settlement, o.Settler, o.Requester, o.Authority = e.Contract, e.About, e.Settler, e.Requester, e.Authority
		o.Amount, o.UntilMS, o.SettledMS = e.Charged, e.UntilMS, e.AtMS
		p.sold[e.Contract] = append(p.sold[e.Contract], o)
	case KindOrderEnd:
		o := p.order(e.Order)
		if !o.Ended {
			o.Ended, o.EndedMS, o.Reason = true, e.AtMS, e.Reason
		}
	case KindRefund:
		o := p.order(e.Order)
		o.Refunded += e.Charged
		o.Refunds = append(o.Refunds, Given{e.Charged, e.AtMS, e.Reason})
	case KindReceived:
		p.received[e.Settler] += e.Charged
	}
}

func (p *purchases) charge(j *Job) {
	if j.Order != "" {
		o := p.order(j.Order)
		o.Spent, o.held = o.Spent+j.Charged, append(o.held, j)
	}
}

// bill takes up a release for a job.
func (p *purchases) bill(j *Job, e *Entry) {
	if j.Order == "" {
		return
	}
	o := p.order(j.Order)
	o.held = slices.DeleteFunc(o.held, func(h *Job) bool { return h == j })
	if e.Charged > 0 {
		o.Billed = append(o.Billed, Billed{e.Job, e.Release, e.Charged, e.AtMS})
	}
}

// repair takes all orders as spent: what lost entries charged is not known any more.
func (p *purchases) repair() {
	p.lost = true
	for _, o := range p.orders {
		o.Spent, o.held = max(o.Spent, o.Amount), nil
	}
}

// PurchaseRule is the digest of the rule for purchases in force; empty if there never was one.
func (a *Accounts) PurchaseRule() statement.Digest { return a.purchases.rule }

// Purchase returns a copy of what is known of an order; false if nothing is.
func (a *Accounts) Purchase(order statement.Digest) (Purchase, bool) {
	o := a.purchases.orders[order]
	if o == nil {
		return Purchase{}, false
	}
	return o.copy(), true
}

func (p *Purchase) copy() Purchase {
	out := *p
	out.Billed, out.Refunds, out.held = slices.Clone(p.Billed), slices.Clone(p.Refunds), nil
	return out
}

// Purchases are all orders, in the order in which the ledger came to know them.
func (a *Accounts) Purchases() (out []Purchase) {
	for _, d := range a.purchases.sequence {
		out = append(out, a.purchases.orders[d].copy())
	}
	return out
}

// Outstanding is what a settler owes on its word, or may come to owe: more than any limit, once entries were lost.
func (a *Accounts) Outstanding(settler statement.Fingerprint) (sum int64) {
	if a.purchases.lost {
		return manyLost
	}
	for _, o := range a.purchases.orders {
		if o.Settler == settler {
			sum += o.Owed()
		}
	}
	return sum - a.purchases.received[settler]
}

// Sold reports whether any order pays, or paid, for a contract.
func (a *Accounts) Sold(contract statement.Digest) bool { return len(a.purchases.sold[contract]) > 0 }

// Payer is the first order of a contract, by the time it was settled, that has room for a price now; "" if none has.
func (a *Accounts) Payer(contract statement.Digest, price, atMS int64) statement.Digest {
	for _, o := range a.purchases.sold[contract] {
		if !o.Ended && atMS < o.UntilMS && price <= o.room(atMS) {
			return o.Order
		}
	}
	return ""
}

// MayBill reports whether the first keys of a job may leave at a time, by the order that it was charged to, if any: one that goes on, and
// did not give the job's room to others (only a clock that was put back shows that).
func (a *Accounts) MayBill(job statement.Digest, atMS int64) bool {
	order := a.Job(job).Order
	return order == "" || a.goesOn(order) && a.purchases.orders[order].room(atMS) >= 0
}

func (a *Accounts) goesOn(order statement.Digest) bool {
	o := a.purchases.orders[order]
	return o != nil && !o.Ended
}
