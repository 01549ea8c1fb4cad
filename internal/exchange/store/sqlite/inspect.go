package sqlite

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

// Registrations of parties behind after, revoked ones too.
func (s *Store) Registrations(ctx context.Context, after statement.Fingerprint, items int) ([]store.Party, error) {
	var out []store.Party
	err := s.each(ctx, "SELECT fingerprint, name, statement, created_ms, revoked FROM parties WHERE fingerprint > ? ORDER BY fingerprint LIMIT ?",
		[]any{string(after), items}, func(scan func(...any) error) (bool, error) {
			var p store.Party
			err := scan(&p.Fingerprint, &p.Name, &p.Statement, &p.CreatedMS, &p.Revoked)
			out = append(out, p)
			return true, err
		})
	return out, err
}

// AllJobs behind after, without their parties.
func (s *Store) AllJobs(ctx context.Context, after statement.Digest, items int) ([]store.Job, error) {
	var out []store.Job
	err := s.each(ctx, "SELECT "+jobColumns+" FROM jobs WHERE digest > ? ORDER BY digest LIMIT ?", []any{string(after), items},
		func(scan func(...any) error) (bool, error) {
			var j store.Job
			err := scan(jobFields(&j)...)
			out = append(out, j)
			return true, err
		})
	return out, err
}

// Boxes are the owners of mailboxes that hold something.
func (s *Store) Boxes(ctx context.Context) ([]statement.Fingerprint, error) {
	return texts[statement.Fingerprint](ctx, s, "SELECT DISTINCT owner FROM mailbox ORDER BY owner")
}

// Traces are the jobs that other rows name.
func (s *Store) Traces(ctx context.Context) ([]store.Trace, error) {
	var out []store.Trace
	err := s.each(ctx, `SELECT 'parties', job FROM job_parties UNION SELECT 'stages', job FROM stages
		UNION SELECT 'replies', job FROM replies UNION SELECT 'sent', job FROM sent
		UNION SELECT 'artifacts', job FROM artifacts ORDER BY 1, 2`, nil,
		func(scan func(...any) error) (bool, error) {
			var t store.Trace
			err := scan(&t.Kind, &t.Job)
			out = append(out, t)
			return true, err
		})
	return out, err
}

// Queue counts the jobs that wait, and those that are leased.
func (s *Store) Queue(ctx context.Context) (store.Queue, error) {
	var q store.Queue
	err := s.one(ctx, `SELECT (SELECT count(*) FROM jobs WHERE state = 'queued'), (SELECT count(*) FROM jobs WHERE state = 'leased')`,
		nil, &q.Queued, &q.Leased)
	return q, err
}

// Integrity has SQLite check its file: pages, indexes, and the types of values.
func (s *Store) Integrity(ctx context.Context) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, "PRAGMA integrity_check(100)")
	if err != nil {
		return nil, classify(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, classify(err)
		}
		if line != "ok" {
			out = append(out, line)
		}
	}
	return out, classify(rows.Err())
}
