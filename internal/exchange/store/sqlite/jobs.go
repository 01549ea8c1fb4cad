package sqlite

import (
	"context"
	"errors"
	"strings"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// AddJob queues a job. Durable.
func (s *Store) AddJob(ctx context.Context, j store.Job, deliver []store.Delivery) error {
	return s.w.do(ctx, true, func(t *tx) error {
		n, err := t.Changed(`INSERT INTO jobs (digest, contract, class, envelope, submitted_ms, expires_ms,
			state, version, attempts, lease, host, until_ms, code, ended_ms)
			VALUES (?, ?, ?, ?, ?, ?, 'queued', 1, 0, '', '', 0, '', 0) ON CONFLICT DO NOTHING`,
			string(j.Digest), string(j.Contract), j.Class, j.Envelope, j.SubmittedMS, j.ExpiresMS)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrExists
		}
		for _, p := range j.Parties {
			err := t.exec(`INSERT INTO job_parties (job, party, role) VALUES (?, ?, ?)
				ON CONFLICT DO UPDATE SET role = role | excluded.role`, string(j.Digest), string(p.Party), int64(p.Role))
			if err != nil {
				return err
			}
		}
		if err := sqlstore.AddLogEntry(t, translog.KindJob, j.Digest, ""); err != nil {
			return err
		}
		return addItems(t, deliver)
	})
}

const jobColumns = "digest, contract, class, envelope, submitted_ms, expires_ms, state, version, attempts, host, code, ended_ms"

func jobFields(j *store.Job) []any {
	return []any{&j.Digest, &j.Contract, &j.Class, &j.Envelope, &j.SubmittedMS, &j.ExpiresMS,
		&j.State, &j.Version, &j.Attempts, &j.Host, &j.Code, &j.EndedMS}
}

// Job returns one, without its parties.
func (s *Store) Job(ctx context.Context, d statement.Digest) (*store.Job, error) {
	var j store.Job
	err := s.one(ctx, "SELECT "+jobColumns+" FROM jobs WHERE digest = ?", []any{string(d)}, jobFields(&j)...)
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// JobParties are those of a job with their roles.
func (s *Store) JobParties(ctx context.Context, d statement.Digest) ([]store.JobParty, error) {
	var out []store.JobParty
	err := s.each(ctx, "SELECT party, role FROM job_parties WHERE job = ? ORDER BY party", []any{string(d)},
		func(scan func(...any) error) (bool, error) {
			var p store.JobParty
			err := scan(&p.Party, &p.Role)
			out = append(out, p)
			return true, err
		})
	if err == nil && len(out) == 0 {
		return nil, store.ErrNotFound
	}
	return out, err
}

// Stages of all attempts, in order.
func (s *Store) Stages(ctx context.Context, d statement.Digest) ([]store.Stage, error) {
	var out []store.Stage
	err := s.each(ctx, "SELECT attempt, name, at_ms FROM stages WHERE job = ? ORDER BY n", []any{string(d)},
		func(scan func(...any) error) (bool, error) {
			var g store.Stage
			err := scan(&g.Attempt, &g.Name, &g.AtMS)
			out = append(out, g)
			return true, err
		})
	return out, err
}

// Claim leases the oldest queued job that the operator may host.
func (s *Store) Claim(ctx context.Context, c store.Claim) (*store.Job, error) {
	if len(c.Classes) == 0 {
		return nil, store.ErrNotFound
	}
	var j store.Job
	err := s.w.do(ctx, false, func(t *tx) error {
		asked := c.AskedMS
		if asked == 0 {
			asked = c.NowMS
		}
		silent := []any{string(c.Operator), asked, c.NowMS}
		args := append([]any{string(c.Operator), int64(store.Operator), c.NowMS}, silent...)
		for _, class := range c.Classes {
			args = append(args, class)
		}
		var digest string
		err := t.One(`SELECT j.digest FROM jobs j JOIN job_parties p ON p.job = j.digest
			WHERE j.state = 'queued' AND p.party = ? AND p.role & ? <> 0 AND j.expires_ms > ?
			AND NOT `+silentQuery+`
			AND j.class IN (?`+strings.Repeat(", ?", len(c.Classes)-1)+`) ORDER BY j.seq LIMIT 1`, args, &digest)
		if errors.Is(err, store.ErrNotFound) {
			return askAnew(t, silent)
		}
		if err != nil {
			return err
		}
		err = t.exec(`UPDATE jobs SET state = 'leased', version = version + 1, attempts = attempts + 1,
			lease = ?, host = ?, until_ms = ? WHERE digest = ?`, c.Lease, string(c.Operator), c.UntilMS, digest)
		if err != nil {
			return err
		}
		return t.One("SELECT "+jobColumns+" FROM jobs WHERE digest = ?", []any{digest}, jobFields(&j)...)
	})
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// silentQuery holds for a job whose lease an operator let end since it asked. A time to come is that of a clock that went back.
const silentQuery = "(j.host = ? AND j.until_ms > ? AND j.until_ms <= ?)"

// askAnew tells why there was no job.
func askAnew(t *tx, silent []any) error {
	var held bool
	err := t.One("SELECT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'queued' AND "+silentQuery+")", silent, &held)
	switch {
	case err != nil:
		return err
	case held:
		return store.ErrAskAnew
	}
	return store.ErrNotFound
}

// Expire ends leases and jobs whose time is over.
func (s *Store) Expire(ctx context.Context, nowMS, maxAttempts int64) ([]store.Change, error) {
	if due, err := s.due(ctx, nowMS); err != nil || !due {
		return nil, err
	}
	var out []store.Change
	err := s.w.do(ctx, false, func(t *tx) (err error) {
		out, err = sqlstore.Expire(t, nowMS, maxAttempts)
		return err
	})
	return out, err
}

// due keeps an idle exchange from writing.
func (s *Store) due(ctx context.Context, nowMS int64) (bool, error) {
	var n bool
	err := s.one(ctx, `SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'leased' AND until_ms <= ?1)
		OR EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND expires_ms <= ?1)`, []any{nowMS}, &n)
	return n, err
}

// Due needs no lock: there is one writer.
func (t *tx) Due(state, column string, nowMS int64) ([]sqlstore.Attempted, error) {
	st, err := t.stmt("SELECT digest, attempts FROM jobs WHERE state = '" + state + "' AND " + column + " <= ?")
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(t.ctx, nowMS)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []sqlstore.Attempted
	for rows.Next() {
		var a sqlstore.Attempted
		if err := rows.Scan(&a.Job, &a.Attempts); err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// Withdraw takes the hellos and quotes of a job out of all mailboxes.
func (t *tx) Withdraw(job statement.Digest) error {
	return t.exec("DELETE FROM mailbox WHERE job = ? AND job <> '' AND kind IN ('hello', 'quote')", string(job))
}

// ExtendLeases moves the end of every lease to at least untilMS.
func (s *Store) ExtendLeases(ctx context.Context, untilMS int64) error {
	return s.w.do(ctx, false, func(t *tx) error {
		return t.exec("UPDATE jobs SET until_ms = max(until_ms, ?) WHERE state = 'leased'", untilMS)
	})
}
