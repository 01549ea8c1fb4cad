package exchange

import (
	"context"
	"errors"
	"net/http"

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

// reserve makes room for an object before a byte of it is read.
func (s *Server) reserve(ctx context.Context, o store.Object) error {
	err := s.store.Reserve(ctx, o, s.limits.Storage)
	if errors.Is(err, store.ErrTooMany) {
		return s.over("storage", "the objects of this party would be more than it may keep", "remove versions that nobody needs, or ask the exchange's operator")
	}
	return err
}

// settleStorage counts what came of an upload: the object as it is, or nothing. An upload that broke off while another one of the same object
// went well leaves that.
func (s *Server) settleStorage(ctx context.Context, o store.Object, put error) error {
	ctx = context.WithoutCancel(ctx)
	have, err := s.lake.Size(ctx, o.Path)
	switch {
	case err == nil:
		o.Bytes = have
		return errors.Join(put, s.store.SettleStorage(ctx, o))
	case errors.Is(err, lake.ErrNotFound):
		return errors.Join(put, s.store.Forget(ctx, o.Path))
	}
	return errors.Join(put, err) // it counts until somebody uploads or removes it
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
				if err := s.settleStorage(ctx, store.Object{Path: f.Object, Owner: o.Owner}, nil); err != nil {
					return err
				}
			}
		}
	}
}
