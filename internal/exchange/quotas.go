package exchange

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

const (
	dayMS          = 24 * 60 * 60 * 1000
	usesStatements = "statements"
)

// over refuses what a limit of the caller's does not allow, for now or until something ends.
func (s *Server) over(limit, text, hint string) error {
	return s.limited(limit, refuse(http.StatusTooManyRequests, wire.CodeTooMany, text, hint))
}

// mayAdd refuses statements past their author's number of the day, and what asks something of parties whose mailboxes hold too much of the
// caller's. A statement that is here counts once. What ends or answers something always passes: nobody is kept from taking back.
func (s *Server) mayAdd(c *call, st *store.Statement, to []statement.Fingerprint) error {
	ctx := c.r.Context()
	switch _, err := s.store.Statement(ctx, st.Digest); {
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	switch st.Kind {
	case store.KindRevocation:
		return nil
	case store.KindGrant, store.KindRejection:
	default:
		if err := s.mayFill(c, to); err != nil {
			return err
		}
	}
	err := s.store.Count(ctx, store.Use{Party: c.party, What: usesStatements, Period: s.now().UnixMilli() / dayMS, Most: s.limits.Statements})
	if errors.Is(err, store.ErrTooMany) {
		return s.over("statements", "this party has posted as many new statements today as it may", "go on tomorrow (UTC), or ask the exchange's operator")
	}
	return err
}

// mayFill refuses more from one sender to who has not read what it sent before. Others reach the same mailboxes as before.
func (s *Server) mayFill(c *call, to []statement.Fingerprint) error {
	if len(to) == 0 {
		return nil
	}
	n, err := s.store.Waiting(c.r.Context(), to, c.party)
	if err == nil && n >= s.limits.FromOne {
		return s.over("mailbox", "a mailbox holds as much from this party as it may", "wait until its owner has read it")
	}
	return err
}

// mayAsk refuses a job past those that its requester has open. Two at once may both pass: it is a limit, not a count that anything
// rests on.
func (s *Server) mayAsk(c *call, j *statement.Job) error {
	n, err := s.store.OpenJobs(c.r.Context(), c.party)
	if err != nil {
		return err
	}
	if n >= s.limits.OpenJobs {
		return s.over("jobs", "this party has as many jobs open as it may", "wait until some have ended")
	}
	return s.mayFill(c, j.Brokers())
}

const (
	workTime  = 2 * time.Minute  // after which an upload or removal that nobody said to run was cut off
	worksTime = 20 * time.Second // between two words that one runs, and between two looks for what was cut off
)

// reserve has the caller work on an object alone, with room for its bytes; for a removal, none. It lasts until done is called. A call that
// lost it ends with its context.
func (s *Server) reserve(ctx context.Context, o store.Object) (running context.Context, id string, done func(), err error) {
	id = rand.Text()
	r := store.Reservation{ID: id, Path: o.Path, Owner: o.Owner, Bytes: o.Bytes, UntilMS: s.now().Add(workTime).UnixMilli()}
	err = s.store.Reserve(ctx, r, s.limits.Storage)
	if errors.Is(err, store.ErrExists) { // it may be over
		err = errors.Join(s.FreeRoom(ctx, s.now().UnixMilli()), s.store.Reserve(ctx, r, s.limits.Storage))
	}
	switch {
	case errors.Is(err, store.ErrTooMany):
		return nil, "", nil, s.over("storage", "the objects of this party would be more than it may keep", "remove versions that nobody needs, or ask the exchange's operator")
	case errors.Is(err, store.ErrExists):
		return nil, "", nil, refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "another call uploads or removes this object", "try again when it has ended")
	case err != nil: // it may be there all the same: its time ends it
		return nil, "", nil, err
	}
	running, cancel := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { s.keepRoom(running, id, cancel) })
	return running, id, func() { cancel(); keeping.Wait() }, nil
}

// keepRoom says again and again that a call works on its object.
func (s *Server) keepRoom(ctx context.Context, id string, lost context.CancelFunc) {
	every(ctx, worksTime, func() {
		if err := s.store.Keep(ctx, id, s.now().Add(workTime).UnixMilli()); errors.Is(err, store.ErrNotFound) {
			lost() // which ends ctx
		}
	})
}

// settleStorage counts what came of a call that worked on an object, in the place of its room: the object as it is, or nothing.
// store.ErrNotFound says that its room was given back before.
func (s *Server) settleStorage(ctx context.Context, o store.Object, id string) error {
	ctx = context.WithoutCancel(ctx)
	have, err := s.lake.Size(ctx, o.Path)
	switch {
	case err == nil:
		o.Bytes = have
		return s.store.SettleStorage(ctx, o, id)
	case errors.Is(err, lake.ErrNotFound):
		return s.store.Forget(ctx, o.Path, id)
	}
	// Its room is kept until the lake says what is there.
	return errors.Join(err, s.store.Keep(ctx, id, s.now().UnixMilli()-1))
}

// uploaded says what came of an upload. An object whose room was given back meanwhile, because nobody said any more that it came, does
// not stay: what does not count is removed. One that was there before is not this upload's.
func (s *Server) uploaded(ctx context.Context, o store.Object, id string, put error, before bool) error {
	err := s.settleStorage(ctx, o, id)
	if !errors.Is(err, store.ErrNotFound) {
		return errors.Join(put, err)
	}
	if put != nil || before {
		return put
	}
	lost := refuse(http.StatusServiceUnavailable, wire.CodeUnavailable, "the upload lost its room", "try again")
	return errors.Join(lost, s.remove(context.WithoutCancel(ctx), o))
}

// remove an object, and what it counts.
func (s *Server) remove(ctx context.Context, o store.Object) error {
	o.Bytes = 0
	running, id, done, err := s.reserve(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	if err := s.lake.Delete(running, o.Path); err != nil && !errors.Is(err, lake.ErrNotFound) {
		return errors.Join(err, s.settleStorage(ctx, o, id))
	}
	return s.settleStorage(ctx, o, id)
}

// roomLoop gives back the room of what was cut off.
func (s *Server) roomLoop(ctx context.Context) {
	every(ctx, worksTime, func() {
		if err := s.FreeRoom(ctx, s.now().UnixMilli()); err != nil && ctx.Err() == nil {
			s.log.Error("the room of uploads that were cut off can't be given back", "err", err)
		}
	})
}

// FreeRoom gives back the room of what was cut off: whose time was over before. An object that is there counts from then on.
func (s *Server) FreeRoom(ctx context.Context, beforeMS int64) error {
	for after := ""; ; {
		list, err := s.store.Reservations(ctx, beforeMS, after, wire.MaxPage)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, r := range list {
			after = r.ID
			err := s.settleStorage(ctx, store.Object{Path: r.Path, Owner: r.Owner}, r.ID)
			if err != nil && !errors.Is(err, store.ErrNotFound) { // another process was faster
				return err
			}
		}
	}
}

// countStored counts the objects of a store from before objects were counted: those that offers name.
func (s *Server) countStored(ctx context.Context) error {
	some, err := s.store.Objects(ctx, "", 1)
	if err != nil || len(some) > 0 {
		return err
	}
	q := store.Query{Kind: store.KindOffer, Page: page()}
	for {
		list, err := s.store.List(ctx, q)
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			q.After = list[i].Seq
			o, err := body[statement.Offer](&list[i])
			if err != nil {
				return err
			}
			for _, f := range o.Files {
				size, err := s.lake.Size(ctx, f.Object)
				if err == nil {
					err = s.store.SettleStorage(ctx, store.Object{Path: f.Object, Owner: o.Owner, Bytes: size}, "")
				}
				if err != nil && !errors.Is(err, lake.ErrNotFound) {
					return err
				}
			}
		}
	}
}
