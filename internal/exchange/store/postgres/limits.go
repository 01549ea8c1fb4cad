package postgres

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

// Count adds one to what a party did of something in a period.
func (s *Store) Count(ctx context.Context, u store.Use) error {
	return s.write(ctx, false, func(t *tx) error { return sqlstore.Count(t, u) })
}

// Reserve has one upload or removal work on a path. Two at once could each see room for one: the lock, which ends with the transaction, lets one look
// after the other. Durable.
func (s *Store) Reserve(ctx context.Context, r store.Reservation, most int64) error {
	return s.write(ctx, true, func(t *tx) error {
		if err := t.exec("SELECT pg_advisory_xact_lock(hashtextextended($1, 4))", string(r.Owner)); err != nil {
			return err
		}
		return sqlstore.Reserve(t, r, most)
	})
}

// Keep has a reservation last longer.
func (s *Store) Keep(ctx context.Context, id string, untilMS int64) error {
	return s.write(ctx, false, func(t *tx) error { return sqlstore.Keep(t, id, untilMS) })
}

// SettleStorage counts an object in the place of its reservation.
func (s *Store) SettleStorage(ctx context.Context, o store.Object, reservation string) error {
	return s.write(ctx, false, func(t *tx) error { return sqlstore.SettleStorage(t, o, reservation) })
}

// Forget the object of a path.
func (s *Store) Forget(ctx context.Context, path, reservation string) error {
	return s.write(ctx, false, func(t *tx) error { return sqlstore.Forget(t, path, reservation) })
}

// Objects behind after.
func (s *Store) Objects(ctx context.Context, after string, items int) ([]store.Object, error) {
	var out []store.Object
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(dollars(sqlstore.QueryObjects), []any{after, int64(items)}, func(scan func(...any) error) error {
			var o store.Object
			err := scan(&o.Path, &o.Owner, &o.Bytes)
			out = append(out, o)
			return err
		})
	})
	return out, err
}

// Reservations that end before a time.
func (s *Store) Reservations(ctx context.Context, beforeMS int64, after string, items int) ([]store.Reservation, error) {
	var out []store.Reservation
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(dollars(sqlstore.QueryReservations), []any{beforeMS, after, int64(items)}, func(scan func(...any) error) error {
			var r store.Reservation
			err := scan(&r.ID, &r.Path, &r.Owner, &r.Bytes, &r.UntilMS)
			out = append(out, r)
			return err
		})
	})
	return out, err
}

// OpenJobs of a requester.
func (s *Store) OpenJobs(ctx context.Context, requester statement.Fingerprint) (n int64, err error) {
	err = s.single(ctx, func(t *tx) error { return t.One(sqlstore.QueryOpenJobs, []any{string(requester)}, &n) })
	return n, err
}

// Waiting is how many items of one sender wait in one of the mailboxes: one question for all.
func (s *Store) Waiting(ctx context.Context, in []statement.Fingerprint, sender statement.Fingerprint) (most int64, err error) {
	err = s.single(ctx, func(t *tx) error {
		return t.one(`SELECT COALESCE(MAX(n), 0) FROM (SELECT COUNT(*) AS n FROM mailbox
			WHERE owner = ANY($1::text[]) AND sender = $2 GROUP BY owner) c`, []any{texts(in), string(sender)}, &most)
	})
	return most, err
}
