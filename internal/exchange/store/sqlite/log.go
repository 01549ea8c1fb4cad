package sqlite

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
)

const logKey = "log-key" // in meta

// LogKey is the log's signing key.
func (s *Store) LogKey(ctx context.Context, fresh string) (key string, err error) {
	err = s.w.do(ctx, true, func(t *tx) error {
		if err := t.exec("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", logKey, fresh); err != nil {
			return err
		}
		return t.One("SELECT value FROM meta WHERE key = ?", []any{logKey}, &key)
	})
	return key, err
}

// AddCommitment queues a party's own commitment.
func (s *Store) AddCommitment(ctx context.Context, owner statement.Fingerprint, kind string, commitment []byte, most int) error {
	return s.w.do(ctx, true, func(t *tx) error { return sqlstore.AddCommitment(t, owner, kind, commitment, most) })
}

// Sequence gives the next places. Where nothing waits it writes nothing.
func (s *Store) Sequence(ctx context.Context, nowMS int64, limit int) (from int64, n int, err error) {
	var waiting bool
	if err := s.one(ctx, sqlstore.Waiting, nil, &waiting); err != nil || !waiting {
		return 0, 0, err
	}
	err = s.w.do(ctx, true, func(t *tx) (err error) {
		from, n, err = sqlstore.Sequence(t, nowMS, limit)
		return err
	})
	return from, n, err
}

func (s *Store) logEntries(ctx context.Context, where string, args ...any) ([]store.LogEntry, error) {
	var out []store.LogEntry
	err := s.each(ctx, "SELECT "+sqlstore.LogColumns+" FROM log_entries WHERE "+where, args, func(scan func(...any) error) (bool, error) {
		var e store.LogEntry
		err := scan(sqlstore.LogFields(&e)...)
		out = append(out, e)
		return true, err
	})
	return out, err
}

// LogEntries are those with a place, from one on.
func (s *Store) LogEntries(ctx context.Context, from int64, limit int) ([]store.LogEntry, error) {
	return s.logEntries(ctx, "idx >= 0 AND idx >= ? ORDER BY idx LIMIT ?", from, limit)
}

// LogLeaves are what the tree has of them.
func (s *Store) LogLeaves(ctx context.Context, from int64, limit int) ([]store.LogLeaf, error) {
	var out []store.LogLeaf
	err := s.each(ctx, sqlstore.Leaves, []any{from, limit}, func(scan func(...any) error) (bool, error) {
		var l store.LogLeaf
		err := scan(sqlstore.LeafFields(&l)...)
		out = append(out, l)
		return true, err
	})
	return out, err
}

// LogEntriesAbout are those of a statement, job or receipt.
func (s *Store) LogEntriesAbout(ctx context.Context, d statement.Digest) ([]store.LogEntry, error) {
	return s.logEntries(ctx, "about <> '' AND about = ? ORDER BY id", string(d))
}

// LogEntriesBy are a party's own commitments of a kind that have a place.
func (s *Store) LogEntriesBy(ctx context.Context, owner statement.Fingerprint, kind string, limit int) ([]store.LogEntry, error) {
	return s.logEntries(ctx, "owner <> '' AND owner = ? AND kind = ? AND idx >= 0 ORDER BY idx DESC LIMIT ?", string(owner), kind, limit)
}

// LogEntryOwn is a party's own commitment.
func (s *Store) LogEntryOwn(ctx context.Context, owner statement.Fingerprint, commitment []byte) (*store.LogEntry, error) {
	list, err := s.logEntries(ctx, "owner <> '' AND owner = ? AND commitment = ?", string(owner), commitment)
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
	err := s.each(ctx, sqlstore.Unlogged+"?", []any{limit}, func(scan func(...any) error) (bool, error) {
		e := store.LogEntry{Index: -1}
		err := scan(&e.Kind, &e.About, &e.Job)
		out = append(out, e)
		return true, err
	})
	return out, err
}

// AddUnlogged queues them.
func (s *Store) AddUnlogged(ctx context.Context, list []store.LogEntry) error {
	return s.w.do(ctx, true, func(t *tx) error { return sqlstore.AddUnlogged(t, list) })
}

// LogCounts tells how many entries have a place, and how many wait.
func (s *Store) LogCounts(ctx context.Context) (placed, waiting int64, err error) {
	err = s.one(ctx, "SELECT (SELECT next FROM log_state), (SELECT count(*) FROM log_entries WHERE idx < 0)", nil, &placed, &waiting)
	return placed, waiting, err
}

// Publish keeps a checkpoint.
func (s *Store) Publish(ctx context.Context, c store.Checkpoint) error {
	return s.w.do(ctx, true, func(t *tx) error { return sqlstore.Publish(t, c) })
}

func (s *Store) checkpoints(ctx context.Context, where string, args ...any) ([]store.Checkpoint, error) {
	var out []store.Checkpoint
	err := s.each(ctx, "SELECT "+sqlstore.CheckpointColumns+" FROM log_checkpoints "+where, args, func(scan func(...any) error) (bool, error) {
		var c store.Checkpoint
		err := scan(sqlstore.CheckpointFields(&c)...)
		out = append(out, c)
		return true, err
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
	return s.checkpoints(ctx, "WHERE round = 1 ORDER BY size DESC LIMIT ?", limit)
}

// AddCosignature keeps one of each party and round.
func (s *Store) AddCosignature(ctx context.Context, c store.Cosignature) error {
	return s.w.do(ctx, true, func(t *tx) error { return sqlstore.AddCosignature(t, c) })
}

// Cosignatures of a round.
func (s *Store) Cosignatures(ctx context.Context, size int64) ([]store.Cosignature, error) {
	var out []store.Cosignature
	err := s.each(ctx, "SELECT "+sqlstore.CosignatureColumns+" FROM log_cosignatures WHERE size = ? ORDER BY party", []any{size},
		func(scan func(...any) error) (bool, error) {
			var c store.Cosignature
			err := scan(sqlstore.CosignatureFields(&c)...)
			sqlstore.Whole(&c)
			out = append(out, c)
			return true, err
		})
	return out, err
}
