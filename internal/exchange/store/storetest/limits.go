package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func (s *suite) uses() {
	use := func(party int, what string, period, most int64) error {
		return s.Count(s.ctx, store.Use{Party: fp(party), What: what, Period: period, Most: most})
	}
	s.ok(use(1, "statements", 5, 2))
	s.ok(use(1, "statements", 5, 2))
	s.is(use(1, "statements", 5, 2), store.ErrTooMany)
	s.ok(use(1, "statements", 5, 3)) // another limit, the same count
	s.ok(use(2, "statements", 5, 1))
	s.ok(use(1, "other", 5, 1))
	s.ok(use(1, "statements", 6, 1))
	s.is(use(1, "statements", 6, 1), store.ErrTooMany)
	var passed atomic.Int64
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if use(3, "statements", 5, 3) == nil {
				passed.Add(1)
			}
		})
	}
	g.Wait()
	s.equal(passed.Load(), int64(3))
}

func (s *suite) storage() {
	object := func(owner int, path string, bytes int64) store.Object {
		return store.Object{Path: path, Owner: fp(owner), Bytes: bytes}
	}
	room := func(id string, owner int, path string, bytes int64) store.Reservation {
		return store.Reservation{ID: id, Path: path, Owner: fp(owner), Bytes: bytes, UntilMS: 50}
	}
	s.ok(s.Reserve(s.ctx, room("1", 1, "a/1", 60), 100))
	s.is(s.Reserve(s.ctx, room("2", 1, "a/1", 10), 100), store.ErrExists) // one at a time
	s.is(s.Reserve(s.ctx, room("2", 1, "a/1", 0), 100), store.ErrExists)
	s.is(s.Reserve(s.ctx, room("2", 1, "a/2", 41), 100), store.ErrTooMany)
	s.ok(s.Reserve(s.ctx, room("2", 1, "a/2", 40), 100))
	s.ok(s.Reserve(s.ctx, room("3", 2, "b/1", 100), 100))
	s.is(s.Reserve(s.ctx, room("4", 1, "a/3", 1<<62), 1<<62), store.ErrTooMany)
	s.is(s.SettleStorage(s.ctx, object(1, "a/1", 60), "2"), store.ErrNotFound) // another path's
	s.ok(s.SettleStorage(s.ctx, object(1, "a/1", 60), "1"))
	s.is(s.SettleStorage(s.ctx, object(1, "a/1", 1), "1"), store.ErrNotFound) // once
	s.is(s.Reserve(s.ctx, room("4", 1, "a/3", 1), 100), store.ErrTooMany)
	s.ok(s.Forget(s.ctx, "a/2", "2"))
	s.is(s.Forget(s.ctx, "a/2", "2"), store.ErrNotFound)
	s.is(s.SettleStorage(s.ctx, object(1, "a/2", 40), "2"), store.ErrNotFound) // its room is given back
	s.is(s.Reserve(s.ctx, room("4", 1, "a/3", 41), 100), store.ErrTooMany)
	s.ok(s.Reserve(s.ctx, room("5", 1, "a/1", 60), 100)) // the same object again
	s.is(s.Forget(s.ctx, "a/1", "2"), store.ErrNotFound)
	s.ok(s.SettleStorage(s.ctx, object(1, "a/1", 60), "5"))
	s.is(s.Reserve(s.ctx, room("5", 1, "a/1", 61), 100), store.ErrTooMany) // another in its place
	s.ok(s.Reserve(s.ctx, room("4", 1, "a/3", 40), 100))
	s.ok(s.SettleStorage(s.ctx, object(3, "c/1", 7), "")) // of before
	list, err := s.Objects(s.ctx, "", 10)
	s.ok(err)
	s.equal(list, []store.Object{object(1, "a/1", 60), object(3, "c/1", 7)})
	list, err = s.Objects(s.ctx, "a/1", 1)
	s.ok(err)
	s.equal(list, []store.Object{object(3, "c/1", 7)})
	s.ok(s.Reserve(s.ctx, room("6", 1, "a/1", 0), 1)) // a removal needs no room
	s.is(s.Reserve(s.ctx, room("7", 1, "a/4", 1), 100), store.ErrTooMany)
	s.ok(s.Forget(s.ctx, "a/1", "6"))
	s.ok(s.Reserve(s.ctx, room("5", 1, "a/4", 60), 100))
	s.is(s.Reserve(s.ctx, room("7", 1, "a/5", 1), 100), store.ErrTooMany)
	s.ok(s.Keep(s.ctx, "5", 90))
	s.is(s.Keep(s.ctx, "none", 90), store.ErrNotFound)
	due, err := s.Reservations(s.ctx, 51, "", 10)
	s.ok(err)
	s.equal(due, []store.Reservation{room("3", 2, "b/1", 100), room("4", 1, "a/3", 40)})
	due, err = s.Reservations(s.ctx, 51, "3", 10)
	s.ok(err)
	s.equal(due, []store.Reservation{room("4", 1, "a/3", 40)})
	due, err = s.Reservations(s.ctx, 50, "", 10)
	s.ok(err)
	s.equal(len(due), 0)
	s.together()
}

// together uploads, settles and removes at once: what counts is never more than there is room for, and all of it comes back.
func (s *suite) together() {
	const most, each = 100, 30
	var g sync.WaitGroup
	var now, passed atomic.Int64
	for n := range 8 {
		g.Go(func() {
			for k := range 6 {
				r := store.Reservation{ID: fmt.Sprintf("together %d %d", n, k), Path: fmt.Sprintf("d/%d", n), Owner: fp(4), Bytes: each, UntilMS: 1}
				if err := s.Reserve(s.ctx, r, most); err != nil {
					if !errors.Is(err, store.ErrTooMany) {
						s.Error(err)
					}
					continue
				}
				passed.Add(1)
				if used := now.Add(each); used > most {
					s.Errorf("%d bytes at once", used)
				}
				if k%2 == 0 {
					s.settled(r)
				}
				now.Add(-each)
				if err := s.Forget(s.ctx, r.Path, r.ID); err != nil {
					s.Error(err)
				}
				if err := s.Forget(s.ctx, r.Path, r.ID); !errors.Is(err, store.ErrNotFound) {
					s.Errorf("given back twice: %v", err)
				}
			}
		})
	}
	g.Wait()
	if passed.Load() == 0 {
		s.Error("none passed")
	}
	list, err := s.Objects(s.ctx, "d/", 10)
	s.ok(err)
	s.equal(len(list), 0)
	passed.Store(0)
	for n := range 8 { // all of it at once would be more
		g.Go(func() {
			if s.Reserve(s.ctx, store.Reservation{ID: fmt.Sprintf("at once %d", n), Path: fmt.Sprintf("d/%d", n), Owner: fp(4), Bytes: each, UntilMS: 1}, most) == nil {
				passed.Add(1)
			}
		})
	}
	g.Wait()
	s.equal(passed.Load(), int64(3))
}

// settled counts the object of an upload, and readies its removal.
func (s *suite) settled(r store.Reservation) {
	err := s.SettleStorage(s.ctx, store.Object{Path: r.Path, Owner: r.Owner, Bytes: r.Bytes}, r.ID)
	r.Bytes = 0
	if err := errors.Join(err, s.Reserve(s.ctx, r, 1)); err != nil {
		s.Error(err)
	}
}

func (s *suite) waiting() {
	from := func(owner, sender int) store.Delivery {
		return store.Delivery{To: fp(owner), Item: store.Item{Kind: "statement", From: fp(sender), Body: []byte("x")}}
	}
	s.add(offer(1), from(1, 7), from(1, 7), from(2, 7), from(2, 8))
	count := func(sender int, want int64, in ...int) {
		s.Helper()
		var list []statement.Fingerprint
		for _, n := range in {
			list = append(list, fp(n))
		}
		n, err := s.Waiting(s.ctx, list, fp(sender))
		s.ok(err)
		s.equal(n, want)
	}
	count(7, 2, 1, 2)
	count(7, 1, 2)
	count(8, 0, 1)
	count(7, 0)
	box, err := s.Mailbox(s.ctx, fp(1), 0, everything)
	s.ok(err)
	s.ok(s.AckMailbox(s.ctx, fp(1), box[0].Seq))
	count(7, 1, 1)

	open := func(requester int, want int64) {
		s.Helper()
		n, err := s.OpenJobs(s.ctx, fp(requester))
		s.ok(err)
		s.equal(n, want)
	}
	mine := job(1)
	mine.Parties = []store.JobParty{{Party: fp(20), Role: store.Requester}, {Party: fp(21), Role: store.Owner}, {Party: fp(5), Role: store.Operator}}
	s.ok(s.AddJob(s.ctx, mine, nil))
	open(20, 1)
	open(21, 0) // an owner did not ask it
	h := s.take(1, 1, 100)
	open(20, 1)
	_, err = s.Finish(s.ctx, h, store.Ending{State: store.StateDone, MaxAttempts: 4})
	s.ok(err)
	open(20, 0)
}
