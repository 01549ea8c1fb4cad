package postgres

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// Registrations of parties behind after, revoked ones too.
func (s *Store) Registrations(ctx context.Context, after statement.Fingerprint, items int) ([]store.Party, error) {
	var out []store.Party
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT fingerprint, name, statement, created_ms, revoked FROM parties WHERE fingerprint > $1 ORDER BY fingerprint LIMIT $2",
			[]any{string(after), int64(items)}, func(scan func(...any) error) error {
				var p store.Party
				err := scan(&p.Fingerprint, &p.Name, &p.Statement, &p.CreatedMS, &p.Revoked)
				out = append(out, p)
				return err
			})
	})
	return out, err
}

// AllJobs behind after, without their parties.
func (s *Store) AllJobs(ctx context.Context, after statement.Digest, items int) ([]store.Job, error) {
	var out []store.Job
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT "+jobColumns+" FROM jobs WHERE digest > $1 ORDER BY digest LIMIT $2", []any{string(after), int64(items)},
			func(scan func(...any) error) error {
				var j store.Job
				err := scan(jobFields(&j)...)
				out = append(out, j)
				return err
			})
	})
	return out, err
}

// Boxes are the owners of mailboxes that hold something.
func (s *Store) Boxes(ctx context.Context) ([]statement.Fingerprint, error) {
	var out []statement.Fingerprint
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT DISTINCT owner FROM mailbox ORDER BY owner", nil, func(scan func(...any) error) error {
			var f statement.Fingerprint
			err := scan(&f)
			out = append(out, f)
			return err
		})
	})
	return out, err
}

// Traces are the jobs that other rows name.
func (s *Store) Traces(ctx context.Context) ([]store.Trace, error) {
	var out []store.Trace
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each(`SELECT 'parties', job FROM job_parties UNION SELECT 'stages', job FROM stages
			UNION SELECT 'replies', job FROM replies UNION SELECT 'sent', job FROM sent
			UNION SELECT 'artifacts', job FROM artifacts ORDER BY 1, 2`, nil, func(scan func(...any) error) error {
			var t store.Trace
			err := scan(&t.Kind, &t.Job)
			out = append(out, t)
			return err
		})
	})
	return out, err
}

// Queue counts the jobs that wait, and those that are leased.
func (s *Store) Queue(ctx context.Context) (store.Queue, error) {
	var q store.Queue
	err := s.single(ctx, func(t *tx) error {
		return t.one("SELECT count(*) FILTER (WHERE state = 'queued'), count(*) FILTER (WHERE state = 'leased') FROM jobs WHERE state IN ('queued', 'leased')",
			nil, &q.Queued, &q.Leased)
	})
	return q, err
}

// Integrity finds nothing: PostgreSQL has no check that its users may run. Its operator has pg_amcheck and data checksums.
func (s *Store) Integrity(context.Context) ([]string, error) { return nil, nil }
