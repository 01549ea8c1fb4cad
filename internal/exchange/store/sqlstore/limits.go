package sqlstore

import (
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
func Reserve(t Tx, r store.Reservation, most int64) error {
	if r.Bytes > 0 {
		var used int64
		err := t.One(`SELECT CAST((SELECT COALESCE(SUM(bytes), 0) FROM stored WHERE owner = ?1 AND NOT (path = ?2 AND bytes = ?3))
			+ (SELECT COALESCE(SUM(bytes), 0) FROM reservations WHERE owner = ?1) AS BIGINT)`, []any{string(r.Owner), r.Path, r.Bytes}, &used)
		if err != nil {
			return err
		}
		if r.Bytes > most-used { // no overflow: neither is negative
			return store.ErrTooMany
		}
	}
	n, err := t.Changed(`INSERT INTO reservations (id, path, owner, bytes, until_ms) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (path) DO NOTHING`,
		r.ID, r.Path, string(r.Owner), r.Bytes, r.UntilMS)
	if err == nil && n == 0 {
		return store.ErrExists
	}
	return err
}

// Keep is store.Limits.Keep.
func Keep(t Tx, id string, untilMS int64) error {
	n, err := t.Changed("UPDATE reservations SET until_ms = ?2 WHERE id = ?1", id, untilMS)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// SettleStorage is store.Limits.SettleStorage.
func SettleStorage(t Tx, o store.Object, reservation string) error {
	if reservation != "" {
		if err := release(t, o.Path, reservation); err != nil {
			return err
		}
	}
	return exec(t, "INSERT INTO stored (path, owner, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (path) DO UPDATE SET bytes = excluded.bytes",
		o.Path, string(o.Owner), o.Bytes)
}

// release gives a reservation back, once.
func release(t Tx, path, id string) error {
	n, err := t.Changed("DELETE FROM reservations WHERE id = ?1 AND path = ?2", id, path)
	if err == nil && n == 0 {
		return store.ErrNotFound
	}
	return err
}

// Forget is store.Limits.Forget.
func Forget(t Tx, path, reservation string) error {
	if err := release(t, path, reservation); err != nil {
		return err
	}
	return exec(t, "DELETE FROM stored WHERE path = ?1", path)
}

// Queries of both stores, whose arguments are ?1, ?2, …
const (
	QueryObjects      = "SELECT path, owner, bytes FROM stored WHERE path > ?1 ORDER BY path LIMIT ?2"
	QueryReservations = "SELECT id, path, owner, bytes, until_ms FROM reservations WHERE until_ms < ?1 AND id > ?2 ORDER BY id LIMIT ?3"
	QueryOpenJobs     = `SELECT COUNT(*) FROM jobs j WHERE j.state IN ('queued', 'leased')
		AND EXISTS (SELECT 1 FROM job_parties p WHERE p.job = j.digest AND p.party = ?1 AND (p.role & 2) <> 0)`
	QueryWaiting = "SELECT COUNT(*) FROM mailbox WHERE owner = ?1 AND sender = ?2"
)
