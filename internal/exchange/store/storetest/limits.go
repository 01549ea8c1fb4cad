package storetest

import (
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
	s.ok(s.Reserve(s.ctx, object(1, "a/1", 60), 100))
	s.ok(s.Reserve(s.ctx, object(1, "a/1", 60), 100)) // again: the same one
	s.is(s.Reserve(s.ctx, object(1, "a/2", 41), 100), store.ErrTooMany)
	s.ok(s.Reserve(s.ctx, object(1, "a/2", 40), 100))
	s.ok(s.Reserve(s.ctx, object(2, "b/1", 100), 100))
	s.is(s.Reserve(s.ctx, object(1, "a/1", 61), 100), store.ErrTooMany) // a reservation that was left is no way round
	s.is(s.Reserve(s.ctx, object(1, "a/3", 1<<62), 100), store.ErrTooMany)
	s.ok(s.SettleStorage(s.ctx, object(1, "a/1", 10)))
	s.ok(s.SettleStorage(s.ctx, object(3, "c/1", 7)))
	s.ok(s.Reserve(s.ctx, object(1, "a/3", 50), 100))
	s.ok(s.Forget(s.ctx, "a/2"))
	s.ok(s.Forget(s.ctx, "none"))
	list, err := s.Objects(s.ctx, "", 10)
	s.ok(err)
	s.equal(list, []store.Object{object(1, "a/1", 10), object(1, "a/3", 50), object(2, "b/1", 100), object(3, "c/1", 7)})
	list, err = s.Objects(s.ctx, "a/3", 1)
	s.ok(err)
	s.equal(list, []store.Object{object(2, "b/1", 100)})
	var passed atomic.Int64
	var g sync.WaitGroup
	for n := range 8 { // together they would be more than there is room for
		g.Go(func() {
			if s.Reserve(s.ctx, object(4, "d/"+string(rune('a'+n)), 30), 100) == nil {
				passed.Add(1)
			}
		})
	}
	g.Wait()
	s.equal(passed.Load(), int64(3))
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
