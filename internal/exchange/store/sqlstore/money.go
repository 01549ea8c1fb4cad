package sqlstore

import (
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Every call that moves money of an order first locks the order's row, then the catalog, then the postings: no two wait for each other.

// add adds what comes with a movement, or returns false if its first statement is there.
func add(t Tx, w store.With) (bool, error) {
	for i := range w.Statements {
		added, err := t.AddStatement(&w.Statements[i])
		if err != nil {
			return false, err
		}
		if !added && i == 0 {
			return false, nil
		}
	}
	return true, t.Deliver(w.Deliver)
}

// first is the statement that a movement follows from.
func first(w store.With) statement.Digest {
	if len(w.Statements) == 0 {
		return ""
	}
	return w.Statements[0].Digest
}

// AddOrder adds an order, and sets its amount aside. Its statement comes first: from then on nobody else adds one before the transaction ends,
// so that of two at once the second counts the first.
func AddOrder(t Tx, o store.Order, mostOpen int64, w store.With) (bool, error) {
	if added, err := add(t, w); err != nil || !added {
		return false, err
	}
	var open int64
	if err := t.One("SELECT COUNT(*) FROM orders WHERE buyer = ?1 AND ended_ms = 0", []any{string(o.Buyer)}, &open); err != nil {
		return false, err
	}
	if open >= mostOpen {
		return false, store.ErrTooMany
	}
	err := exec(t, `INSERT INTO orders (digest, buyer, owner, contract, provider, amount, held, expires_ms, settlement, charged, refunded, ended_ms)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, 0)`,
		string(o.Digest), string(o.Buyer), string(o.Owner), string(o.Contract), o.Provider, o.Amount, o.Held, o.ExpiresMS, string(o.Settlement))
	if err != nil || !o.Held {
		return err == nil, err
	}
	return moved(post(t, &store.Posting{
		Reference: "hold:" + string(o.Digest), Kind: store.PostHold, From: store.AccountOf(o.Buyer), To: store.AccountFor(o.Digest), Amount: o.Amount,
		Order: o.Digest, Statement: o.Digest, AtMS: w.AtMS,
	}))
}

// moved is the outcome of a posting that can't be there yet.
func moved(added bool, err error) (bool, error) {
	if err == nil && !added {
		return false, store.ErrDamaged
	}
	return added, err
}

// Settle marks an order as paid elsewhere.
func Settle(t Tx, order statement.Digest, w store.With) (bool, error) {
	o, err := lock(t, order)
	if err != nil {
		return false, err
	}
	if o.Settlement == first(w) {
		return false, nil
	}
	switch {
	case o.Settlement != "":
		return false, store.ErrExists
	case o.EndedMS != 0:
		return false, store.ErrOver
	}
	if added, err := add(t, w); err != nil || !added {
		return false, err
	}
	return true, exec(t, "UPDATE orders SET settlement = ?1 WHERE digest = ?2", string(first(w)), string(order))
}

// lock returns an order that nobody else changes before the transaction ends.
func lock(t Tx, d statement.Digest) (*store.Order, error) {
	n, err := t.Changed("UPDATE orders SET charged = charged WHERE digest = ?1", string(d))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, store.ErrNotFound
	}
	o := &store.Order{}
	return o, t.One("SELECT "+OrderColumns+" FROM orders WHERE digest = ?1", []any{string(d)}, OrderFields(o)...)
}

// OrderColumns are those of OrderFields.
const OrderColumns = "digest, buyer, owner, contract, provider, amount, held, expires_ms, settlement, charged, refunded, ended_ms, closing, refunds"

// OrderFields are what a row of orders is read into.
func OrderFields(o *store.Order) []any {
	return []any{&o.Digest, &o.Buyer, &o.Owner, &o.Contract, &o.Provider, &o.Amount, &o.Held, &o.ExpiresMS, &o.Settlement, &o.Charged, &o.Refunded, &o.EndedMS, &o.Closing, &o.Refunds}
}

// AddCharge takes from an order.
func AddCharge(t Tx, c store.Charge, w store.With) (bool, error) {
	o, err := lock(t, c.Order)
	if err != nil {
		return false, err
	}
	if added, err := t.AddStatement(&w.Statements[0]); err != nil || !added {
		return false, err
	}
	switch {
	case o.EndedMS != 0:
		return false, store.ErrOver
	case c.Amount < 1 || c.Total != o.Charged+c.Amount:
		return false, store.ErrChanged
	case c.Total > o.Amount || o.Settlement == "":
		return false, store.ErrNoCredit
	}
	n, err := t.Changed("INSERT INTO order_charges (order_digest, ref) VALUES (?1, ?2) ON CONFLICT DO NOTHING", string(c.Order), c.Ref)
	if err != nil {
		return false, err
	}
	if n == 0 {
		return false, store.ErrExists
	}
	if err := exec(t, "UPDATE orders SET charged = ?1 WHERE digest = ?2", c.Total, string(c.Order)); err != nil {
		return false, err
	}
	if err := t.Deliver(w.Deliver); err != nil || !o.Held {
		return err == nil, err
	}
	return moved(post(t, &store.Posting{
		Reference: "charge:" + string(c.Order) + ":" + c.Ref, Kind: store.PostCharge, From: store.AccountFor(o.Digest), To: store.AccountOf(o.Owner), Amount: c.Amount,
		Order: o.Digest, Statement: first(w), AtMS: w.AtMS,
	}))
}

// EndOrder ends an order, and gives back what is left of it.
func EndOrder(t Tx, e store.OrderEnd, w store.With) (bool, error) {
	o, err := lock(t, e.Order)
	if err != nil {
		return false, err
	}
	closing := first(w)
	switch {
	case closing != "" && o.Closing == closing:
		return false, nil
	case closing != "" && o.Closing != "":
		return false, store.ErrExists
	case e.Total >= 0 && e.Total != o.Charged && o.EndedMS != 0: // no charge can make it true any more
		return false, store.ErrOver
	case e.Total >= 0 && e.Total != o.Charged:
		return false, store.ErrChanged
	}
	if closing != "" {
		if added, err := add(t, w); err != nil || !added {
			return false, err
		}
		if err := exec(t, "UPDATE orders SET closing = ?1 WHERE digest = ?2", string(closing), string(e.Order)); err != nil {
			return false, err
		}
	}
	if o.EndedMS != 0 {
		return false, nil
	}
	if err := exec(t, "UPDATE orders SET ended_ms = ?1 WHERE digest = ?2", w.AtMS, string(e.Order)); err != nil {
		return false, err
	}
	left := o.Amount - o.Charged
	if !o.Held || left == 0 {
		return true, nil
	}
	return moved(post(t, &store.Posting{
		Reference: "return:" + string(o.Digest), Kind: store.PostReturn, From: store.AccountFor(o.Digest), To: store.AccountOf(o.Buyer), Amount: left,
		Order: o.Digest, Statement: first(w), AtMS: w.AtMS,
	}))
}

// AddRefund gives back what was charged.
func AddRefund(t Tx, c store.Charge, w store.With) (bool, error) {
	o, err := lock(t, c.Order)
	if err != nil {
		return false, err
	}
	if added, err := add(t, w); err != nil || !added {
		return false, err
	}
	switch {
	case c.Amount < 1 || c.Total != o.Refunded+c.Amount:
		return false, store.ErrChanged
	case c.Total > o.Charged:
		return false, store.ErrNoCredit
	case o.Refunds >= wire.MaxRefunds:
		return false, store.ErrTooMany
	}
	if err := exec(t, "UPDATE orders SET refunded = ?1, refunds = refunds + 1 WHERE digest = ?2", c.Total, string(c.Order)); err != nil || !o.Held {
		return err == nil, err
	}
	return moved(post(t, &store.Posting{
		Reference: "refund:" + string(first(w)), Kind: store.PostRefund, From: store.AccountOf(o.Owner), To: store.AccountOf(o.Buyer), Amount: c.Amount,
		Order: o.Digest, Statement: first(w), AtMS: w.AtMS,
	}))
}

// Post makes one posting.
func Post(t Tx, p store.Posting) (bool, error) { return post(t, &p) }

// post takes from an account that has as much, unless the same posting is there.
func post(t Tx, p *store.Posting) (bool, error) {
	if p.Amount < 1 || p.Amount > statement.MaxAmount || p.From == p.To || p.Reference == "" {
		return false, store.ErrChanged
	}
	// Whoever has the number keeps it to the end of the transaction: of two that say the same at once, the second finds the first.
	seq, err := t.NextPosting()
	if err != nil {
		return false, err
	}
	have := store.Posting{}
	err = t.One("SELECT reference, kind, source, target, amount, about, statement FROM postings WHERE reference = ?1", []any{p.Reference},
		&have.Reference, &have.Kind, &have.From, &have.To, &have.Amount, &have.Order, &have.Statement)
	switch {
	case err == nil && have.Same(p):
		return false, nil
	case err == nil:
		return false, store.ErrExists
	case !errors.Is(err, store.ErrNotFound):
		return false, err
	}
	if p.From != store.AccountOperator {
		var balance int64
		err := t.One("SELECT balance FROM money_accounts WHERE name = ?1", []any{p.From}, &balance)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if balance < p.Amount {
			return false, store.ErrNoCredit
		}
	}
	return true, exec(t, `INSERT INTO postings (seq, reference, kind, source, target, amount, about, statement, at_ms)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
		seq, p.Reference, p.Kind, p.From, p.To, p.Amount, string(p.Order), string(p.Statement), p.AtMS)
}

// PostingColumns are those of PostingFields.
const PostingColumns = "seq, reference, kind, source, target, amount, about, statement, at_ms"

// PostingFields are what a row of postings is read into.
func PostingFields(p *store.Posting) []any {
	return []any{&p.Seq, &p.Reference, &p.Kind, &p.From, &p.To, &p.Amount, &p.Order, &p.Statement, &p.AtMS}
}

// PostingsWhere is what comes behind WHERE, with its arguments ?1, ?2, …
func PostingsWhere(q store.PostingQuery) (string, []any) {
	where, args := "seq > ?1", []any{q.After}
	if q.Account != "" {
		args = append(args, q.Account)
		where += fmt.Sprintf(" AND (source = ?%d OR target = ?%d)", len(args), len(args))
	}
	if q.Order != "" {
		args = append(args, string(q.Order))
		where += fmt.Sprintf(" AND about = ?%d", len(args))
	}
	if q.Reference != "" {
		args = append(args, q.Reference)
		where += fmt.Sprintf(" AND reference = ?%d", len(args))
	}
	args = append(args, int64(q.Items))
	return where + fmt.Sprintf(" ORDER BY seq LIMIT ?%d", len(args)), args
}
