package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
)

// shared is what processes tell each other.
type shared struct {
	s       *Store
	connect *pgx.ConnConfig
	tag     string // of this process, in what it notifies
	clock   atomic.Pointer[reading]
	topics  chan string
	ctx     context.Context // ends with the store; of the goroutines that start begins
	cancel  func()
	work    sync.WaitGroup
}

var _ store.Shared = (*shared)(nil)

// reading of the database's clock. at has a monotonic part, so that what this machine's own clock shows does not matter.
type reading struct {
	at time.Time
	ms int64
}

func newShared(s *Store, connect *pgx.ConnConfig) *shared {
	h := &shared{s: s, connect: connect, tag: token()[:8], topics: make(chan string, maxWaiting)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

func (h *shared) start() { h.work.Go(h.notifyLoop) }

func (h *shared) stop() {
	h.cancel()
	h.work.Wait()
}

func token() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand aborts the process instead
	return hex.EncodeToString(b[:])
}

// Now is the database's clock, as it was read last and as time has gone on since.
func (h *shared) Now() time.Time {
	r := h.clock.Load()
	return time.UnixMilli(r.ms).Add(time.Since(r.at))
}

// nowMS is the clock in SQL. It is not the transaction's, which stands still.
const nowMS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

// look reads the clock.
func (h *shared) look(ctx context.Context) error {
	return h.s.single(ctx, func(t *tx) error {
		begin := time.Now()
		var ms int64
		err := t.one("SELECT "+nowMS, nil, &ms)
		if err == nil {
			h.set(begin, ms)
		}
		return err
	})
}

// maxReading is how long a question for the clock may take: it was read at some moment of that.
const maxReading = time.Second

func (h *shared) set(asked time.Time, ms int64) {
	took := time.Since(asked)
	if took <= maxReading || h.clock.Load() == nil {
		h.clock.Store(&reading{at: asked.Add(took / 2), ms: ms})
	}
}

// attendTime is how often presence is written; it is looked at more often.
const attendTime = time.Second

// Attend says that an exchange is there.
func (h *shared) Attend(ctx context.Context, a store.Attendance) (instance string, err error) {
	var seen, now int64
	err = h.s.single(ctx, func(t *tx) error {
		begin := time.Now()
		err := t.one("SELECT instance, seen_ms, "+nowMS+" FROM presence", nil, &instance, &seen, &now)
		if err == nil {
			h.set(begin, now)
		}
		return err
	})
	if err == nil && now >= seen && now-seen < attendTime.Milliseconds() {
		return instance, nil
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	return h.attend(ctx, a)
}

// keepNonces for longer than a signature can be accepted: twice the skew, which Spend measures by the same clock.
const keepNonces = "5 minutes"

// attend writes presence. The row is locked until leases are long enough: nobody ends one before that who attends before it looks.
func (h *shared) attend(ctx context.Context, a store.Attendance) (instance string, err error) {
	fresh := token()
	err = h.s.write(ctx, false, func(t *tx) error {
		if err := t.exec("INSERT INTO presence (one, instance, seen_ms) VALUES (true, $1, 0) ON CONFLICT DO NOTHING", fresh); err != nil {
			return err
		}
		var seen, now int64
		if err := t.one("SELECT instance, seen_ms FROM presence FOR UPDATE", nil, &instance, &seen); err != nil {
			return err
		}
		if err := t.one("SELECT "+nowMS, nil, &now); err != nil {
			return err
		}
		// Where the clock went back, leases would last by as much longer.
		if gap := now - seen; gap >= a.Gap.Milliseconds() || gap < -attendTime.Milliseconds() {
			if err := t.exec("UPDATE jobs SET until_ms = $1 WHERE state = 'leased'", now+a.Lease.Milliseconds()); err != nil {
				return err
			}
		}
		if err := t.exec("UPDATE presence SET seen_ms = $1", now); err != nil {
			return err
		}
		return t.exec("DELETE FROM nonces WHERE at < clock_timestamp() - interval '" + keepNonces + "'")
	})
	return instance, err
}

// Spend uses a nonce. Two at once of one nonce wait for each other at its row.
func (h *shared) Spend(ctx context.Context, n store.Nonce) (store.Spent, error) {
	nonce, err := hex.DecodeString(n.Nonce)
	if err != nil {
		return 0, err
	}
	var present, near, fresh bool
	err = h.s.single(ctx, func(t *tx) error {
		return t.one(`WITH now AS MATERIALIZED (SELECT EXISTS (SELECT 1 FROM presence WHERE instance = $1) AS present,
				abs(`+nowMS+` - $2::bigint) <= $3 AS near),
			spent AS (INSERT INTO nonces (key, nonce) SELECT $4, $5 FROM now WHERE present AND near ON CONFLICT DO NOTHING RETURNING 1)
			SELECT present, near, EXISTS (SELECT 1 FROM spent) FROM now`,
			[]any{n.Instance, n.TimeMS, n.MaxSkew.Milliseconds(), n.Key[:], nonce}, &present, &near, &fresh)
	})
	switch {
	case err != nil:
		return 0, err
	case !present:
		return store.WrongInstance, nil
	case !near:
		return store.Skewed, nil
	case !fresh:
		return store.Replayed, nil
	}
	return store.Fresh, nil
}
