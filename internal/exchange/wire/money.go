package wire

import "github.com/cordon-exchange/cordon/statement"

// Credits of the caller.
type Credits struct {
	Balance int64                 `json:"balance"`
	Held    int64                 `json:"held"`              // set aside for its orders
	Settler statement.Fingerprint `json:"settler,omitempty"` // whose settlements these are; none: the exchange settles nothing
}

// Posting is one movement of credits, as one of those concerned sees it.
type Posting struct {
	Seq       int64            `json:"seq"`
	Kind      string           `json:"kind"` // deposit, payout, hold, charge, return or refund
	Amount    int64            `json:"amount"`
	In        bool             `json:"in,omitempty"`  // to the caller's account
	Out       bool             `json:"out,omitempty"` // from the caller's account
	Order     statement.Digest `json:"order,omitempty"`
	Statement statement.Digest `json:"statement,omitempty"` // that it follows from
	Reference string           `json:"reference"`
	AtMS      int64            `json:"at_ms"`
}

// Postings is one page. Next is the "after" of the next page; End says that there is none now.
type Postings struct {
	Items []Posting `json:"items,omitempty"`
	Next  int64     `json:"next"`
	End   bool      `json:"end,omitempty"`
}

// Order is what the exchange keeps of an order.
type Order struct {
	Digest     statement.Digest      `json:"digest"`
	Buyer      statement.Fingerprint `json:"buyer"`
	Owner      statement.Fingerprint `json:"owner"`
	Contract   statement.Digest      `json:"contract"`
	Provider   string                `json:"provider"`
	Amount     int64                 `json:"amount"`
	ExpiresMS  int64                 `json:"expires_ms"`
	Settlement statement.Digest      `json:"settlement,omitempty"`
	Charged    int64                 `json:"charged"`
	Refunded   int64                 `json:"refunded"`
	EndedMS    int64                 `json:"ended_ms,omitempty"`
}

// CreditMove is what an operator posts, on the exchange's own machine.
type CreditMove struct {
	Kind      string                `json:"kind"` // deposit or payout
	Party     statement.Fingerprint `json:"party"`
	Amount    int64                 `json:"amount"`
	Reference string                `json:"reference"` // of the payment: the same one moves nothing twice
}

// CreditMoved is what came of it.
type CreditMoved struct {
	Added   bool  `json:"added"` // false: it was there
	Balance int64 `json:"balance"`
}

// CreditAccount is one account and its balance.
type CreditAccount struct {
	Name    string `json:"name"`
	Balance int64  `json:"balance"`
}

// CreditAccounts is one page of them.
type CreditAccounts struct {
	Accounts []CreditAccount `json:"accounts,omitempty"`
}

// MaxCheckout bounds the credits of one payment by card.
const MaxCheckout = 1_000_000

// CheckoutRequest asks for a page on which the caller pays for credits.
type CheckoutRequest struct {
	Credits int64  `json:"credits"`
	Nonce   string `json:"nonce"` // 32 hex digits: the same one makes no second page
}

// Checkout is that page.
type Checkout struct {
	Session string `json:"session"`
	URL     string `json:"url"`
	Amount  int64  `json:"amount"` // of the currency's smallest unit
}

// PaymentRefund is what an operator pays back to a card.
type PaymentRefund struct {
	Session   string `json:"session"`
	Amount    int64  `json:"amount"` // credits
	Reference string `json:"reference"`
}
