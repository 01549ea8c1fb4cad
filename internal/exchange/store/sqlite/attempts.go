package sqlite

import (
	"bytes"
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

const heldQuery = `SELECT attempts FROM jobs WHERE digest = ? AND state = 'leased' AND lease = ? AND host = ? AND until_ms > ?`

func heldArgs(h store.Holder) []any { return []any{string(h.Job), h.Lease, string(h.Host), h.NowMS} }

// Held returns the number of the holder's attempt, or ErrLeaseLost.
func (t *tx) Held(h store.Holder) (int64, error) {
	var attempt int64
	err := t.One(heldQuery, heldArgs(h), &attempt)
	if errors.Is(err, store.ErrNotFound) {
		return 0, store.ErrLeaseLost
	}
	return attempt, err
}

// whileHeld writes as the holder of a lease.
func (s *Store) whileHeld(ctx context.Context, h store.Holder, durable bool, f func(t *tx, attempt int64) error) error {
	return s.w.do(ctx, durable, func(t *tx) error {
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
		return t.exec("UPDATE jobs SET until_ms = max(until_ms, ?) WHERE digest = ?", untilMS, string(h.Job))
	})
}

// Send delivers messages under id once.
func (s *Store) Send(ctx context.Context, h store.Holder, id string, deliver []store.Delivery) error {
	return s.whileHeld(ctx, h, false, func(t *tx, attempt int64) error {
		n, err := t.Changed("INSERT OR IGNORE INTO sent (job, id) VALUES (?, ?)", string(h.Job), id)
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

// AddReply adds an answer to the job's present attempt.
func (s *Store) AddReply(ctx context.Context, r store.Reply) error {
	return s.w.do(ctx, false, func(t *tx) error {
		var attempt int64
		err := t.One("SELECT attempts FROM jobs WHERE digest = ? AND state = 'leased'", []any{string(r.Job)}, &attempt)
		if errors.Is(err, store.ErrNotFound) || err == nil && attempt != r.Attempt {
			return store.ErrStale
		}
		if err != nil {
			return err
		}
		return t.exec("INSERT INTO replies (job, attempt, sender, ref, kind, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
			string(r.Job), r.Attempt, string(r.From), r.Ref, r.Kind, r.Body)
	})
}

// Replies returns the answers to the holder's attempt. Answers to earlier ones
// were removed with them.
func (s *Store) Replies(ctx context.Context, h store.Holder, after int64, page store.Page) ([]store.Reply, error) {
	var attempt int64
	err := s.one(ctx, heldQuery, heldArgs(h), &attempt)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.ErrLeaseLost
	}
	if err != nil {
		return nil, err
	}
	var out []store.Reply
	err = s.each(ctx, `SELECT seq, attempt, sender, kind, body, ref FROM replies
		WHERE job = ? AND attempt = ? AND seq > ? ORDER BY seq LIMIT ?`, []any{string(h.Job), attempt, after, page.Items},
		func(scan func(...any) error) (bool, error) {
			r := store.Reply{Job: h.Job}
			err := scan(&r.Seq, &r.Attempt, &r.From, &r.Kind, &r.Body, &r.Ref)
			if err != nil || !fits(&page.Bytes, len(r.Body), len(out)) {
				return false, err
			}
			out = append(out, r)
			return true, nil
		})
	return out, err
}

// maxStages of one attempt that are kept.
const maxStages = 64

// AddStage notes a step of the attempt.
func (s *Store) AddStage(ctx context.Context, h store.Holder, name string) error {
	return s.whileHeld(ctx, h, false, func(t *tx, attempt int64) error {
		n, err := t.Changed(`INSERT INTO stages (job, attempt, name, at_ms) SELECT ?1, ?2, ?3, ?4
			WHERE (SELECT count(*) FROM stages WHERE job = ?1 AND attempt = ?2) < ?5`,
			string(h.Job), attempt, name, h.NowMS, maxStages)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrTooMany
		}
		return t.exec("UPDATE jobs SET version = version + 1 WHERE digest = ?", string(h.Job))
	})
}

// PutArtifact keeps body under name. Durable: a power cut before the attempt ends would take it, and nobody would bring it again.
func (s *Store) PutArtifact(ctx context.Context, h store.Holder, name string, body []byte) error {
	return s.whileHeld(ctx, h, true, func(t *tx, _ int64) error { return t.PutArtifact(h.Job, name, body) })
}

// PutArtifact keeps body under name.
func (t *tx) PutArtifact(job statement.Digest, name string, body []byte) error {
	var have []byte
	err := t.One("SELECT body FROM artifacts WHERE job = ? AND name = ?", []any{string(job), name}, &have)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return t.exec("INSERT INTO artifacts (job, name, body) VALUES (?, ?, ?)", string(job), name, body)
	case err == nil && !bytes.Equal(have, body):
		return store.ErrExists
	}
	return err
}

// Finish ends the attempt. Durable.
func (s *Store) Finish(ctx context.Context, h store.Holder, e store.Ending) (store.Change, error) {
	var c store.Change
	err := s.w.do(ctx, true, func(t *tx) (err error) {
		c, err = sqlstore.Finish(t, h, e)
		return err
	})
	return c, err
}

const ended = " AND EXISTS (SELECT 1 FROM jobs WHERE digest = ?1 AND state IN ('done', 'failed'))"

// Artifacts of the attempt that ended the job.
func (s *Store) Artifacts(ctx context.Context, d statement.Digest) ([]store.Artifact, error) {
	var out []store.Artifact
	err := s.each(ctx, "SELECT name, length(body) FROM artifacts WHERE job = ?1"+ended+" ORDER BY name", []any{string(d)},
		func(scan func(...any) error) (bool, error) {
			var a store.Artifact
			err := scan(&a.Name, &a.Bytes)
			out = append(out, a)
			return true, err
		})
	return out, err
}

// Artifact returns one.
func (s *Store) Artifact(ctx context.Context, d statement.Digest, name string) ([]byte, error) {
	var b []byte
	err := s.one(ctx, "SELECT body FROM artifacts WHERE job = ?1 AND name = ?2"+ended, []any{string(d), name}, &b)
	return b, err
}
