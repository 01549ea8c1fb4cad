package storetest

import (
	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func (s *suite) inspection() {
	s.add(party(2, "beta", 12, 100))
	s.add(party(1, "alpha", 11, 100))
	s.add(revocation(20, 1, 11))
	all, err := s.Registrations(s.ctx, "", 10)
	s.ok(err)
	s.equal(all, []store.Party{{Fingerprint: fp(1), Name: "alpha", Statement: dg(11), CreatedMS: 100, Revoked: true},
		{Fingerprint: fp(2), Name: "beta", Statement: dg(12), CreatedMS: 100}})
	some, err := s.Registrations(s.ctx, fp(1), 10)
	s.ok(err)
	s.equal(some, all[1:])
	some, err = s.Registrations(s.ctx, "", 1)
	s.ok(err)
	s.equal(some, all[:1])

	for n := 1; n <= 3; n++ {
		s.ok(s.AddJob(s.ctx, job(n), []store.Delivery{to(2, "job")}))
	}
	s.queue(3, 0)
	h := s.take(1, 1, 100)
	s.queue(2, 1)
	want, err := s.Job(s.ctx, dg(2))
	s.ok(err)
	jobs, err := s.AllJobs(s.ctx, dg(1), 1)
	s.ok(err)
	s.equal(jobs, []store.Job{*want})
	jobs, err = s.AllJobs(s.ctx, "", 10)
	s.ok(err)
	s.equal([]any{len(jobs), jobs[0].Digest, jobs[0].State, jobs[2].Digest}, []any{3, dg(1), store.StateLeased, dg(3)})

	s.ok(s.Send(s.ctx, h, lease(9), []store.Delivery{message(1, "hello", "h")}))
	s.ok(s.AddReply(s.ctx, reply(1, 2, 1)))
	s.ok(s.AddReply(s.ctx, reply(1, 1, 2)))
	s.ok(s.AddStage(s.ctx, h, "hello"))
	s.ok(s.PutArtifact(s.ctx, h, "result", []byte("r")))
	boxes, err := s.Boxes(s.ctx)
	s.ok(err)
	s.equal(boxes, []statement.Fingerprint{fp(1), fp(2)})
	s.ok(s.AckMailbox(s.ctx, fp(2), 1<<40))
	boxes, err = s.Boxes(s.ctx)
	s.ok(err)
	s.equal(boxes, []statement.Fingerprint{fp(1)})
	s.traces(map[store.Trace]bool{{Kind: store.TraceParties, Job: dg(1)}: true, {Kind: store.TraceParties, Job: dg(2)}: true,
		{Kind: store.TraceParties, Job: dg(3)}: true, {Kind: store.TraceSent, Job: dg(1)}: true, {Kind: store.TraceReplies, Job: dg(1)}: true,
		{Kind: store.TraceStages, Job: dg(1)}: true, {Kind: store.TraceArtifacts, Job: dg(1)}: true})
	s.ok(second(s.Finish(s.ctx, h, store.Ending{State: store.StateDone, MaxAttempts: maxAttempts})))
	s.queue(2, 0)
	s.traces(map[store.Trace]bool{{Kind: store.TraceParties, Job: dg(1)}: true, {Kind: store.TraceParties, Job: dg(2)}: true,
		{Kind: store.TraceParties, Job: dg(3)}: true, {Kind: store.TraceStages, Job: dg(1)}: true, {Kind: store.TraceArtifacts, Job: dg(1)}: true})
	lines, err := s.Integrity(s.ctx)
	s.ok(err)
	s.equal(len(lines), 0)
}

func (s *suite) queue(queued, leased int64) {
	s.Helper()
	q, err := s.Queue(s.ctx)
	s.ok(err)
	s.equal(q, store.Queue{Queued: queued, Leased: leased})
}

func (s *suite) traces(want map[store.Trace]bool) {
	s.Helper()
	list, err := s.Traces(s.ctx)
	s.ok(err)
	got := map[store.Trace]bool{}
	for _, t := range list {
		if got[t] {
			s.Errorf("%+v twice", t)
		}
		got[t] = true
	}
	s.equal(got, want)
}
