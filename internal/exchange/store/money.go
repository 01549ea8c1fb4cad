package store

import (
	"context"

	"github.com/cordon-exchange/cordon/statement"
)

// Money is a ledger of credits, and the orders that they pay for. Every movement goes from one account to another, so that all
// balances together are always zero; no account but the operator's is ever below zero. All calls may be made concurrently.
type Money interface {
	// AddOrder adds an order and, where o.Held, sets its amount aside from the buyer's account: ErrNoCredit if there is less. It
	// returns false and changes nothing if w's first statement is there; ErrTooMany if as many of the buyer's as mostOpen have not ended.
	// Durable, as all that follow.
	AddOrder(ctx context.Context, o Order, mostOpen int64, w With) (added bool, err error)
	// AddCharge takes from an order: ErrChanged unless c.Total is what was charged so far and c.Amount, ErrNoCredit past the order's
	// amount, ErrOver if it has ended, ErrExists if another charge has its Ref.
	AddCharge(ctx context.Context, c Charge, w With) (added bool, err error)
	// EndOrder ends an order, and what is left of what was set aside goes back. With a Total that is not what was charged:
	// ErrChanged, or ErrOver if it has ended before. If it has, it returns false; w's statements are added all the same, of one closing:
	// ErrExists for another.
	EndOrder(ctx context.Context, e OrderEnd, w With) (ended bool, err error)
	// AddRefund gives back what was charged: ErrChanged as for charges, ErrNoCredit past what was charged or past what the owner has,
	// ErrTooMany past wire.MaxRefunds of one order.
	AddRefund(ctx context.Context, c Charge, w With) (added bool, err error)
	// Settle marks an order as paid elsewhere, and adds the statement that says so; ErrExists if it is already, by another.
	Settle(ctx context.Context, order statement.Digest, w With) (added bool, err error)
	// Post makes one posting. It returns false and changes nothing if the same one is there under its reference, ErrExists if another is.
	Post(ctx context.Context, p Posting) (added bool, err error)

	// Balance of an account; 0 of one that is not there.
	Balance(ctx context.Context, account string) (int64, error)
	// Held is what is set aside for the orders of a buyer.
	Held(ctx context.Context, buyer statement.Fingerprint) (int64, error)
	Order(ctx context.Context, d statement.Digest) (*Order, error)
	// OrdersDue are those that have not ended and expired before a time, oldest first.
	OrdersDue(ctx context.Context, beforeMS int64, items int) ([]Order, error)
	// Orders behind after, in the order of their digests.
	Orders(ctx context.Context, after statement.Digest, items int) ([]Order, error)
	// Postings in the order of their seq.
	Postings(ctx context.Context, q PostingQuery) ([]Posting, error)
	// Accounts behind after, in the order of their names.
	Accounts(ctx context.Context, after string, items int) ([]Account, error)
}

// Accounts of the ledger of credits.
const AccountOperator = "operator" // below zero by what the operator owes to all others

// AccountOf is a party's account.
func AccountOf(f statement.Fingerprint) string { return "party:" + string(f) }

// AccountFor is what is set aside for an order.
func AccountFor(order statement.Digest) string { return "order:" + string(order) }

// Kinds of postings.
const (
	PostDeposit = "deposit" // operator to party: paid in
	PostPayout  = "payout"  // party to operator: paid out
	PostHold    = "hold"    // party to order
	PostCharge  = "charge"  // order to the owner
	PostReturn  = "return"  // order to the buyer, at its end
	PostRefund  = "refund"  // owner to the buyer
)

// Posting moves an amount from one account to another, once.
type Posting struct {
	Seq       int64 // set by the store
	Reference string
	Kind      string
	From, To  string
	Amount    int64            // not 0
	Order     statement.Digest // "" for none
	Statement statement.Digest // that it follows from; "" for none
	AtMS      int64
}

// Same reports whether two postings say the same, whenever.
func (p *Posting) Same(o *Posting) bool {
	return p.Reference == o.Reference && p.Kind == o.Kind && p.From == o.From && p.To == o.To && p.Amount == o.Amount && p.Order == o.Order && p.Statement == o.Statement
}

// Account and its balance.
type Account struct {
	Name    string
	Balance int64
}

// Order as it is kept.
type Order struct {
	Digest    statement.Digest
	Buyer     statement.Fingerprint
	Owner     statement.Fingerprint
	Contract  statement.Digest
	Provider  string
	Amount    int64
	Held      bool // its amount is set aside in this ledger
	ExpiresMS int64

	Settlement statement.Digest // "" while it is not settled
	Charged    int64
	Refunded   int64
	EndedMS    int64 // 0: it has not

	Closing statement.Digest // by which its owner ended it; "" while there is none
	Refunds int64            // how many
}

// Charge of an order, or a refund.
type Charge struct {
	Order  statement.Digest
	Ref    string // what is charged for; at most once of an order
	Amount int64
	Total  int64 // of the order, with this one
}

// OrderEnd ends an order.
type OrderEnd struct {
	Order statement.Digest
	Total int64 // what was charged; below 0: whatever it is
}

// With is what is added with a movement of money: all of it or nothing. The first statement is the one that the movement follows from.
type With struct {
	AtMS       int64 // by the exchange's clock
	Statements []Statement
	Deliver    []Delivery
}

// PostingQuery chooses postings; the zero value of a field asks for any.
type PostingQuery struct {
	Account   string // from or to
	Order     statement.Digest
	Reference string
	After     int64
	Items     int // required
}
