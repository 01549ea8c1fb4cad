package sqlite

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// AddStatement adds s and delivers it. Durable.
func (s *Store) AddStatement(ctx context.Context, st store.Statement, deliver []store.Delivery) (added bool, err error) {
	err = s.w.do(ctx, true, func(t *tx) error {
		var n int64
		switch err := t.One("SELECT 1 FROM statements WHERE digest = ?", []any{string(st.Digest)}, &n); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		added = true
		if st.Party != nil || st.Kind == store.KindRevocation {
			t.after = append(t.after, s.parties.forget)
		}
		return addStatement(t, &st, deliver)
	})
	return added && err == nil, err
}

func addStatement(t *tx, st *store.Statement, deliver []store.Delivery) error {
	if st.Party != nil {
		if err := sqlstore.Register(t, st.Party); err != nil {
			return err
		}
	}
	if st.Kind == store.KindRevocation {
		for _, r := range st.Refs {
			if err := t.exec("UPDATE parties SET revoked = 1 WHERE statement = ?", string(r)); err != nil {
				return err
			}
		}
	}
	if err := insertStatement(t, st); err != nil {
		return err
	}
	if err := insertLists(t, st); err != nil {
		return err
	}
	if err := sqlstore.AddLogEntry(t, translog.KindStatement, st.Digest, ""); err != nil {
		return err
	}
	return addItems(t, deliver)
}

func insertStatement(t *tx, st *store.Statement) error {
	return t.exec("INSERT INTO statements (digest, kind, name, complete, restricted, envelope) VALUES (?, ?, ?, ?, ?, ?)",
		string(st.Digest), st.Kind, st.Name, st.Complete, len(st.Readers) > 0, st.Envelope)
}

func insertLists(t *tx, st *store.Statement) error {
	for _, a := range st.Authors {
		if err := t.exec("INSERT INTO statement_authors (author, digest) VALUES (?, ?)", string(a), string(st.Digest)); err != nil {
			return err
		}
	}
	for _, r := range st.Readers {
		if err := t.exec("INSERT INTO statement_readers (digest, reader) VALUES (?, ?)", string(st.Digest), string(r)); err != nil {
			return err
		}
	}
	for _, r := range st.Refs {
		if err := t.exec("INSERT OR IGNORE INTO statement_refs (ref, digest) VALUES (?, ?)", string(r), string(st.Digest)); err != nil {
			return err
		}
	}
	return nil
}

// ReplaceEnvelope replaces an envelope that is still old. Durable.
func (s *Store) ReplaceEnvelope(ctx context.Context, st store.Statement, old []byte, deliver []store.Delivery) error {
	return s.w.do(ctx, true, func(t *tx) error {
		t.after = append(t.after, s.known.forget)
		var have []byte
		var complete, restricted bool
		err := t.One("SELECT envelope, complete, restricted FROM statements WHERE digest = ?", []any{string(st.Digest)},
			&have, &complete, &restricted)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, old) {
			return store.ErrChanged
		}
		if complete || !st.Complete {
			if err := t.exec("UPDATE statements SET envelope = ? WHERE digest = ?", st.Envelope, string(st.Digest)); err != nil {
				return err
			}
			return sqlstore.AddLogEntry(t, translog.KindStatement, st.Digest, "")
		}
		return completeStatement(t, &st, deliver)
	})
}

// completeStatement gives the statement a new seq, so that readers who page
// through the catalog meet it, and opens it to those who may read it now.
func completeStatement(t *tx, st *store.Statement, deliver []store.Delivery) error {
	for _, q := range []string{"DELETE FROM statements WHERE digest = ?", "DELETE FROM statement_authors WHERE digest = ?",
		"DELETE FROM statement_readers WHERE digest = ?", "DELETE FROM statement_refs WHERE digest = ?"} {
		if err := t.exec(q, string(st.Digest)); err != nil {
			return err
		}
	}
	if err := insertStatement(t, st); err != nil {
		return err
	}
	if err := insertLists(t, st); err != nil {
		return err
	}
	if err := sqlstore.AddLogEntry(t, translog.KindStatement, st.Digest, ""); err != nil {
		return err
	}
	return addItems(t, deliver)
}

const statementColumns = "s.seq, s.digest, s.kind, s.name, s.complete, s.envelope"

func scanStatement(scan func(...any) error) (*store.Statement, error) {
	var st store.Statement
	err := scan(&st.Seq, &st.Digest, &st.Kind, &st.Name, &st.Complete, &st.Envelope)
	return &st, err
}

// Statement returns one with its lists.
func (s *Store) Statement(ctx context.Context, d statement.Digest) (*store.Statement, error) {
	found, since := s.known.get(d)
	if found != nil {
		return found, nil
	}
	err := s.each(ctx, "SELECT "+statementColumns+" FROM statements s WHERE s.digest = ?", []any{string(d)},
		func(scan func(...any) error) (more bool, err error) {
			found, err = scanStatement(scan)
			return false, err
		})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, store.ErrNotFound
	}
	if err := s.lists(ctx, found); err != nil {
		return nil, err
	}
	s.known.put(*found, since)
	return found, nil
}

func (s *Store) lists(ctx context.Context, st *store.Statement) error {
	var err error
	if st.Authors, err = texts[statement.Fingerprint](ctx, s, "SELECT author FROM statement_authors WHERE digest = ?", string(st.Digest)); err != nil {
		return err
	}
	if st.Readers, err = texts[statement.Fingerprint](ctx, s, "SELECT reader FROM statement_readers WHERE digest = ?", string(st.Digest)); err != nil {
		return err
	}
	st.Refs, err = texts[statement.Digest](ctx, s, "SELECT ref FROM statement_refs WHERE digest = ?", string(st.Digest))
	return err
}

func texts[T ~string](ctx context.Context, s *Store, q string, args ...any) ([]T, error) {
	var out []T
	err := s.each(ctx, q, args, func(scan func(...any) error) (bool, error) {
		var v T
		err := scan(&v)
		out = append(out, v)
		return true, err
	})
	return out, err
}

// List returns statements in the order of their seq.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Statement, error) {
	where, args := []string{"s.seq > ?", "s.complete = ?"}, []any{q.After, !q.Pending}
	add := func(cond string, arg string) {
		if arg != "" {
			where, args = append(where, cond), append(args, arg)
		}
	}
	add("s.kind = ?", q.Kind)
	add("s.name = ?", q.Name)
	add("s.digest IN (SELECT digest FROM statement_authors WHERE author = ?)", string(q.Author))
	if n := len(q.Refs); n > 0 {
		where = append(where, "s.digest IN (SELECT digest FROM statement_refs WHERE ref IN ("+marks(n)+"))")
		for _, r := range q.Refs {
			args = append(args, string(r))
		}
	}
	add("(s.restricted = 0 OR EXISTS (SELECT 1 FROM statement_readers r WHERE r.digest = s.digest AND r.reader = ?))", string(q.Reader))
	args = append(args, q.Page.Items)
	text := "SELECT " + statementColumns + " FROM statements s WHERE " + strings.Join(where, " AND ") + " ORDER BY s.seq LIMIT ?"
	var out []store.Statement
	room := q.Page.Bytes
	err := s.each(ctx, text, args, func(scan func(...any) error) (bool, error) {
		st, err := scanStatement(scan)
		if err != nil || !fits(&room, len(st.Envelope), len(out)) {
			return false, err
		}
		out = append(out, *st)
		return true, nil
	})
	return out, err
}

// fits takes n bytes of the page's room. The first item always fits: a reader must get on.
func fits(room *int, n, before int) bool {
	*room -= n
	return *room >= 0 || before == 0
}

// inOneQuery bounds the texts of queries, each of which stays prepared.
const inOneQuery = 64

// marks stand for n values in a list.
func marks(n int) string { return "?" + strings.Repeat(", ?", n-1) }

// Revocations of any of these statements.
func (s *Store) Revocations(ctx context.Context, of []statement.Digest) ([]store.Statement, error) {
	var out []store.Statement
	for some := range slices.Chunk(of, inOneQuery) {
		args := make([]any, len(some))
		for i, d := range some {
			args[i] = string(d)
		}
		err := s.each(ctx, "SELECT "+statementColumns+` FROM statement_refs r JOIN statements s ON s.digest = r.digest
			WHERE r.ref IN (`+marks(len(some))+`) AND s.kind = 'revocation' ORDER BY s.seq`, args,
			func(scan func(...any) error) (bool, error) {
				st, err := scanStatement(scan)
				out = append(out, *st)
				return true, err
			})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Party that is registered under f.
func (s *Store) Party(ctx context.Context, f statement.Fingerprint) (*store.Party, error) {
	known, since := s.parties.get(f)
	if known != nil {
		return known, nil
	}
	var p store.Party
	err := s.one(ctx, "SELECT fingerprint, name, statement, created_ms, revoked FROM parties WHERE fingerprint = ?",
		[]any{string(f)}, &p.Fingerprint, &p.Name, &p.Statement, &p.CreatedMS, &p.Revoked)
	if err != nil {
		return nil, err
	}
	s.parties.put(p, since)
	return &p, nil
}

// Parties registered, revoked ones left out.
func (s *Store) Parties(ctx context.Context) ([]statement.Fingerprint, error) {
	return texts[statement.Fingerprint](ctx, s, "SELECT fingerprint FROM parties WHERE revoked = 0 ORDER BY fingerprint")
}
