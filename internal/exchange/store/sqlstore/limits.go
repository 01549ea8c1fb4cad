package sqlstore

import (
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// Count is store.Limits.Count.
func Count(t Tx, u store.Use) error {
	if err := exec(t, "DELETE FROM uses WHERE party = ?1 AND what = ?2 AND period < ?3", string(u.Party), u.What, u.Period); err != nil {
		return err
	}
	n, err := t.Changed(`INSERT INTO uses (party, what, period, used) VALUES (?1, ?2, ?3, 1)
		ON CONFLICT (party, what, period) DO UPDATE SET used = uses.used + 1 WHERE uses.used < ?4`, string(u.Party), u.What, u.Period, u.Most)
	if err == nil && n == 0 {
		return store.ErrTooMany
	}
	return err
}

// Reserve is store.Limits.Reserve. Nobody else reserves for the owner meanwhile: the caller sees to that.
func Reserve(t Tx, o store.Object, most int64) error {
	var others int64
	err := t.One("SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM stored WHERE owner = ?1 AND path <> ?2", []any{string(o.Owner), o.Path}, &others)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if o.Bytes > most-others { // no overflow: neither is negative
		return store.ErrTooMany
	}
	return exec(t, "INSERT INTO stored (path, owner, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (path) DO NOTHING", o.Path, string(o.Owner), o.Bytes)
}

// SettleStorage is store.Limits.Settle.
func SettleStorage(t Tx, o store.Object) error {
	return exec(t, "INSERT INTO stored (path, owner, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (path) DO UPDATE SET bytes = excluded.bytes",
		o.Path, string(o.Owner), o.Bytes)
}

// Forget is store.Limits.Forget.
func Forget(t Tx, path string) error { return exec(t, "DELETE FROM stored WHERE path = ?1", path) }

// Queries of both stores, whose arguments are ?1, ?2, …
const (
	QueryObjects  = "SELECT path, owner, bytes FROM stored WHERE path > ?1 ORDER BY path LIMIT ?2"
	QueryOpenJobs = `SELECT COUNT(*) FROM jobs j WHERE j.state IN ('queued', 'leased')
		AND EXISTS (SELECT 1 FROM job_parties p WHERE p.job = j.digest AND p.party = ?1 AND (p.role & 2) <> 0)`
	QueryWaiting = "SELECT COUNT(*) FROM mailbox WHERE owner = ?1 AND sender = ?2"
)
