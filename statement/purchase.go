package statement

import "strings"

// Providers of payment that this version knows.
const (
	ProviderCredits = "credits" // the ledger of the exchange: its settlement is signed with the exchange's settlement key
	ProviderStripe  = "stripe"  // the owner's own account: its settlement is signed by the owner
)

// Order buys the use of one owner's offers under a contract, up to an amount. Signed by the buyer, who is the contract's requester.
type Order struct {
	Header
	Nonce     []byte      `json:"nonce"`
	Buyer     Fingerprint `json:"buyer"`
	Contract  Digest      `json:"contract"`
	Owner     Fingerprint `json:"owner"`
	Offers    []Digest    `json:"offers"` // all of the owner's in the contract: their terms are accepted with them
	Most      int64       `json:"most"`   // credits that may be charged to it
	Provider  string      `json:"provider"`
	CreatedMS int64       `json:"created_ms"`
	ExpiresMS int64       `json:"expires_ms"` // nothing is charged to it from then on
}

func (*Order) typeURI() string { return TypeOrder }

// Authors of an order: the buyer.
func (o *Order) Authors() []Fingerprint { return []Fingerprint{o.Buyer} }

func (o *Order) valid() error {
	var c check
	c.nonce(o.Nonce, "nonce")
	c.fingerprint(o.Buyer, "buyer")
	c.digest(o.Contract, "contract")
	c.fingerprint(o.Owner, "owner")
	c.that(o.Owner != o.Buyer, "owner")
	c.digests(o.Offers, "offers")
	c.amount(o.Most, "most")
	c.token(o.Provider, "provider")
	c.time(o.CreatedMS, "created_ms")
	c.time(o.ExpiresMS, "expires_ms")
	c.that(o.CreatedMS < o.ExpiresMS, "expires_ms")
	return c.err
}

// MaxAmount bounds every amount and every running total, in credits: sums of many stay far from overflow.
const MaxAmount = 1_000_000_000_000

// amount is what is paid: never nothing.
func (c *check) amount(n int64, field string) { c.that(n >= 1 && n <= MaxAmount, field) }

// total is a sum of amounts.
func (c *check) total(n int64, field string) { c.that(n >= 0 && n <= MaxAmount, field) }

// Invoice says where an order is paid to its owner's own account. Signed by the owner.
type Invoice struct {
	Header
	Owner     Fingerprint `json:"owner"`
	Order     Digest      `json:"order"`
	URL       string      `json:"url"`    // of the provider's page
	Amount    int64       `json:"amount"` // of the currency's smallest unit
	Currency  string      `json:"currency"`
	CreatedMS int64       `json:"created_ms"`
}

func (*Invoice) typeURI() string { return TypeInvoice }

// Authors of an invoice: the owner.
func (s *Invoice) Authors() []Fingerprint { return []Fingerprint{s.Owner} }

func (s *Invoice) valid() error {
	var c check
	c.fingerprint(s.Owner, "owner")
	c.digest(s.Order, "order")
	c.that(strings.HasPrefix(s.URL, "https://") && len(s.URL) <= maxText, "url")
	for i := range len(s.URL) {
		c.that(s.URL[i] > ' ' && s.URL[i] < 0x7f, "url")
	}
	c.that(s.Amount >= 1 && s.Amount <= maxNumber, "amount")
	c.that(len(s.Currency) == 3, "currency")
	c.token(s.Currency, "currency")
	c.time(s.CreatedMS, "created_ms")
	return c.err
}

// Settlement says that what an order may be charged is paid, or set aside. Signed by the settler: whom an owner believes is its own
// affair.
type Settlement struct {
	Header
	Settler   Fingerprint `json:"settler"`
	Order     Digest      `json:"order"`
	Amount    int64       `json:"amount"` // credits
	Provider  string      `json:"provider"`
	Reference string      `json:"reference"` // of the payment, at its provider
	SettledMS int64       `json:"settled_ms"`
}

func (*Settlement) typeURI() string { return TypeSettlement }

// Authors of a settlement: the settler.
func (s *Settlement) Authors() []Fingerprint { return []Fingerprint{s.Settler} }

func (s *Settlement) valid() error {
	var c check
	c.fingerprint(s.Settler, "settler")
	c.digest(s.Order, "order")
	c.amount(s.Amount, "amount")
	c.token(s.Provider, "provider")
	c.label(s.Reference, "reference")
	c.time(s.SettledMS, "settled_ms")
	return c.err
}

// Charge takes the price of one job from an order, once: for its first release of keys. Signed by the owner.
type Charge struct {
	Header
	Owner     Fingerprint `json:"owner"`
	Order     Digest      `json:"order"`
	Job       Digest      `json:"job"`
	Release   Digest      `json:"release"`
	Amount    int64       `json:"amount"`     // what the release says that it charged
	Total     int64       `json:"total"`      // of the order's charges so far, with this one
	ChargedMS int64       `json:"charged_ms"` // the release's time
}

func (*Charge) typeURI() string { return TypeCharge }

// Authors of a charge: the owner.
func (s *Charge) Authors() []Fingerprint { return []Fingerprint{s.Owner} }

func (s *Charge) valid() error {
	var c check
	c.fingerprint(s.Owner, "owner")
	c.digest(s.Order, "order")
	c.digest(s.Job, "job")
	c.digest(s.Release, "release")
	c.amount(s.Amount, "amount")
	c.total(s.Total, "total")
	c.that(s.Amount <= s.Total, "total")
	c.time(s.ChargedMS, "charged_ms")
	return c.err
}

// Closing says that an owner charges nothing more to an order: what is left goes back to the buyer. Signed by the owner.
type Closing struct {
	Header
	Owner  Fingerprint `json:"owner"`
	Order  Digest      `json:"order"`
	Total  int64       `json:"total"` // of all charges to it
	Reason string      `json:"reason"`
	AtMS   int64       `json:"at_ms"`
}

func (*Closing) typeURI() string { return TypeClosing }

// Authors of a closing: the owner.
func (s *Closing) Authors() []Fingerprint { return []Fingerprint{s.Owner} }

func (s *Closing) valid() error {
	var c check
	c.fingerprint(s.Owner, "owner")
	c.digest(s.Order, "order")
	c.total(s.Total, "total")
	c.label(s.Reason, "reason")
	c.time(s.AtMS, "at_ms")
	return c.err
}

// Refund gives back some of what was charged to an order. Signed by the owner.
type Refund struct {
	Header
	Owner  Fingerprint `json:"owner"`
	Order  Digest      `json:"order"`
	Amount int64       `json:"amount"`
	Total  int64       `json:"total"` // of the order's refunds so far, with this one
	Reason string      `json:"reason"`
	AtMS   int64       `json:"at_ms"`
}

func (*Refund) typeURI() string { return TypeRefund }

// Authors of a refund: the owner.
func (s *Refund) Authors() []Fingerprint { return []Fingerprint{s.Owner} }

func (s *Refund) valid() error {
	var c check
	c.fingerprint(s.Owner, "owner")
	c.digest(s.Order, "order")
	c.amount(s.Amount, "amount")
	c.total(s.Total, "total")
	c.that(s.Amount <= s.Total, "total")
	c.label(s.Reason, "reason")
	c.time(s.AtMS, "at_ms")
	return c.err
}

func (o *Order) saidMS() int64      { return o.CreatedMS }
func (s *Invoice) saidMS() int64    { return s.CreatedMS }
func (s *Settlement) saidMS() int64 { return s.SettledMS }
func (s *Charge) saidMS() int64     { return s.ChargedMS }
func (s *Closing) saidMS() int64    { return s.AtMS }
func (s *Refund) saidMS() int64     { return s.AtMS }

// purchaseOf is an empty statement of a type of this file; nil of all others.
func purchaseOf(uri string) dated {
	switch uri {
	case TypeOrder:
		return new(Order)
	case TypeInvoice:
		return new(Invoice)
	case TypeSettlement:
		return new(Settlement)
	case TypeCharge:
		return new(Charge)
	case TypeClosing:
		return new(Closing)
	case TypeRefund:
		return new(Refund)
	}
	return nil
}

// purchasePurpose is what a certificate must cover for them: who may propose a contract may order under it, who may release keys
// may charge for them, and who may grant may say what became of an order.
func purchasePurpose(uri string) (purpose string, ok bool) {
	switch uri {
	case TypeOrder:
		return kindOf(TypeContract), true
	case TypeCharge:
		return kindOf(TypeRelease), true
	case TypeInvoice, TypeSettlement, TypeClosing, TypeRefund:
		return kindOf(TypeGrant), true
	}
	return "", false
}
