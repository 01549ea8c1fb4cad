package sqlite

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func addItems(t *tx, deliver []store.Delivery) error {
	for _, d := range deliver {
		err := t.exec("INSERT INTO mailbox (owner, job, attempt, kind, sender, body) VALUES (?, ?, ?, ?, ?, ?)",
			string(d.To), string(d.Job), d.Attempt, d.Kind, string(d.From), d.Body)
		if err != nil {
			return err
		}
	}
	return nil
}

// Mailbox returns the items of one party behind after.
func (s *Store) Mailbox(ctx context.Context, of statement.Fingerprint, after int64, page store.Page) ([]store.Item, error) {
	var out []store.Item
	err := s.each(ctx, `SELECT seq, job, attempt, kind, sender, body FROM mailbox
		WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?`, []any{string(of), after, page.Items},
		func(scan func(...any) error) (bool, error) {
			var it store.Item
			err := scan(&it.Seq, &it.Job, &it.Attempt, &it.Kind, &it.From, &it.Body)
			if err != nil || !fits(&page.Bytes, len(it.Body), len(out)) {
				return false, err
			}
			out = append(out, it)
			return true, nil
		})
	return out, err
}

// AckMailbox removes a party's items up to through.
func (s *Store) AckMailbox(ctx context.Context, of statement.Fingerprint, through int64) error {
	return s.w.do(ctx, false, func(t *tx) error {
		return t.exec("DELETE FROM mailbox WHERE owner = ? AND seq <= ?", string(of), through)
	})
}

// AddNotice adds an item of a job, at most limit of one sender.
func (s *Store) AddNotice(ctx context.Context, d store.Delivery, limit int) error {
	return s.w.do(ctx, false, func(t *tx) error {
		n, err := t.Changed(`INSERT INTO notices (job, sender, count) VALUES (?, ?, 1)
			ON CONFLICT (job, sender) DO UPDATE SET count = count + 1 WHERE count < ?`, string(d.Job), string(d.From), limit)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrTooMany
		}
		return addItems(t, []store.Delivery{d})
	})
}
