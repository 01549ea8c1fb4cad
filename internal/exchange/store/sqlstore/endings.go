package sqlstore

import (
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Expire ends leases and jobs whose time is over, and returns what it changed.
func Expire(t Tx, nowMS, maxAttempts int64) ([]store.Change, error) {
	var out []store.Change
	lost, err := t.Due(store.StateLeased, "until_ms", nowMS)
	if err != nil {
		return nil, err
	}
	for _, j := range lost {
		c, err := giveUp(t, j.Job, j.Attempts, wire.FailedHostLost, nowMS, maxAttempts)
		if err != nil {
			return nil, err
		}
		// For Claim: when its host was last known to be silent.
		if err := exec(t, "UPDATE jobs SET until_ms = ?1 WHERE digest = ?2 AND state = 'queued'", nowMS, string(j.Job)); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	late, err := t.Due(store.StateQueued, "expires_ms", nowMS)
	if err != nil {
		return nil, err
	}
	for _, j := range late {
		c := store.Change{Job: j.Job, State: store.StateFailed, Code: wire.FailedExpired}
		if err := end(t, c, nowMS); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Finish ends the holder's attempt.
func Finish(t Tx, h store.Holder, e store.Ending) (store.Change, error) {
	attempt, err := t.Held(h)
	if errors.Is(err, store.ErrLeaseLost) {
		return finished(t, h, e.State, e.Code)
	}
	if err != nil {
		return store.Change{}, err
	}
	if e.State == store.StateQueued {
		return giveUp(t, h.Job, attempt, e.Code, h.NowMS, e.MaxAttempts)
	}
	for _, a := range e.Artifacts {
		if err := t.PutArtifact(h.Job, a.Name, a.Body); err != nil {
			return store.Change{}, err
		}
	}
	if err := addReceipt(t, h.Job); err != nil {
		return store.Change{}, err
	}
	c := store.Change{Job: h.Job, State: e.State, Code: e.Code}
	return c, end(t, c, h.NowMS)
}

// finished recognises a holder that says again how its attempt ended.
func finished(t Tx, h store.Holder, state, code string) (store.Change, error) {
	c := store.Change{Job: h.Job}
	err := t.One("SELECT state, code FROM jobs WHERE digest = ?1 AND lease = ?2 AND host = ?3 AND state <> 'leased'",
		[]any{string(h.Job), h.Lease, string(h.Host)}, &c.State, &c.Code)
	if errors.Is(err, store.ErrNotFound) {
		return store.Change{}, store.ErrLeaseLost
	}
	if err != nil {
		return store.Change{}, err
	}
	if state != store.StateQueued && (c.State != state || c.Code != code) {
		return store.Change{}, store.ErrLeaseLost
	}
	return c, nil
}

// giveUp puts a job back into the queue, or fails it where its attempts are spent.
func giveUp(t Tx, job statement.Digest, attempts int64, code string, nowMS, maxAttempts int64) (store.Change, error) {
	c := store.Change{Job: job, State: store.StateQueued}
	if attempts >= maxAttempts {
		c.State, c.Code = store.StateFailed, code
	}
	if err := exec(t, "DELETE FROM artifacts WHERE job = ?1", string(job)); err != nil {
		return c, err
	}
	return c, end(t, c, nowMS)
}

// end moves a job out of its attempt, with all that only the attempt needed: no
// broker should release keys to an enclave that is gone. The lease stays, so that
// its holder can be told that it said so already.
func end(t Tx, c store.Change, nowMS int64) error {
	ended := nowMS
	if c.State == store.StateQueued {
		ended = 0
	}
	err := exec(t, "UPDATE jobs SET state = ?1, code = ?2, version = version + 1, until_ms = 0, ended_ms = ?3 WHERE digest = ?4",
		c.State, c.Code, ended, string(c.Job))
	if err != nil {
		return err
	}
	if err := t.Withdraw(c.Job); err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM replies WHERE job = ?1", "DELETE FROM sent WHERE job = ?1"} {
		if err := exec(t, q, string(c.Job)); err != nil {
			return err
		}
	}
	return nil
}
