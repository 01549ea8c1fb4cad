package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	channel    = "cordon_exchange"
	maxWaiting = 4096                   // topics that wait to be notified; what is beyond gets lost
	maxPayload = 7500                   // bytes; PostgreSQL takes less than 8000
	quiet      = 20 * time.Second       // without a notification, after which the connection is asked whether it is there
	again      = 200 * time.Millisecond // after a connection was lost
)

// Notify tells the other processes of topics. One goroutine does it, so that what comes while one notification commits shares the next one:
// PostgreSQL lets only one transaction that notifies commit at a time.
func (h *shared) Notify(topics ...string) {
	for _, t := range topics {
		select {
		case h.topics <- t:
		default: // pollers look again by themselves
		}
	}
}

func (h *shared) notifyLoop() {
	for {
		select {
		case <-h.ctx.Done():
			return
		case t := <-h.topics:
			payloads := h.payloads(t)
			// A lost one only delays.
			_ = h.s.single(h.ctx, func(t *tx) error {
				return t.exec("SELECT pg_notify($1, p) FROM unnest($2::text[]) AS p", channel, payloads)
			})
		}
	}
}

// payloads are first and all topics that wait, each once, behind this process's tag.
func (h *shared) payloads(first string) []string {
	named := map[string]bool{}
	out := []string{h.tag}
	for t := first; ; {
		if !named[t] {
			named[t] = true
			if last := &out[len(out)-1]; len(*last)+1+len(t) <= maxPayload {
				*last += " " + t
			} else {
				out = append(out, h.tag+" "+t)
			}
		}
		select {
		case t = <-h.topics:
		default:
			return out
		}
	}
}

// Listen hears what other processes notify, over a connection of its own. Once that is there (again) it calls heard without topics.
func (h *shared) Listen(ctx context.Context, heard func(topics []string)) {
	for ctx.Err() == nil {
		_ = h.listen(ctx, heard) // the next try tells whether it lasts; Attend's error is the one that is logged
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
}

func (h *shared) listen(ctx context.Context, heard func(topics []string)) error {
	c, err := pgx.ConnectConfig(ctx, h.connect)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = c.Close(closing)
	}()
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	heard(nil)
	for {
		n, err := next(ctx, c)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		if tag, topics, ok := strings.Cut(n.Payload, " "); ok && tag != h.tag {
			heard(strings.Split(topics, " "))
		}
	}
}

// next waits for a notification; nil where none came for a while and the connection is still there.
func next(ctx context.Context, c *pgx.Conn) (*pgconn.Notification, error) {
	waiting, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	n, err := c.WaitForNotification(waiting)
	if err == nil || ctx.Err() != nil || !pgconn.Timeout(err) {
		return n, err
	}
	asking, done := context.WithTimeout(ctx, connectTime)
	defer done()
	return nil, c.Ping(asking)
}
