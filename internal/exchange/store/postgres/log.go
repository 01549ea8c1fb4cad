package postgres

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

const logKey = "log-key" // in meta

// LogKey is the log's signing key.
func (s *Store) LogKey(ctx context.Context, fresh string) (key string, err error) {
	err = s.write(ctx, true, func(t *tx) error {
		if err := t.exec("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING", logKey, fresh); err != nil {
			return err
		}
		return t.one("SELECT value FROM meta WHERE key = $1", []any{logKey}, &key)
	})
	return key, err
}

// AddCommitment queues a party's own commitment.
func (s *Store) AddCommitment(ctx context.Context, owner statement.Fingerprint, kind string, commitment []byte, most int) error {
	return s.write(ctx, true, func(t *tx) error { return sqlstore.AddCommitment(t, owner, kind, commitment, most) })
}

// Sequence gives the next places. Where nothing waits it writes nothing.
func (s *Store) Sequence(ctx context.Context, nowMS int64, limit int) (from int64, n int, err error) {
	var waiting bool
	err = s.single(ctx, func(t *tx) error { return t.one(sqlstore.Waiting, nil, &waiting) })
	if err != nil || !waiting {
		return 0, 0, err
	}
	err = s.write(ctx, true, func(t *tx) (err error) {
		from, n, err = sqlstore.Sequence(t, nowMS, limit)
		return err
	})
	return from, n, err
}

func (s *Store) logEntries(ctx context.Context, where string, args ...any) ([]store.LogEntry, error) {
	var out []store.LogEntry
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT "+sqlstore.LogColumns+" FROM log_entries WHERE "+where, args, func(scan func(...any) error) error {
			var e store.LogEntry
			err := scan(sqlstore.LogFields(&e)...)
			out = append(out, e)
			return err
		})
	})
	return out, err
}

// LogEntries are those with a place, from one on.
func (s *Store) LogEntries(ctx context.Context, from int64, limit int) ([]store.LogEntry, error) {
	return s.logEntries(ctx, "idx >= 0 AND idx >= $1 ORDER BY idx LIMIT $2", from, int64(limit))
}

// LogLeaves are what the tree has of them.
func (s *Store) LogLeaves(ctx context.Context, from int64, limit int) ([]store.LogLeaf, error) {
	var out []store.LogLeaf
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(dollars(sqlstore.Leaves), []any{from, int64(limit)}, func(scan func(...any) error) error {
			var l store.LogLeaf
			err := scan(sqlstore.LeafFields(&l)...)
			out = append(out, l)
			return err
		})
	})
	return out, err
}

// LogEntriesAbout are those of a statement, job or receipt.
func (s *Store) LogEntriesAbout(ctx context.Context, d statement.Digest) ([]store.LogEntry, error) {
	return s.logEntries(ctx, "about <> '' AND about = $1 ORDER BY id", string(d))
}

// LogEntriesBy are a party's own commitments of a kind that have a place.
func (s *Store) LogEntriesBy(ctx context.Context, owner statement.Fingerprint, kind string, limit int) ([]store.LogEntry, error) {
	return s.logEntries(ctx, "owner <> '' AND owner = $1 AND kind = $2 AND idx >= 0 ORDER BY idx DESC LIMIT $3", string(owner), kind, int64(limit))
}

// LogEntryOwn is a party's own commitment.
func (s *Store) LogEntryOwn(ctx context.Context, owner statement.Fingerprint, commitment []byte) (*store.LogEntry, error) {
	list, err := s.logEntries(ctx, "owner <> '' AND owner = $1 AND commitment = $2", string(owner), commitment)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, store.ErrNotFound
	}
	return &list[0], nil
}

// Unlogged are statements, jobs and receipts that have no entry.
func (s *Store) Unlogged(ctx context.Context, limit int) ([]store.LogEntry, error) {
	var out []store.LogEntry
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(sqlstore.Unlogged+"$1", []any{int64(limit)}, func(scan func(...any) error) error {
			e := store.LogEntry{Index: -1}
			err := scan(&e.Kind, &e.About, &e.Job)
			out = append(out, e)
			return err
		})
	})
	return out, err
}

// AddUnlogged queues them.
func (s *Store) AddUnlogged(ctx context.Context, list []store.LogEntry) error {
	return s.write(ctx, true, func(t *tx) error { return sqlstore.AddUnlogged(t, list) })
}

// LogCounts tells how many entries have a place, and how many wait.
func (s *Store) LogCounts(ctx context.Context) (placed, waiting int64, err error) {
	err = s.single(ctx, func(t *tx) error {
		return t.one("SELECT (SELECT next FROM log_state), (SELECT count(*) FROM log_entries WHERE idx < 0)", nil, &placed, &waiting)
	})
	return placed, waiting, err
}

// Publish keeps a checkpoint.
func (s *Store) Publish(ctx context.Context, c store.Checkpoint) error {
	return s.write(ctx, true, func(t *tx) error { return sqlstore.Publish(t, c) })
}

func (s *Store) checkpoints(ctx context.Context, where string, args ...any) ([]store.Checkpoint, error) {
	var out []store.Checkpoint
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT "+sqlstore.CheckpointColumns+" FROM log_checkpoints "+where, args, func(scan func(...any) error) error {
			var c store.Checkpoint
			err := scan(sqlstore.CheckpointFields(&c)...)
			out = append(out, c)
			return err
		})
	})
	return out, err
}

// Published is the largest checkpoint.
func (s *Store) Published(ctx context.Context) (*store.Checkpoint, error) {
	list, err := s.checkpoints(ctx, "ORDER BY size DESC LIMIT 1")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, store.ErrNotFound
	}
	return &list[0], nil
}

// Rounds are the newest checkpoints that witnesses are asked to cosign.
func (s *Store) Rounds(ctx context.Context, limit int) ([]store.Checkpoint, error) {
	return s.checkpoints(ctx, "WHERE round ORDER BY size DESC LIMIT $1", int64(limit))
}

// AddCosignature keeps one of each party and round.
func (s *Store) AddCosignature(ctx context.Context, c store.Cosignature) error {
	return s.write(ctx, true, func(t *tx) error { return sqlstore.AddCosignature(t, c) })
}

// Cosignatures of a round.
func (s *Store) Cosignatures(ctx context.Context, size int64) ([]store.Cosignature, error) {
	var out []store.Cosignature
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT "+sqlstore.CosignatureColumns+" FROM log_cosignatures WHERE size = $1 ORDER BY party", []any{size}, func(scan func(...any) error) error {
			var c store.Cosignature
			err := scan(sqlstore.CosignatureFields(&c)...)
			sqlstore.Whole(&c)
			out = append(out, c)
			return err
		})
	})
	return out, err
}
