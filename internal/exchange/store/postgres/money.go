package postgres

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

// moving runs f durably, and gives what it says.
func (s *Store) moving(ctx context.Context, f func(*tx) (bool, error)) (done bool, err error) {
	err = s.write(ctx, true, func(t *tx) (err error) {
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
	seq, err := nextSeq(t)
	if err != nil {
		return false, err
	}
	var there bool
	if err := t.one("SELECT EXISTS (SELECT 1 FROM statements WHERE digest = $1)", []any{string(st.Digest)}, &there); err != nil || there {
		return false, err
	}
	return true, addStatement(t, seq, st, nil)
}

// Deliver adds items to mailboxes.
func (t *tx) Deliver(deliver []store.Delivery) error { return addItems(t, deliver) }

// NextPosting holds the counter to the end of the transaction.
func (t *tx) NextPosting() (seq int64, err error) {
	err = t.one("UPDATE counters SET last = last + 1 WHERE name = 'postings' RETURNING last", nil, &seq)
	return seq, err
}

// Balance of an account.
func (s *Store) Balance(ctx context.Context, account string) (n int64, err error) {
	err = s.single(ctx, func(t *tx) error {
		return t.one("SELECT coalesce((SELECT balance FROM money_accounts WHERE name = $1), 0)", []any{account}, &n)
	})
	return n, err
}

// Held is what is set aside for the orders of a buyer.
func (s *Store) Held(ctx context.Context, buyer statement.Fingerprint) (n int64, err error) {
	err = s.single(ctx, func(t *tx) error {
		return t.one("SELECT coalesce(sum(amount - charged), 0)::bigint FROM orders WHERE buyer = $1 AND held AND ended_ms = 0", []any{string(buyer)}, &n)
	})
	return n, err
}

// Order returns one.
func (s *Store) Order(ctx context.Context, d statement.Digest) (*store.Order, error) {
	list, err := s.orders(ctx, "digest = $1", string(d))
	if err == nil && len(list) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &list[0], nil
}

func (s *Store) orders(ctx context.Context, q string, args ...any) ([]store.Order, error) {
	var out []store.Order
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT "+sqlstore.OrderColumns+" FROM orders WHERE "+q, args, func(scan func(...any) error) error {
			var o store.Order
			err := scan(sqlstore.OrderFields(&o)...)
			out = append(out, o)
			return err
		})
	})
	return out, err
}

// OrdersDue are those that expired before a time.
func (s *Store) OrdersDue(ctx context.Context, beforeMS int64, items int) ([]store.Order, error) {
	return s.orders(ctx, "ended_ms = 0 AND expires_ms < $1 ORDER BY expires_ms, digest LIMIT $2", beforeMS, int64(items))
}

// Orders behind after.
func (s *Store) Orders(ctx context.Context, after statement.Digest, items int) ([]store.Order, error) {
	return s.orders(ctx, "digest > $1 ORDER BY digest LIMIT $2", string(after), int64(items))
}

// Postings in the order of their seq.
func (s *Store) Postings(ctx context.Context, q store.PostingQuery) ([]store.Posting, error) {
	where, args := sqlstore.PostingsWhere(q)
	var out []store.Posting
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT "+sqlstore.PostingColumns+" FROM postings WHERE "+dollars(where), args, func(scan func(...any) error) error {
			var p store.Posting
			err := scan(sqlstore.PostingFields(&p)...)
			out = append(out, p)
			return err
		})
	})
	return out, err
}

// Accounts behind after.
func (s *Store) Accounts(ctx context.Context, after string, items int) ([]store.Account, error) {
	var out []store.Account
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT name, balance FROM money_accounts WHERE name > $1 ORDER BY name LIMIT $2", []any{after, int64(items)}, func(scan func(...any) error) error {
			var a store.Account
			err := scan(&a.Name, &a.Balance)
			out = append(out, a)
			return err
		})
	})
	return out, err
}
