package sqlstore

import (
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// Register binds name and key to each other: first come, for ever.
func Register(t Tx, p *store.Party) error {
	var have string
	err := t.One("SELECT fingerprint FROM parties WHERE name = ?1", []any{p.Name}, &have)
	switch {
	case err == nil && have != string(p.Fingerprint):
		return store.ErrNameTaken
	case err == nil:
		return renew(t, p)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	err = t.One("SELECT name FROM parties WHERE fingerprint = ?1", []any{string(p.Fingerprint)}, &have)
	switch {
	case err == nil:
		return store.ErrNameFixed
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	return exec(t, "INSERT INTO parties (fingerprint, name, statement, created_ms, revoked) VALUES (?1, ?2, ?3, ?4, FALSE)",
		string(p.Fingerprint), p.Name, string(p.Statement), p.CreatedMS)
}

// renew takes a newer introduction of the same key, never an older one: its box
// could be one whose private key has leaked since.
func renew(t Tx, p *store.Party) error {
	n, err := t.Changed("UPDATE parties SET statement = ?1, created_ms = ?2 WHERE fingerprint = ?3 AND created_ms < ?2 AND NOT revoked",
		string(p.Statement), p.CreatedMS, string(p.Fingerprint))
	if err == nil && n == 0 {
		return store.ErrOutdated
	}
	return err
}
