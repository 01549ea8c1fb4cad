package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// errKnown undoes what was begun for a statement that is there.
var errKnown = errors.New("postgres: statement is there")

// nextSeq numbers a statement. Whoever has called it holds the counter to the end of its transaction: nobody sees a statement before one
// with a lower seq, and what the catalog's writers check stays true until they commit.
func nextSeq(t *tx) (seq int64, err error) {
	err = t.one("UPDATE counters SET last = last + 1 WHERE name = 'statements' RETURNING last", nil, &seq)
	return seq, err
}

// AddStatement adds s and delivers it. Durable.
func (s *Store) AddStatement(ctx context.Context, st store.Statement, deliver []store.Delivery) (added bool, err error) {
	err = s.write(ctx, true, func(t *tx) error {
		seq, err := nextSeq(t)
		if err != nil {
			return err
		}
		var there bool
		if err := t.one("SELECT EXISTS (SELECT 1 FROM statements WHERE digest = $1)", []any{string(st.Digest)}, &there); err != nil {
			return err
		}
		if there {
			return errKnown
		}
		return addStatement(t, seq, &st, deliver)
	})
	if errors.Is(err, errKnown) {
		return false, nil
	}
	return err == nil, err
}

func addStatement(t *tx, seq int64, st *store.Statement, deliver []store.Delivery) error {
	if st.Party != nil {
		if err := sqlstore.Register(t, st.Party); err != nil {
			return err
		}
	}
	if st.Kind == store.KindRevocation {
		if err := t.exec("UPDATE parties SET revoked = true WHERE statement = ANY ($1)", texts(st.Refs)); err != nil {
			return err
		}
	}
	err := t.exec("INSERT INTO statements (seq, digest, kind, name, complete, restricted, envelope) VALUES ($1, $2, $3, $4, $5, $6, $7)",
		seq, string(st.Digest), st.Kind, st.Name, st.Complete, len(st.Readers) > 0, orEmpty(st.Envelope))
	if err != nil {
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

func insertLists(t *tx, st *store.Statement) error {
	for _, l := range []struct {
		table, column string
		values        []string
	}{
		{"statement_authors", "author", texts(st.Authors)},
		{"statement_readers", "reader", texts(st.Readers)},
		{"statement_refs", "ref", texts(st.Refs)},
	} {
		if len(l.values) == 0 {
			continue
		}
		err := t.exec("INSERT INTO "+l.table+" (digest, "+l.column+`, n)
			SELECT $1, v, n FROM unnest($2::text[]) WITH ORDINALITY AS l (v, n) ON CONFLICT DO NOTHING`, string(st.Digest), l.values)
		if err != nil {
			return err
		}
	}
	return nil
}

// ReplaceEnvelope replaces an envelope that is still old. Durable.
func (s *Store) ReplaceEnvelope(ctx context.Context, st store.Statement, old []byte, deliver []store.Delivery) error {
	return s.write(ctx, true, func(t *tx) error {
		seq, err := nextSeq(t)
		if err != nil {
			return err
		}
		var have []byte
		var complete bool
		err = t.one("SELECT envelope, complete FROM statements WHERE digest = $1", []any{string(st.Digest)}, &have, &complete)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, old) {
			return store.ErrChanged
		}
		if complete || !st.Complete {
			if err := t.exec("UPDATE statements SET envelope = $1 WHERE digest = $2", orEmpty(st.Envelope), string(st.Digest)); err != nil {
				return err
			}
			return sqlstore.AddLogEntry(t, translog.KindStatement, st.Digest, "")
		}
		return completeStatement(t, seq, &st, deliver)
	})
}

// completeStatement gives the statement a new seq, so that readers who page
// through the catalog meet it, and opens it to those who may read it now.
func completeStatement(t *tx, seq int64, st *store.Statement, deliver []store.Delivery) error {
	for _, table := range []string{"statements", "statement_authors", "statement_readers", "statement_refs"} {
		if err := t.exec("DELETE FROM "+table+" WHERE digest = $1", string(st.Digest)); err != nil {
			return err
		}
	}
	return addStatement(t, seq, st, deliver)
}

const statementColumns = "seq, digest, kind, name, complete, envelope"

func statementFields(st *store.Statement) []any {
	return []any{&st.Seq, &st.Digest, &st.Kind, &st.Name, &st.Complete, &st.Envelope}
}

// Statement returns one, with its lists, as they are at one moment.
func (s *Store) Statement(ctx context.Context, d statement.Digest) (*store.Statement, error) {
	var st store.Statement
	err := s.single(ctx, func(t *tx) error {
		var authors, readers, refs []string
		var restricted bool
		into := append(statementFields(&st), &restricted, &authors, &readers, &refs)
		err := t.one("SELECT "+statementColumns+`, restricted,
			ARRAY (SELECT author FROM statement_authors WHERE digest = $1 ORDER BY n),
			ARRAY (SELECT reader FROM statement_readers WHERE digest = $1 ORDER BY n),
			ARRAY (SELECT ref FROM statement_refs WHERE digest = $1 ORDER BY n)
			FROM statements WHERE digest = $1`, []any{string(d)}, into...)
		if err == nil && restricted != (len(readers) > 0) {
			return store.ErrDamaged // without its list everybody could read it
		}
		st.Authors, st.Readers, st.Refs = typed[statement.Fingerprint](authors), typed[statement.Fingerprint](readers), typed[statement.Digest](refs)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &st, nil
}

// List returns statements in the order of their seq.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Statement, error) {
	args := []any{int64(q.Page.Items), int64(q.Page.Bytes), q.After, !q.Pending}
	where := []string{"s.seq > $3", "s.complete = $4"}
	add := func(cond string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(cond, len(args)))
	}
	if q.Kind != "" {
		add("s.kind = $%d", q.Kind)
	}
	if q.Name != "" {
		add("s.name = $%d", q.Name)
	}
	if q.Author != "" {
		add("s.digest IN (SELECT digest FROM statement_authors WHERE author = $%d)", string(q.Author))
	}
	if len(q.Refs) > 0 {
		add("s.digest IN (SELECT digest FROM statement_refs WHERE ref = ANY ($%d))", texts(q.Refs))
	}
	if q.Reader != "" {
		add("(NOT s.restricted OR EXISTS (SELECT 1 FROM statement_readers r WHERE r.digest = s.digest AND r.reader = $%d))", string(q.Reader))
	}
	return s.statements(ctx, paged(statementColumns, "SELECT s.*, octet_length(s.envelope) AS size FROM statements s WHERE "+strings.Join(where, " AND ")), args)
}

// statements are the rows of q, without their lists.
func (s *Store) statements(ctx context.Context, q string, args []any) ([]store.Statement, error) {
	var out []store.Statement
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(q, args, func(scan func(...any) error) error {
			var st store.Statement
			err := scan(statementFields(&st)...)
			out = append(out, st)
			return err
		})
	})
	return out, err
}

// Revocations of any of these statements.
func (s *Store) Revocations(ctx context.Context, of []statement.Digest) ([]store.Statement, error) {
	if len(of) == 0 {
		return nil, nil
	}
	return s.statements(ctx, "SELECT "+statementColumns+` FROM statements s WHERE kind = 'revocation'
		AND digest IN (SELECT digest FROM statement_refs WHERE ref = ANY ($1)) ORDER BY seq`, []any{texts(of)})
}

// Party that is registered under f. Nothing of it is remembered: another process may have revoked it.
func (s *Store) Party(ctx context.Context, f statement.Fingerprint) (*store.Party, error) {
	var p store.Party
	err := s.single(ctx, func(t *tx) error {
		return t.one("SELECT fingerprint, name, statement, created_ms, revoked FROM parties WHERE fingerprint = $1",
			[]any{string(f)}, &p.Fingerprint, &p.Name, &p.Statement, &p.CreatedMS, &p.Revoked)
	})
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// Parties registered, revoked ones left out.
func (s *Store) Parties(ctx context.Context) ([]statement.Fingerprint, error) {
	var out []statement.Fingerprint
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT fingerprint FROM parties WHERE NOT revoked ORDER BY fingerprint", nil, func(scan func(...any) error) error {
			var f statement.Fingerprint
			err := scan(&f)
			out = append(out, f)
			return err
		})
	})
	return out, err
}
