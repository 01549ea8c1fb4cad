package fsck

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// log checks the log against what it is of: places without a gap, in the order of their times, each entry a commitment to what it is
// about, nothing accepted without one, and the published checkpoint the root of just these entries.
func (c *check) log(ctx context.Context) error {
	cp, err := c.Store.Published(ctx)
	if errors.Is(err, store.ErrNotFound) {
		cp, err = &store.Checkpoint{}, nil
	}
	if err != nil {
		return err
	}
	if err := c.unlogged(ctx, cp); err != nil {
		return err
	}
	r, before := translog.NewRange(), int64(0)
	for next := int64(0); ; {
		list, err := c.Store.LogEntries(ctx, next, pageItems)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return c.places(ctx, next, cp)
		}
		for i := range list {
			e := &list[i]
			if e.Index != next {
				return c.fault("log", "", "entry %d is missing; what is behind it was not looked at", next)
			}
			if err := c.entry(ctx, e, before); err != nil {
				return err
			}
			before, next = e.TimeMS, next+1
			c.sum.Entries++
			if len(e.Commitment) != len(translog.Commitment{}) {
				continue
			}
			if err := r.Append(translog.Leaf{TimeMS: e.TimeMS, Commitment: translog.Commitment(e.Commitment)}); err != nil {
				return err
			}
			if next == cp.Size {
				if err := c.root(r, cp); err != nil {
					return err
				}
			}
		}
	}
}

// maxUnlogged that are told.
const maxUnlogged = 1000

// unlogged tells what was accepted and has no entry. A store from before the log, which was not served since, has none at all: the
// exchange makes them before it serves.
func (c *check) unlogged(ctx context.Context, cp *store.Checkpoint) error {
	first, err := c.Store.LogEntries(ctx, 0, 1)
	if err != nil || len(first) == 0 && cp.Size == 0 {
		return err
	}
	list, err := c.Store.Unlogged(ctx, maxUnlogged)
	if err != nil {
		return err
	}
	for _, e := range list {
		about := e.About
		if about == "" {
			about = e.Job
		}
		if err := c.fault("log", about, "%s without an entry", e.Kind); err != nil {
			return err
		}
	}
	return nil
}

// places compares what was found with what the store counts and what was published.
func (c *check) places(ctx context.Context, found int64, cp *store.Checkpoint) error {
	placed, _, err := c.Store.LogCounts(ctx)
	if err != nil {
		return err
	}
	if placed != found {
		return c.fault("log", "", "%d entries have a place, and %d were given", found, placed)
	}
	if cp.Size > found {
		return c.fault("log", "", "a checkpoint of %d entries was published, and %d are there", cp.Size, found)
	}
	return nil
}

func (c *check) entry(ctx context.Context, e *store.LogEntry, before int64) error {
	bad := func(text string) error { return c.fault("log", e.About, "entry %d: %s", e.Index, text) }
	if e.TimeMS < before {
		return bad("it is dated before the one in front of it")
	}
	if e.Kind == translog.KindAnchor || e.Owner != "" {
		if len(e.Commitment) != len(translog.Commitment{}) || !e.Owner.Valid() {
			return bad("it is no commitment of a party")
		}
		return nil
	}
	want := translog.Commit(e.Kind, e.Salt, e.About)
	if len(e.Salt) != translog.SaltSize || string(want[:]) != string(e.Commitment) {
		return bad("it does not commit to what it is about")
	}
	there, err := c.accepted(ctx, e)
	if err != nil {
		return err
	}
	if !there {
		return bad("what it is about is not there")
	}
	return nil
}

func (c *check) accepted(ctx context.Context, e *store.LogEntry) (bool, error) {
	var err error
	switch e.Kind {
	case translog.KindStatement:
		_, err = c.Store.Statement(ctx, e.About)
	case translog.KindJob:
		_, err = c.Store.Job(ctx, e.About)
	case translog.KindReceipt:
		var body []byte
		body, err = c.Store.Artifact(ctx, e.Job, "receipt")
		if err == nil {
			if env, perr := statement.ParseEnvelope(body); perr == nil {
				return env.Digest() == e.About, nil
			}
			return statement.Sum(body) == e.About, nil
		}
	default:
		return false, nil
	}
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// root compares the root of the entries with the one that was signed. The key is not pinned here: the parties' witnesses do that.
func (c *check) root(r *translog.Range, cp *store.Checkpoint) error {
	root, err := r.Root()
	if err != nil {
		return err
	}
	signed, err := translog.RootUnverified(cp.Note)
	if err != nil || signed != root {
		return c.fault("log", "", "the checkpoint of %d entries was published over others than are there", cp.Size)
	}
	return nil
}
