package postgres

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
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
				ORDER BY j.seq LIMIT 1 FOR UPDATE OF j SKIP LOCKED)
			UPDATE jobs SET state = 'leased', version = version + 1, attempts = attempts + 1, lease = $5, host = $1, until_ms = $6
			FROM oldest WHERE jobs.seq = oldest.seq RETURNING `+jobColumns,
			[]any{string(c.Operator), int64(store.Operator), c.NowMS, c.Classes, c.Lease, c.UntilMS}, jobFields(&j)...)
	})
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// Expire ends leases and jobs whose time is over. Of several processes that look at once, each change is made and told by one.
func (s *Store) Expire(ctx context.Context, nowMS, maxAttempts int64) ([]store.Change, error) {
	if due, err := s.due(ctx, nowMS); err != nil || !due {
		return nil, err
	}
	var out []store.Change
	err := s.write(ctx, false, func(t *tx) error {
		out = nil
		lost, err := t.jobs("state = 'leased' AND until_ms <= $1", nowMS)
		if err != nil {
			return err
		}
		for _, j := range lost {
			c, err := giveUp(t, j.digest, j.attempts, wire.FailedHostLost, nowMS, maxAttempts)
			if err != nil {
				return err
			}
			out = append(out, c)
		}
		late, err := t.jobs("state = 'queued' AND expires_ms <= $1", nowMS)
		if err != nil {
			return err
		}
		for _, j := range late {
			c := store.Change{Job: j.digest, State: store.StateFailed, Code: wire.FailedExpired}
			if err := end(t, c, nowMS); err != nil {
				return err
			}
			out = append(out, c)
		}
		return nil
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

type attempted struct {
	digest   statement.Digest
	attempts int64
}

// jobs locks those of a condition that nobody else has locked.
func (t *tx) jobs(where string, nowMS int64) ([]attempted, error) {
	var out []attempted
	err := t.each("SELECT digest, attempts FROM jobs WHERE "+where+" ORDER BY seq FOR UPDATE SKIP LOCKED", []any{nowMS},
		func(scan func(...any) error) error {
			var a attempted
			err := scan(&a.digest, &a.attempts)
			out = append(out, a)
			return err
		})
	return out, err
}

// giveUp puts a job back into the queue, or fails it where its attempts are spent.
func giveUp(t *tx, job statement.Digest, attempts int64, code string, nowMS, maxAttempts int64) (store.Change, error) {
	c := store.Change{Job: job, State: store.StateQueued}
	if attempts >= maxAttempts {
		c.State, c.Code = store.StateFailed, code
	}
	if err := t.exec("DELETE FROM artifacts WHERE job = $1", string(job)); err != nil {
		return c, err
	}
	return c, end(t, c, nowMS)
}

// end moves a job out of its attempt, with all that only the attempt needed: no
// broker should release keys to an enclave that is gone. The lease stays, so that
// its holder can be told that it said so already.
func end(t *tx, c store.Change, nowMS int64) error {
	ended := nowMS
	if c.State == store.StateQueued {
		ended = 0
	}
	err := t.exec("UPDATE jobs SET state = $1, code = $2, version = version + 1, until_ms = 0, ended_ms = $3 WHERE digest = $4",
		c.State, c.Code, ended, string(c.Job))
	if err != nil {
		return err
	}
	for _, q := range []string{
		`DELETE FROM mailbox WHERE (owner, seq) IN (SELECT owner, seq FROM mailbox
			WHERE job = $1 AND job <> '' AND kind IN ('hello', 'quote') ORDER BY owner, seq FOR UPDATE)`,
		"DELETE FROM replies WHERE job = $1",
		"DELETE FROM sent WHERE job = $1",
	} {
		if err := t.exec(q, string(c.Job)); err != nil {
			return err
		}
	}
	return nil
}

// ExtendLeases moves the end of every lease to at least untilMS.
func (s *Store) ExtendLeases(ctx context.Context, untilMS int64) error {
	return s.single(ctx, func(t *tx) error {
		return t.exec("UPDATE jobs SET until_ms = greatest(until_ms, $1) WHERE state = 'leased'", untilMS)
	})
}
