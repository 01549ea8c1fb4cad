package sqlstore

import (
	"crypto/rand"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

const insertEntry = `INSERT INTO log_entries (kind, about, job, owner, salt, commitment, idx, time_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, -1, 0)`

// AddLogEntry queues what is accepted in this transaction for the log, under a salt of its own. job is whose parties may see it, of a receipt.
func AddLogEntry(t Tx, kind string, about, job statement.Digest) error {
	salt := make([]byte, translog.SaltSize)
	rand.Read(salt) // never fails: crypto/rand aborts the process instead
	c := translog.Commit(kind, salt, about)
	return exec(t, insertEntry, kind, string(about), string(job), "", salt, c[:])
}

// addReceipt queues the receipt that an ended job keeps. One that is no envelope has no name but its bytes' own.
func addReceipt(t Tx, job statement.Digest) error {
	var body []byte
	err := t.One("SELECT body FROM artifacts WHERE job = ?1 AND name = ?2", []any{string(job), wire.ArtifactReceipt}, &body)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return AddLogEntry(t, translog.KindReceipt, ReceiptDigest(body), job)
}

// ReceiptDigest names a job's receipt as the log does.
func ReceiptDigest(body []byte) statement.Digest {
	if e, err := statement.ParseEnvelope(body); err == nil {
		return e.Digest()
	}
	return statement.Sum(body)
}

// Unlogged are kind, digest and job of what has no entry.
const Unlogged = `SELECT 'statement', digest, '' FROM statements s WHERE NOT EXISTS (SELECT 1 FROM log_entries e WHERE e.about <> '' AND e.about = s.digest)
	UNION ALL SELECT 'job', digest, '' FROM jobs j WHERE NOT EXISTS (SELECT 1 FROM log_entries e WHERE e.about <> '' AND e.about = j.digest)
	UNION ALL SELECT 'receipt', '', a.job FROM artifacts a JOIN jobs j ON j.digest = a.job WHERE a.name = 'receipt' AND j.state IN ('done', 'failed')
		AND NOT EXISTS (SELECT 1 FROM log_entries e WHERE e.job <> '' AND e.job = a.job)
	LIMIT `

// AddUnlogged queues them.
func AddUnlogged(t Tx, list []store.LogEntry) error {
	for _, e := range list {
		var err error
		if e.Kind == translog.KindReceipt {
			err = addReceipt(t, e.Job)
		} else {
			err = AddLogEntry(t, e.Kind, e.About, "")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// AddCommitment queues a party's own commitment, once.
func AddCommitment(t Tx, owner statement.Fingerprint, kind string, commitment []byte, most int) error {
	var waiting int
	if err := t.One("SELECT count(*) FROM log_entries WHERE idx < 0 AND owner = ?1", []any{string(owner)}, &waiting); err != nil {
		return err
	}
	if waiting >= most {
		return store.ErrTooMany
	}
	return exec(t, insertEntry+" ON CONFLICT DO NOTHING", kind, "", "", string(owner), []byte{}, commitment)
}

// Waiting is whether an entry has no place, as a number.
const Waiting = "SELECT EXISTS (SELECT 1 FROM log_entries WHERE idx < 0)"

// Sequence gives the next places, and returns the first and how many.
func Sequence(t Tx, nowMS int64, limit int) (from int64, n int, err error) {
	// The row is locked first: what others place meanwhile is seen when they have committed.
	if err := exec(t, "UPDATE log_state SET time_ms = CASE WHEN time_ms > ?1 THEN time_ms ELSE ?2 END WHERE one = 1", nowMS, nowMS); err != nil {
		return 0, 0, err
	}
	var next, at int64
	if err := t.One("SELECT next, time_ms FROM log_state WHERE one = ?1", []any{1}, &next, &at); err != nil {
		return 0, 0, err
	}
	placed, err := place(t, next, at, limit)
	if err != nil || placed == 0 {
		return 0, 0, err
	}
	return next, int(placed), exec(t, "UPDATE log_state SET next = next + ?1 WHERE one = 1", placed)
}

func place(t Tx, next, at int64, limit int) (int64, error) {
	var count, first, last int64
	err := t.One("SELECT count(*), coalesce(min(id), 0), coalesce(max(id), 0) FROM (SELECT id FROM log_entries WHERE idx < 0 ORDER BY id LIMIT ?1) AS w",
		[]any{limit}, &count, &first, &last)
	if err != nil || count == 0 {
		return 0, err
	}
	if last-first+1 == count { // nobody else's come between: as ever where one process writes
		return t.Changed("UPDATE log_entries SET idx = id + ?1, time_ms = ?2 WHERE id >= ?3 AND id <= ?4 AND idx < 0", next-first, at, first, last)
	}
	return t.Changed(`UPDATE log_entries SET idx = ?1 + w.n - 1, time_ms = ?2
		FROM (SELECT id AS waiting, row_number() OVER (ORDER BY id) AS n FROM log_entries WHERE idx < 0 ORDER BY id LIMIT ?3) AS w
		WHERE id = w.waiting`, next, at, limit)
}

// Leaves selects what the tree has, from one place on.
const Leaves = "SELECT idx, time_ms, commitment FROM log_entries WHERE idx >= 0 AND idx >= ?1 ORDER BY idx LIMIT ?2"

// LeafFields of a leaf.
func LeafFields(l *store.LogLeaf) []any { return []any{&l.Index, &l.TimeMS, &l.Commitment} }

// LogColumns are the columns of an entry, and LogFields where they go.
const LogColumns = "id, kind, about, job, owner, salt, commitment, idx, time_ms"

// LogFields of an entry.
func LogFields(e *store.LogEntry) []any {
	return []any{&e.ID, &e.Kind, &e.About, &e.Job, &e.Owner, &e.Salt, &e.Commitment, &e.Index, &e.TimeMS}
}

// Publish keeps a checkpoint.
func Publish(t Tx, c store.Checkpoint) error {
	// Whoever publishes holds the row that gives places: two never publish at once.
	if err := exec(t, "UPDATE log_state SET next = next WHERE one = ?1", 1); err != nil {
		return err
	}
	var largest int64
	if err := t.One("SELECT coalesce(max(size), -1) FROM log_checkpoints WHERE size >= ?1", []any{0}, &largest); err != nil {
		return err
	}
	if c.Size < largest || c.Size == largest && !c.Round {
		return nil
	}
	if c.Size == largest { // it becomes a round
		return exec(t, "UPDATE log_checkpoints SET round = ?1, at_ms = ?2 WHERE size = ?3", true, c.AtMS, c.Size)
	}
	if err := exec(t, "DELETE FROM log_checkpoints WHERE round = ?1", false); err != nil {
		return err
	}
	if err := exec(t, "INSERT INTO log_checkpoints (size, note, at_ms, round) VALUES (?1, ?2, ?3, ?4)", c.Size, c.Note, c.AtMS, c.Round); err != nil {
		return err
	}
	return forgetRounds(t)
}

func forgetRounds(t Tx) error {
	n, err := t.Changed("DELETE FROM log_checkpoints WHERE size < (SELECT min(size) FROM (SELECT size FROM log_checkpoints WHERE round = ?1 ORDER BY size DESC LIMIT ?2) AS kept)",
		true, store.KeptRounds)
	if err != nil || n == 0 {
		return err
	}
	return exec(t, "DELETE FROM log_cosignatures WHERE size < (SELECT min(size) FROM log_checkpoints WHERE round = ?1)", true)
}

// CheckpointColumns are the columns of a checkpoint, and CheckpointFields where they go.
const CheckpointColumns = "size, note, at_ms, round"

// CheckpointFields of a checkpoint.
func CheckpointFields(c *store.Checkpoint) []any { return []any{&c.Size, &c.Note, &c.AtMS, &c.Round} }

// AddCosignature keeps the first of each party and round.
func AddCosignature(t Tx, c store.Cosignature) error {
	var round bool
	if err := t.One("SELECT round FROM log_checkpoints WHERE size = ?1", []any{c.Size}, &round); err != nil {
		return err
	}
	if !round {
		return store.ErrNotFound
	}
	cert := c.Certificate
	if cert == nil {
		cert = []byte{}
	}
	return exec(t, "INSERT INTO log_cosignatures (size, party, line, key, certificate) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
		c.Size, string(c.Party), c.Line, c.Key, cert)
}

// CosignatureColumns are the columns of a cosignature, and CosignatureFields where they go.
const CosignatureColumns = "size, party, line, key, certificate"

// CosignatureFields of a cosignature.
func CosignatureFields(c *store.Cosignature) []any {
	return []any{&c.Size, &c.Party, &c.Line, &c.Key, &c.Certificate}
}

// Whole gives what was read the form that it was written in.
func Whole(c *store.Cosignature) {
	if len(c.Certificate) == 0 {
		c.Certificate = nil
	}
}
