package agentclient

import "github.com/cordon-exchange/cordon/statement"

// Paths of calls about purchases.
const (
	PathOrderPlace    = "/v1/orders/place"
	PathOrders        = "/v1/orders/list"
	PathOrderCancel   = "/v1/orders/cancel"
	PathOrderSettle   = "/v1/orders/settle"
	PathOrderRefund   = "/v1/orders/refund"
	PathOrderRule     = "/v1/orders/rule"
	PathOrderReceived = "/v1/orders/received"
	PathCredits       = "/v1/credits"
	PathCreditsBuy    = "/v1/credits/buy"
	PathReconcile     = "/v1/reconcile"
)

// OrderPlace asks to order from the owners of a contract whose data is sold.
type OrderPlace struct {
	Contract statement.Digest `json:"contract"`
	Owner    string           `json:"owner,omitempty"` // name or fingerprint; none: each whose offers are sold
	Most     int64            `json:"most"`            // credits, of each
	Provider string           `json:"provider"`
	UntilMS  int64            `json:"until_ms"`
	WaitMS   int64            `json:"wait_ms,omitempty"` // for the owners' grants
	Again    bool             `json:"again,omitempty"`   // another, where one for as much of the same goes on
	Pins     []Party          `json:"pins,omitempty"`
}

// Order as one of its parties sees it.
type Order struct {
	Digest     statement.Digest `json:"order"`
	Contract   statement.Digest `json:"contract"`
	Buyer      Party            `json:"buyer"`
	Owner      Party            `json:"owner"`
	Most       int64            `json:"most"`
	Provider   string           `json:"provider"`
	ExpiresMS  int64            `json:"expires_ms"`
	State      string           `json:"state"` // placed, settled, granted, cancelled or ended
	Charged    int64            `json:"charged"`
	Refunded   int64            `json:"refunded"`
	Settlement statement.Digest `json:"settlement,omitempty"`
	Settler    string           `json:"settler,omitempty"` // fingerprint
	PayAt      string           `json:"pay_at,omitempty"`  // its owner's page to pay on
	Reason     string           `json:"reason,omitempty"`  // of its end, or why it is not granted
	Before     bool             `json:"before,omitempty"`  // it was placed by an earlier call
}

// Orders that were placed, or listed.
type Orders struct {
	Orders  []Order `json:"orders"`
	Missing []Party `json:"missing,omitempty"` // owners that have not granted the contract, after the wait
}

// OrderRefund asks to give back some of what an order was charged.
type OrderRefund struct {
	Order  statement.Digest `json:"order"`
	Amount int64            `json:"amount"`
	Reason string           `json:"reason"`
}

// OrderRule asks for the rule for purchases, or sets one settler's limit in it.
type OrderRule struct {
	Settler      statement.Fingerprint `json:"settler,omitempty"`
	MaxUnsettled int64                 `json:"max_unsettled,omitempty"`
	Remove       bool                  `json:"remove,omitempty"`
}

// OrderRules is the rule for purchases.
type OrderRules struct {
	Settlers []OrderSettler `json:"settlers"`
}

// OrderSettler is one whose settlements count.
type OrderSettler struct {
	Settler      statement.Fingerprint `json:"settler"`
	MaxUnsettled int64                 `json:"max_unsettled"`
	Outstanding  int64                 `json:"outstanding"` // that it owes on its word, or may come to owe
}

// OrderReceived records what a settler paid out.
type OrderReceived struct {
	Settler   statement.Fingerprint `json:"settler"`
	Amount    int64                 `json:"amount"`
	Reference string                `json:"reference"`
}

// Credits of the party at its exchange.
type Credits struct {
	Balance int64                 `json:"balance"`
	Held    int64                 `json:"held"`
	Settler statement.Fingerprint `json:"settler,omitempty"`
}

// CreditsBuy asks for a page on which credits are paid for by card.
type CreditsBuy struct {
	Credits int64 `json:"credits"`
}

// Checkout is that page.
type Checkout struct {
	Session string `json:"session"`
	URL     string `json:"url"`
	Amount  int64  `json:"amount"` // of the currency's smallest unit
}
