package postgres

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlstore"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// AddJob queues a job. Durable.
func (s *Store) AddJob(ctx context.Context, j store.Job, deliver []store.Delivery) error {
	var parties []string
	var roles []int64
	for _, p := range j.Parties {
		parties, roles = append(parties, string(p.Party)), append(roles, int64(p.Role))
	}
	return s.write(ctx, true, func(t *tx) error {
		n, err := t.changed(`INSERT INTO jobs (digest, contract, class, envelope, submitted_ms, expires_ms,
			state, version, attempts, lease, host, until_ms, code, ended_ms)
			VALUES ($1, $2, $3, $4, $5, $6, 'queued', 1, 0, '', '', 0, '', 0) ON CONFLICT DO NOTHING`,
			string(j.Digest), string(j.Contract), j.Class, orEmpty(j.Envelope), j.SubmittedMS, j.ExpiresMS)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrExists
		}
		err = t.exec(`INSERT INTO job_parties (job, party, role) SELECT $1, party, bit_or(role)
			FROM unnest($2::text[], $3::bigint[]) AS p (party, role) GROUP BY party`, string(j.Digest), parties, roles)
		if err != nil {
			return err
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
	err := s.single(ctx, func(t *tx) error {
		return t.one("SELECT "+jobColumns+" FROM jobs WHERE digest = $1", []any{string(d)}, jobFields(&j)...)
	})
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// JobParties are those of a job with their roles.
func (s *Store) JobParties(ctx context.Context, d statement.Digest) ([]store.JobParty, error) {
	var out []store.JobParty
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT party, role FROM job_parties WHERE job = $1 ORDER BY party", []any{string(d)}, func(scan func(...any) error) error {
			var p store.JobParty
			err := scan(&p.Party, &p.Role)
			out = append(out, p)
			return err
		})
	})
	if err == nil && len(out) == 0 {
		return nil, store.ErrNotFound
	}
	return out, err
}

// Stages of all attempts, in order.
func (s *Store) Stages(ctx context.Context, d statement.Digest) ([]store.Stage, error) {
	var out []store.Stage
	err := s.single(ctx, func(t *tx) error {
		out = nil
		return t.each("SELECT attempt, name, at_ms FROM stages WHERE job = $1 ORDER BY n", []any{string(d)}, func(scan func(...any) error) error {
			var g store.Stage
			err := scan(&g.Attempt, &g.Name, &g.AtMS)
			out = append(out, g)
			return err
		})
	})
	return out, err
}

// Claim leases the oldest queued job that the operator may host. A job that another claim is taking is passed over.
func (s *Store) Claim(ctx context.Context, c store.Claim) (*store.Job, error) {
	if len(c.Classes) == 0 {
		return nil, store.ErrNotFound
	}
	var j store.Job
	err := s.single(ctx, func(t *tx) error {
		j = store.Job{}
		return t.one(`WITH oldest AS MATERIALIZED (SELECT j.seq FROM jobs j JOIN job_parties p ON p.job = j.digest
				WHERE j.state = 'queued' AND p.party = $1 AND p.role & $2 <> 0 AND j.expires_ms > $3 AND j.class = ANY ($4)
				AND NOT `+silent("$1", "$7", "$3")+`
				ORDER BY j.seq LIMIT 1 FOR UPDATE OF j SKIP LOCKED)
			UPDATE jobs SET state = 'leased', version = version + 1, attempts = attempts + 1, lease = $5, host = $1, until_ms = $6
			FROM oldest WHERE jobs.seq = oldest.seq RETURNING `+jobColumns,
			[]any{string(c.Operator), int64(store.Operator), c.NowMS, c.Classes, c.Lease, c.UntilMS, asked(c)}, jobFields(&j)...)
	})
	if errors.Is(err, store.ErrNotFound) {
		err = s.askAnew(ctx, c)
	}
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// silent holds for a job whose lease the operator let end since it asked. A time to come is that of a clock that went back.
func silent(operator, asked, now string) string {
	return "(j.host = " + operator + " AND j.until_ms > " + asked + " AND j.until_ms <= " + now + ")"
}

func asked(c store.Claim) int64 {
	if c.AskedMS == 0 {
		return c.NowMS
	}
	return c.AskedMS
}

// askAnew tells why there was no job.
func (s *Store) askAnew(ctx context.Context, c store.Claim) error {
	var held bool
	err := s.single(ctx, func(t *tx) error {
		return t.one("SELECT EXISTS (SELECT 1 FROM jobs j WHERE j.state = 'queued' AND "+silent("$1", "$2", "$3")+")",
			[]any{string(c.Operator), asked(c), c.NowMS}, &held)
	})
	switch {
	case err != nil:
		return err
	case held:
		return store.ErrAskAnew
	}
	return store.ErrNotFound
}

// Expire ends leases and jobs whose time is over. Of several processes that look at once, each change is made and told by one.
func (s *Store) Expire(ctx context.Context, nowMS, maxAttempts int64) ([]store.Change, error) {
	if due, err := s.due(ctx, nowMS); err != nil || !due {
		return nil, err
	}
	var out []store.Change
	err := s.write(ctx, false, func(t *tx) (err error) {
		out, err = sqlstore.Expire(t, nowMS, maxAttempts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// due keeps an idle exchange from writing.
func (s *Store) due(ctx context.Context, nowMS int64) (due bool, err error) {
	err = s.single(ctx, func(t *tx) error {
		return t.one(`SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'leased' AND until_ms <= $1)
			OR EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND expires_ms <= $1)`, []any{nowMS}, &due)
	})
	return due, err
}

// Due locks those that nobody else has locked.
func (t *tx) Due(state, column string, nowMS int64) ([]sqlstore.Attempted, error) {
	var out []sqlstore.Attempted
	err := t.each("SELECT digest, attempts FROM jobs WHERE state = '"+state+"' AND "+column+" <= $1 ORDER BY seq FOR UPDATE SKIP LOCKED", []any{nowMS},
		func(scan func(...any) error) error {
			var a sqlstore.Attempted
			err := scan(&a.Job, &a.Attempts)
			out = append(out, a)
			return err
		})
	return out, err
}

// Withdraw locks in the order of all who lock items.
func (t *tx) Withdraw(job statement.Digest) error {
	return t.exec(`DELETE FROM mailbox WHERE (owner, seq) IN (SELECT owner, seq FROM mailbox
		WHERE job = $1 AND job <> '' AND kind IN ('hello', 'quote') ORDER BY owner, seq FOR UPDATE)`, string(job))
}

// ExtendLeases moves the end of every lease to at least untilMS.
func (s *Store) ExtendLeases(ctx context.Context, untilMS int64) error {
	return s.single(ctx, func(t *tx) error {
		return t.exec("UPDATE jobs SET until_ms = greatest(until_ms, $1) WHERE state = 'leased'", untilMS)
	})
}
