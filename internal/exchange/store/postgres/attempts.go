package postgres

import (
	"bytes"
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

const heldQuery = "SELECT attempts FROM jobs WHERE digest = $1 AND state = 'leased' AND lease = $2 AND host = $3 AND until_ms > $4"

func heldArgs(h store.Holder) []any { return []any{string(h.Job), h.Lease, string(h.Host), h.NowMS} }

// Held returns the number of the holder's attempt, or ErrLeaseLost. The job stays locked: nobody ends the attempt meanwhile.
func (t *tx) Held(h store.Holder) (int64, error) {
	var attempt int64
	err := t.one(heldQuery+" FOR NO KEY UPDATE", heldArgs(h), &attempt)
	if errors.Is(err, store.ErrNotFound) {
		return 0, store.ErrLeaseLost
	}
	return attempt, err
}

// whileHeld writes as the holder of a lease.
func (s *Store) whileHeld(ctx context.Context, h store.Holder, durable bool, f func(t *tx, attempt int64) error) error {
	return s.write(ctx, durable, func(t *tx) error {
		attempt, err := t.Held(h)
		if err != nil {
			return err
		}
		return f(t, attempt)
	})
}

// Renew moves the end of a lease.
func (s *Store) Renew(ctx context.Context, h store.Holder, untilMS int64) error {
	return s.whileHeld(ctx, h, false, func(t *tx, _ int64) error {
		return t.exec("UPDATE jobs SET until_ms = greatest(until_ms, $1) WHERE digest = $2", untilMS, string(h.Job))
	})
}

// Send delivers messages under id once. It is durable, since the seqs of mailboxes must not come back.
func (s *Store) Send(ctx context.Context, h store.Holder, id string, deliver []store.Delivery) error {
	return s.whileHeld(ctx, h, true, func(t *tx, attempt int64) error {
		n, err := t.changed("INSERT INTO sent (job, id) VALUES ($1, $2) ON CONFLICT DO NOTHING", string(h.Job), id)
		if err != nil || n == 0 {
			return err
		}
		items := make([]store.Delivery, len(deliver))
		for i, d := range deliver {
			d.Job, d.Attempt, d.From = h.Job, attempt, h.Host
			items[i] = d
		}
		return addItems(t, items)
	})
}

// AddReply adds an answer to the job's present attempt. The job's lock keeps replies in the order of their seqs.
func (s *Store) AddReply(ctx context.Context, r store.Reply) error {
	return s.write(ctx, false, func(t *tx) error {
		var attempt int64
		err := t.one("SELECT attempts FROM jobs WHERE digest = $1 AND state = 'leased' FOR NO KEY UPDATE", []any{string(r.Job)}, &attempt)
		if errors.Is(err, store.ErrNotFound) || err == nil && attempt != r.Attempt {
			return store.ErrStale
		}
		if err != nil {
			return err
		}
		return t.exec("INSERT INTO replies (job, attempt, sender, ref, kind, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
			string(r.Job), r.Attempt, string(r.From), r.Ref, r.Kind, orEmpty(r.Body))
	})
}

// Replies returns the answers to the holder's attempt. Answers to earlier ones
// were removed with them.
func (s *Store) Replies(ctx context.Context, h store.Holder, after int64, page store.Page) ([]store.Reply, error) {
	var out []store.Reply
	err := s.single(ctx, func(t *tx) error {
		out = nil
		var attempt int64
		err := t.one(heldQuery, heldArgs(h), &attempt)
		if errors.Is(err, store.ErrNotFound) {
			return store.ErrLeaseLost
		}
		if err != nil {
			return err
		}
		return t.each(paged("seq, attempt, sender, kind, body, ref",
			"SELECT *, octet_length(body) AS size FROM replies WHERE job = $3 AND attempt = $4 AND seq > $5"),
			[]any{int64(page.Items), int64(page.Bytes), string(h.Job), attempt, after}, func(scan func(...any) error) error {
				r := store.Reply{Job: h.Job}
				err := scan(&r.Seq, &r.Attempt, &r.From, &r.Kind, &r.Body, &r.Ref)
				out = append(out, r)
				return err
			})
	})
	return out, err
}

// maxStages of one attempt that are kept.
const maxStages = 64

// AddStage notes a step of the attempt.
func (s *Store) AddStage(ctx context.Context, h store.Holder, name string) error {
	return s.whileHeld(ctx, h, false, func(t *tx, attempt int64) error {
		n, err := t.changed(`INSERT INTO stages (job, attempt, name, at_ms) SELECT $1, $2, $3, $4
			WHERE (SELECT count(*) FROM stages WHERE job = $1 AND attempt = $2) < $5`,
			string(h.Job), attempt, name, h.NowMS, int64(maxStages))
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrTooMany
		}
		return t.exec("UPDATE jobs SET version = version + 1 WHERE digest = $1", string(h.Job))
	})
}

// PutArtifact keeps body under name. Durable: a crash before the attempt ends would take it, and nobody would bring it again.
func (s *Store) PutArtifact(ctx context.Context, h store.Holder, name string, body []byte) error {
	return s.whileHeld(ctx, h, true, func(t *tx, _ int64) error { return t.PutArtifact(h.Job, name, body) })
}

// PutArtifact keeps body under name.
func (t *tx) PutArtifact(job statement.Digest, name string, body []byte) error {
	n, err := t.changed("INSERT INTO artifacts (job, name, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", string(job), name, orEmpty(body))
	if err != nil || n == 1 {
		return err
	}
	var have []byte
	err = t.one("SELECT body FROM artifacts WHERE job = $1 AND name = $2", []any{string(job), name}, &have)
	if err == nil && !bytes.Equal(have, body) {
		return store.ErrExists
	}
	return err
}

// Finish ends the attempt. Durable.
func (s *Store) Finish(ctx context.Context, h store.Holder, e store.Ending) (store.Change, error) {
	var c store.Change
	err := s.write(ctx, true, func(t *tx) (err error) {
		c, err = sqlstore.Finish(t, h, e)
		return err
	})
	if err != nil {
		return store.Change{}, err
	}
	return c, nil
}

const ended = " AND EXISTS (SELECT 1 FROM jobs WHERE digest = $1 AND state IN ('done', 'failed'))"

// Artifacts of the attempt that ended the job.
func (s *Store) Artifacts(ctx context.Context, d statement.Digest) ([]store.Artifact, error) {
	var out []store.Artifact
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT name, octet_length(body) FROM artifacts WHERE job = $1"+ended+" ORDER BY name", []any{string(d)},
			func(scan func(...any) error) error {
				var a store.Artifact
				err := scan(&a.Name, &a.Bytes)
				out = append(out, a)
				return err
			})
	})
	return out, err
}

// Artifact returns one.
func (s *Store) Artifact(ctx context.Context, d statement.Digest, name string) ([]byte, error) {
	var b []byte
	err := s.single(ctx, func(t *tx) error {
		return t.one("SELECT body FROM artifacts WHERE job = $1 AND name = $2"+ended, []any{string(d), name}, &b)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}
