package postgres

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// addItems numbers and adds items, in the order of deliver. Each mailbox's row stays locked to the end of the transaction, so its owner never
// sees an item before one with a lower seq; they are locked in the order of their owners, so that no two transactions wait for each other.
func addItems(t *tx, deliver []store.Delivery) error {
	if len(deliver) == 0 {
		return nil
	}
	var owners, jobs, kinds, senders []string
	var attempts []int64
	var bodies [][]byte
	for _, d := range deliver {
		owners, jobs, kinds = append(owners, string(d.To)), append(jobs, string(d.Job)), append(kinds, d.Kind)
		attempts, senders, bodies = append(attempts, d.Attempt), append(senders, string(d.From)), append(bodies, orEmpty(d.Body))
	}
	return t.exec(`WITH
		items AS (SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bytea[])
			WITH ORDINALITY AS i (owner, job, attempt, kind, sender, body, n)),
		counted AS (SELECT owner COLLATE "C" AS owner, count(*) AS items FROM items GROUP BY owner),
		numbered AS (INSERT INTO mailboxes AS m (owner, last) SELECT owner, items FROM counted ORDER BY owner
			ON CONFLICT (owner) DO UPDATE SET last = m.last + excluded.last RETURNING owner, last)
		INSERT INTO mailbox (owner, seq, job, attempt, kind, sender, body)
			SELECT i.owner, b.last - c.items + row_number() OVER (PARTITION BY i.owner ORDER BY i.n), i.job, i.attempt, i.kind, i.sender, i.body
			FROM items i JOIN counted c ON c.owner = i.owner JOIN numbered b ON b.owner = i.owner`,
		owners, jobs, attempts, kinds, senders, bodies)
}

// orEmpty is b where nil would be NULL.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// paged cuts rows, which must be in the order of their seq and have a column size, to a page: $1 items and $2 bytes. The first row always
// fits: a reader must get on. What does not fit is not sent.
func paged(columns, rows string) string {
	return `SELECT ` + columns + ` FROM (SELECT r.*, row_number() OVER w AS place, sum(size) OVER w AS total
		FROM (` + rows + ` ORDER BY seq LIMIT $1) r WINDOW w AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)) p
		WHERE place = 1 OR total <= $2 ORDER BY seq`
}

// Mailbox returns the items of one party behind after.
func (s *Store) Mailbox(ctx context.Context, of statement.Fingerprint, after int64, page store.Page) ([]store.Item, error) {
	var out []store.Item
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(paged("seq, job, attempt, kind, sender, body",
			"SELECT *, octet_length(body) AS size FROM mailbox WHERE owner = $3 AND seq > $4"),
			[]any{int64(page.Items), int64(page.Bytes), string(of), after}, func(scan func(...any) error) error {
				var it store.Item
				err := scan(&it.Seq, &it.Job, &it.Attempt, &it.Kind, &it.From, &it.Body)
				out = append(out, it)
				return err
			})
	})
	return out, err
}

// AckMailbox removes a party's items up to through. It waits for nobody: an item that is being removed by its job's end is left to that.
func (s *Store) AckMailbox(ctx context.Context, of statement.Fingerprint, through int64) error {
	return s.single(ctx, func(t *tx) error {
		return t.exec(`DELETE FROM mailbox WHERE owner = $1 AND seq IN
			(SELECT seq FROM mailbox WHERE owner = $1 AND seq <= $2 ORDER BY seq FOR UPDATE SKIP LOCKED)`, string(of), through)
	})
}

// AddNotice adds an item of a job, at most limit of one sender.
func (s *Store) AddNotice(ctx context.Context, d store.Delivery, limit int) error {
	return s.write(ctx, true, func(t *tx) error {
		n, err := t.changed(`INSERT INTO notices AS n (job, sender, count) VALUES ($1, $2, 1)
			ON CONFLICT (job, sender) DO UPDATE SET count = n.count + 1 WHERE n.count < $3`, string(d.Job), string(d.From), int64(limit))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrTooMany
		}
		return addItems(t, []store.Delivery{d})
	})
}
