package sqlite

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

// moving runs f durably, and gives what it says.
func (s *Store) moving(ctx context.Context, f func(*tx) (bool, error)) (done bool, err error) {
	err = s.w.do(ctx, true, func(t *tx) (err error) {
		done, err = f(t)
		return err
	})
	return done && err == nil, err
}

// AddOrder adds an order, and sets its amount aside. Durable.
func (s *Store) AddOrder(ctx context.Context, o store.Order, mostOpen int64, w store.With) (bool, error) {
	return s.moving(ctx, func(t *tx) (bool, error) { return sqlstore.AddOrder(t, o, mostOpen, w) })
}

// AddCharge takes from an order. Durable.
func (s *Store) AddCharge(ctx context.Context, c store.Charge, w store.With) (bool, error) {
	return s.moving(ctx, func(t *tx) (bool, error) { return sqlstore.AddCharge(t, c, w) })
}

// EndOrder ends an order. Durable.
func (s *Store) EndOrder(ctx context.Context, e store.OrderEnd, w store.With) (bool, error) {
	return s.moving(ctx, func(t *tx) (bool, error) { return sqlstore.EndOrder(t, e, w) })
}

// AddRefund gives back what was charged. Durable.
func (s *Store) AddRefund(ctx context.Context, c store.Charge, w store.With) (bool, error) {
	return s.moving(ctx, func(t *tx) (bool, error) { return sqlstore.AddRefund(t, c, w) })
}

// Settle marks an order as paid elsewhere. Durable.
func (s *Store) Settle(ctx context.Context, order statement.Digest, w store.With) (bool, error) {
	return s.moving(ctx, func(t *tx) (bool, error) { return sqlstore.Settle(t, order, w) })
}

// Post makes one posting. Durable.
func (s *Store) Post(ctx context.Context, p store.Posting) (bool, error) {
	return s.moving(ctx, func(t *tx) (bool, error) { return sqlstore.Post(t, p) })
}

// AddStatement adds a statement, or returns false if it is there.
func (t *tx) AddStatement(st *store.Statement) (bool, error) {
	var n int64
	switch err := t.One("SELECT 1 FROM statements WHERE digest = ?", []any{string(st.Digest)}, &n); {
	case err == nil:
		return false, nil
	case !errors.Is(err, store.ErrNotFound):
		return false, err
	}
	return true, addStatement(t, st, nil)
}

// Deliver adds items to mailboxes.
func (t *tx) Deliver(deliver []store.Delivery) error { return addItems(t, deliver) }

// NextPosting follows the last: postings never go, and nobody else writes.
func (t *tx) NextPosting() (seq int64, err error) {
	err = t.One("SELECT coalesce(max(seq), 0) + 1 FROM postings", nil, &seq)
	return seq, err
}

// Balance of an account.
func (s *Store) Balance(ctx context.Context, account string) (n int64, err error) {
	err = s.one(ctx, "SELECT balance FROM money_accounts WHERE name = ?", []any{account}, &n)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return n, err
}

// Held is what is set aside for the orders of a buyer.
func (s *Store) Held(ctx context.Context, buyer statement.Fingerprint) (n int64, err error) {
	err = s.one(ctx, "SELECT coalesce(sum(amount - charged), 0) FROM orders WHERE buyer = ? AND held AND ended_ms = 0", []any{string(buyer)}, &n)
	return n, err
}

// Order returns one.
func (s *Store) Order(ctx context.Context, d statement.Digest) (*store.Order, error) {
	var o store.Order
	if err := s.one(ctx, "SELECT "+sqlstore.OrderColumns+" FROM orders WHERE digest = ?", []any{string(d)}, sqlstore.OrderFields(&o)...); err != nil {
		return nil, err
	}
	return &o, nil
}

func (s *Store) orders(ctx context.Context, q string, args ...any) ([]store.Order, error) {
	var out []store.Order
	err := s.each(ctx, "SELECT "+sqlstore.OrderColumns+" FROM orders WHERE "+q, args, func(scan func(...any) error) (bool, error) {
		var o store.Order
		err := scan(sqlstore.OrderFields(&o)...)
		out = append(out, o)
		return true, err
	})
	return out, err
}

// OrdersDue are those that expired before a time.
func (s *Store) OrdersDue(ctx context.Context, beforeMS int64, items int) ([]store.Order, error) {
	return s.orders(ctx, "ended_ms = 0 AND expires_ms < ? ORDER BY expires_ms, digest LIMIT ?", beforeMS, items)
}

// Orders behind after.
func (s *Store) Orders(ctx context.Context, after statement.Digest, items int) ([]store.Order, error) {
	return s.orders(ctx, "digest > ? ORDER BY digest LIMIT ?", string(after), items)
}

// Postings in the order of their seq.
func (s *Store) Postings(ctx context.Context, q store.PostingQuery) ([]store.Posting, error) {
	where, args := sqlstore.PostingsWhere(q)
	var out []store.Posting
	err := s.each(ctx, "SELECT "+sqlstore.PostingColumns+" FROM postings WHERE "+where, args, func(scan func(...any) error) (bool, error) {
		var p store.Posting
		err := scan(sqlstore.PostingFields(&p)...)
		out = append(out, p)
		return true, err
	})
	return out, err
}

// Accounts behind after.
func (s *Store) Accounts(ctx context.Context, after string, items int) ([]store.Account, error) {
	var out []store.Account
	err := s.each(ctx, "SELECT name, balance FROM money_accounts WHERE name > ? ORDER BY name LIMIT ?", []any{after, items}, func(scan func(...any) error) (bool, error) {
		var a store.Account
		err := scan(&a.Name, &a.Balance)
		out = append(out, a)
		return true, err
	})
	return out, err
}
