package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

const maxAttempts = 2

// job n of requester 1, owner 2 and operators 5 and 6.
func job(n int) store.Job {
	return store.Job{Digest: dg(n), Contract: dg(100), Class: "small", Envelope: []byte(fmt.Sprint("job ", n)),
		Parties: []store.JobParty{{Party: fp(1), Role: store.Requester}, {Party: fp(1), Role: store.Recipient},
			{Party: fp(2), Role: store.Owner}, {Party: fp(5), Role: store.Operator}, {Party: fp(6), Role: store.Operator}},
		SubmittedMS: 1, ExpiresMS: 5000}
}

func claim(operator, leaseN int, now, until int64) store.Claim {
	return store.Claim{Operator: fp(operator), Classes: []string{"large", "small"}, Lease: lease(leaseN), NowMS: now, UntilMS: until}
}

// take claims job n as operator 5 until the time given, and returns the holder at time 10.
func (s *suite) take(n, leaseN int, until int64) store.Holder {
	s.Helper()
	j, err := s.Claim(s.ctx, claim(5, leaseN, 10, until))
	s.ok(err)
	s.equal(j.Digest, dg(n))
	return store.Holder{Job: dg(n), Host: fp(5), Lease: lease(leaseN), NowMS: 10}
}

func message(n int, kind, body string) store.Delivery {
	return store.Delivery{To: fp(n), Item: store.Item{Kind: kind, Body: []byte(body)}}
}

func (s *suite) state(n int) string {
	s.Helper()
	j, err := s.Job(s.ctx, dg(n))
	s.ok(err)
	return fmt.Sprint(j.State, " ", j.Attempts, " ", j.Code)
}

func (s *suite) job() {
	s.ok(s.AddJob(s.ctx, job(1), []store.Delivery{to(2, "job")}))
	s.is(s.AddJob(s.ctx, job(1), []store.Delivery{to(2, "twice")}), store.ErrExists)
	s.equal(s.inbox(2, 0), "job")
	j, err := s.Job(s.ctx, dg(1))
	s.ok(err)
	want := job(1)
	want.Parties, want.State, want.Version = nil, store.StateQueued, 1
	s.equal(*j, want)
	parties, err := s.JobParties(s.ctx, dg(1))
	s.ok(err)
	s.equal(parties, []store.JobParty{{Party: fp(1), Role: store.Requester | store.Recipient}, {Party: fp(2), Role: store.Owner},
		{Party: fp(5), Role: store.Operator}, {Party: fp(6), Role: store.Operator}})
	_, err = s.JobParties(s.ctx, dg(2))
	s.is(err, store.ErrNotFound)
	_, err = s.Job(s.ctx, dg(2))
	s.is(err, store.ErrNotFound)
}

func (s *suite) claim() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	s.ok(s.AddJob(s.ctx, job(2), nil))
	for name, c := range map[string]store.Claim{
		"operator whom no contract names": claim(7, 1, 10, 100),
		"owner":                           claim(2, 1, 10, 100),
		"other class":                     {Operator: fp(5), Classes: []string{"large"}, Lease: lease(1), NowMS: 10, UntilMS: 100},
		"no class":                        {Operator: fp(5), Lease: lease(1), NowMS: 10, UntilMS: 100},
		"expired":                         claim(5, 1, 5000, 6000),
	} {
		if _, err := s.Claim(s.ctx, c); !isError(err, store.ErrNotFound) {
			s.Errorf("%s: got %v", name, err)
		}
	}
	// Each job goes to exactly one of many claims at once.
	var wg sync.WaitGroup
	var got [3]atomic.Int32
	for n := 1; n <= 20; n++ {
		wg.Go(func() {
			if j, err := s.Claim(s.ctx, claim(5+n%2, n, 10, 100)); err == nil {
				got[slices.Index([]statement.Digest{"", dg(1), dg(2)}, j.Digest)].Add(1)
			}
		})
	}
	wg.Wait()
	s.equal([]int32{got[1].Load(), got[2].Load()}, []int32{1, 1})
}

// oldest is what a claim gets, also of jobs that came back into the queue.
func (s *suite) oldest() {
	for n := 1; n <= 3; n++ {
		s.ok(s.AddJob(s.ctx, job(n), nil))
	}
	first := s.take(1, 1, 100)
	s.take(2, 2, 20)
	_, err := s.Finish(s.ctx, first, store.Ending{State: store.StateQueued, Code: "enclave-lost", MaxAttempts: maxAttempts})
	s.ok(err)
	s.expire(50, "[{queued }]")
	for n := 1; n <= 3; n++ {
		s.take(n, 10+n, 100)
	}
}

// silence of an operator whose lease ended: what it has asked before may be the question of a host that is gone.
func (s *suite) silence() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	s.take(1, 1, 20)
	s.expire(50, "[{queued }]")
	since := func(operator, leaseN int, asked, now int64) store.Claim {
		c := claim(operator, leaseN, now, now+10)
		c.AskedMS = asked
		return c
	}
	_, err := s.Claim(s.ctx, since(5, 2, 30, 60))
	s.is(err, store.ErrAskAnew)
	s.ok(s.AddJob(s.ctx, job(2), nil))
	j, err := s.Claim(s.ctx, since(5, 3, 30, 60))
	s.ok(err)
	s.equal(j.Digest, dg(2)) // another job is for it
	j, err = s.Claim(s.ctx, since(6, 4, 30, 60))
	s.ok(err)
	s.equal(j.Digest, dg(1)) // it is for another operator
	s.ok(s.AddJob(s.ctx, job(3), nil))
	s.take(3, 5, 62)
	s.expire(62, "[{queued }]")
	j, err = s.Claim(s.ctx, since(5, 6, 62, 62))
	s.ok(err)
	s.equal(j.Digest, dg(3)) // and for itself, once it asks anew
	s.ok(s.AddJob(s.ctx, job(4), nil))
	s.take(4, 7, 63)
	s.expire(63, "[{queued }]")
	j, err = s.Claim(s.ctx, since(5, 8, 10, 61))
	s.ok(err)
	s.equal(j.Digest, dg(4)) // the clock went back
	// What was given back is for everybody.
	s.ok(s.AddJob(s.ctx, job(5), nil))
	_, err = s.Finish(s.ctx, s.take(5, 9, 100), store.Ending{State: store.StateQueued, Code: "enclave-lost", MaxAttempts: maxAttempts})
	s.ok(err)
	_, err = s.Claim(s.ctx, since(5, 10, 10, 64))
	s.ok(err)
}

func (s *suite) lease() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 100)
	for name, change := range map[string]func(*store.Holder){
		"job":   func(h *store.Holder) { h.Job = dg(2) },
		"host":  func(h *store.Holder) { h.Host = fp(6) },
		"lease": func(h *store.Holder) { h.Lease = lease(2) },
		"late":  func(h *store.Holder) { h.NowMS = 100 },
	} {
		bad := h
		change(&bad)
		for call, err := range map[string]error{
			"renew":    s.Renew(s.ctx, bad, 1000),
			"send":     s.Send(s.ctx, bad, lease(9), []store.Delivery{message(2, "hello", "bad")}),
			"stage":    s.AddStage(s.ctx, bad, "bad"),
			"artifact": s.PutArtifact(s.ctx, bad, "result", []byte("bad")),
			"replies":  second(s.Replies(s.ctx, bad, 0, everything)),
			"finish":   second(s.Finish(s.ctx, bad, store.Ending{State: store.StateDone, Code: "", MaxAttempts: maxAttempts})),
			"retry":    second(s.Finish(s.ctx, bad, store.Ending{State: store.StateQueued, Code: "x", MaxAttempts: maxAttempts})),
		} {
			if !isError(err, store.ErrLeaseLost) {
				s.Errorf("wrong %s: %s: got %v", name, call, err)
			}
		}
	}
	s.equal(s.inbox(2, 0), "")
	s.ok(s.Renew(s.ctx, h, 200))
	h.NowMS = 150
	s.ok(s.AddStage(s.ctx, h, "hello"))
	s.ok(s.Renew(s.ctx, h, 50)) // never backwards
	s.ok(s.AddStage(s.ctx, h, "quote"))
	stages, err := s.Stages(s.ctx, dg(1))
	s.ok(err)
	s.equal(stages, []store.Stage{{Attempt: 1, Name: "hello", AtMS: 150}, {Attempt: 1, Name: "quote", AtMS: 150}})
	s.ok(s.ExtendLeases(s.ctx, 300))
	h.NowMS = 250
	s.ok(s.Renew(s.ctx, h, 310))
	for range 62 {
		s.ok(s.AddStage(s.ctx, h, "more"))
	}
	s.is(s.AddStage(s.ctx, h, "too many"), store.ErrTooMany)
}

func second[T any](_ T, err error) error { return err }

func (s *suite) expiry() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	s.expire(5, "")
	h := s.take(1, 1, 100)
	s.expire(99, "")
	s.ok(s.Send(s.ctx, h, lease(7), []store.Delivery{message(2, "hello", "h"), message(2, "quote", "q"), message(2, "receipt", "r")}))
	s.ok(s.AddReply(s.ctx, reply(1, 2, 1)))
	s.ok(s.PutArtifact(s.ctx, h, "result", []byte("first")))
	s.expire(100, "[{queued }]")
	s.equal(s.inbox(2, 0), "r") // a receipt still closes an exposure; nobody should answer the others
	s.is(s.Renew(s.ctx, h, 1000), store.ErrLeaseLost)
	s.is(s.AddReply(s.ctx, reply(1, 2, 2)), store.ErrStale)
	again := s.take(1, 2, 100)
	s.is(s.PutArtifact(s.ctx, h, "result", []byte("stale")), store.ErrLeaseLost)
	s.is(second(s.Finish(s.ctx, h, store.Ending{State: store.StateDone, Code: "", MaxAttempts: maxAttempts})), store.ErrLeaseLost)
	s.is(s.AddReply(s.ctx, reply(1, 2, 3)), store.ErrStale)
	list, err := s.Replies(s.ctx, again, 0, everything)
	s.ok(err)
	s.equal(len(list), 0)
	s.ok(s.PutArtifact(s.ctx, again, "result", []byte("second")))
	s.expire(100, "[{failed host-lost}]")
	s.equal(s.state(1), "failed 2 host-lost")
	none, err := s.Artifacts(s.ctx, dg(1))
	s.ok(err)
	s.equal(len(none), 0)
	s.expire(100, "")
	s.ok(s.AddJob(s.ctx, job(2), nil))
	s.expire(4999, "")
	s.expire(5000, "[{failed expired}]")
	s.equal(s.state(2), "failed 0 expired")
}

// expire checks what changed, without the names of jobs.
func (s *suite) expire(now int64, want string) {
	s.Helper()
	list, err := s.Expire(s.ctx, now, maxAttempts)
	s.ok(err)
	got := ""
	for _, c := range list {
		got += fmt.Sprintf("[{%s %s}]", c.State, c.Code)
	}
	s.equal(got, want)
}

func reply(attempt int64, from int, ref int64) store.Reply {
	return store.Reply{Job: dg(1), Attempt: attempt, From: fp(from), Kind: "reply", Body: []byte(fmt.Sprint("re ", ref)), Ref: ref}
}

func (s *suite) messages() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	s.is(s.AddReply(s.ctx, reply(1, 2, 1)), store.ErrStale)
	h := s.take(1, 1, 100)
	s.ok(s.Send(s.ctx, h, lease(7), []store.Delivery{message(1, "hello", "a"), message(2, "hello", "b")}))
	s.ok(s.Send(s.ctx, h, lease(7), []store.Delivery{message(1, "hello", "a"), message(2, "hello", "b")}))
	s.equal(s.inbox(1, 0)+s.inbox(2, 0), "ab")
	list, err := s.Mailbox(s.ctx, fp(2), 0, everything)
	s.ok(err)
	s.equal(list[0], store.Item{Seq: list[0].Seq, Job: dg(1), Attempt: 1, Kind: "hello", From: fp(5), Body: []byte("b")})
	s.ok(s.AddReply(s.ctx, reply(1, 2, 1)))
	twice := reply(1, 2, 1)
	twice.Body = []byte("other")
	s.ok(s.AddReply(s.ctx, twice))
	s.ok(s.AddReply(s.ctx, reply(1, 1, 1)))
	s.is(s.AddReply(s.ctx, reply(2, 2, 2)), store.ErrStale)
	got, err := s.Replies(s.ctx, h, 0, everything)
	s.ok(err)
	s.equal(len(got), 2)
	want := reply(1, 2, 1)
	want.Seq = got[0].Seq
	s.equal(got[0], want)
	got, err = s.Replies(s.ctx, h, got[0].Seq, everything)
	s.ok(err)
	s.equal(len(got), 1)
	s.equal(got[0].From, fp(1))
}

func (s *suite) replyPages() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 100)
	for n := int64(1); n <= 4; n++ {
		r := reply(1, 2, n)
		r.Body = []byte("0123456789")
		s.ok(s.AddReply(s.ctx, r))
	}
	for _, c := range []struct {
		page store.Page
		want int
	}{{store.Page{Items: 3, Bytes: 1000}, 3}, {store.Page{Items: 9, Bytes: 25}, 2}, {store.Page{Items: 9, Bytes: 1}, 1}} {
		list, err := s.Replies(s.ctx, h, 0, c.page)
		s.ok(err)
		s.equal(len(list), c.want)
		s.equal(list[0].Ref, int64(1))
	}
}

func (s *suite) artifacts() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 100)
	s.ok(s.PutArtifact(s.ctx, h, "result", []byte("bytes")))
	s.ok(s.PutArtifact(s.ctx, h, "result", []byte("bytes")))
	s.is(s.PutArtifact(s.ctx, h, "result", []byte("other")), store.ErrExists)
	_, err := s.Artifact(s.ctx, dg(1), "result")
	s.is(err, store.ErrNotFound) // the attempt has not ended
	last := func(name, body string) store.Ending {
		return store.Ending{State: store.StateDone, MaxAttempts: maxAttempts, Artifacts: []store.NewArtifact{{Name: "key", Body: []byte("k")}, {Name: name, Body: []byte(body)}}}
	}
	s.is(second(s.Finish(s.ctx, h, last("result", "other"))), store.ErrExists)
	s.equal(s.state(1), "leased 1 ") // nothing of it happened
	for range 2 {
		s.ok(second(s.Finish(s.ctx, h, last("bundle", "account"))))
	}
	list, err := s.Artifacts(s.ctx, dg(1))
	s.ok(err)
	s.equal(list, []store.Artifact{{Name: "bundle", Bytes: 7}, {Name: "key", Bytes: 1}, {Name: "result", Bytes: 5}})
	b, err := s.Artifact(s.ctx, dg(1), "result")
	s.ok(err)
	s.equal(string(b), "bytes")
	_, err = s.Artifact(s.ctx, dg(1), "receipt")
	s.is(err, store.ErrNotFound)
	s.is(s.PutArtifact(s.ctx, h, "receipt", []byte("late")), store.ErrLeaseLost)
}

func (s *suite) finish() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 100)
	s.ok(s.Send(s.ctx, h, lease(7), []store.Delivery{message(2, "quote", "q")}))
	before, err := s.Job(s.ctx, dg(1))
	s.ok(err)
	for range 2 {
		c, err := s.Finish(s.ctx, h, store.Ending{State: store.StateFailed, Code: "no-plan", MaxAttempts: maxAttempts})
		s.ok(err)
		s.equal(c, store.Change{Job: dg(1), State: store.StateFailed, Code: "no-plan"})
	}
	s.is(second(s.Finish(s.ctx, h, store.Ending{State: store.StateDone, Code: "", MaxAttempts: maxAttempts})), store.ErrLeaseLost)
	s.is(second(s.Finish(s.ctx, h, store.Ending{State: store.StateFailed, Code: "other", MaxAttempts: maxAttempts})), store.ErrLeaseLost)
	after, err := s.Job(s.ctx, dg(1))
	s.ok(err)
	s.equal([]any{after.State, after.Code, after.Version, after.EndedMS, after.Host}, []any{store.StateFailed, "no-plan", before.Version + 1, 10, fp(5)})
	s.equal(s.inbox(2, 0), "")
	s.is(s.AddReply(s.ctx, reply(1, 2, 1)), store.ErrStale)
	s.is(second(s.Claim(s.ctx, claim(5, 2, 10, 100))), store.ErrNotFound)
}

func (s *suite) retry() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 100)
	s.ok(s.PutArtifact(s.ctx, h, "result", []byte("first")))
	for range 2 {
		c, err := s.Finish(s.ctx, h, store.Ending{State: store.StateQueued, Code: "enclave-lost", MaxAttempts: maxAttempts})
		s.ok(err)
		s.equal(c, store.Change{Job: dg(1), State: store.StateQueued})
	}
	h = s.take(1, 2, 100)
	s.ok(s.PutArtifact(s.ctx, h, "result", []byte("second")))
	for range 2 {
		c, err := s.Finish(s.ctx, h, store.Ending{State: store.StateQueued, Code: "enclave-lost", MaxAttempts: maxAttempts})
		s.ok(err)
		s.equal(c, store.Change{Job: dg(1), State: store.StateFailed, Code: "enclave-lost"})
	}
	s.equal(s.state(1), "failed 2 enclave-lost")
}
