package storetest

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

func (s *suite) counts(placed, waiting int64) {
	s.Helper()
	p, w, err := s.LogCounts(s.ctx)
	s.ok(err)
	s.equal([]int64{p, w}, []int64{placed, waiting})
}

func (s *suite) sequence(nowMS int64, limit, want int) {
	s.Helper()
	before, _, err := s.LogCounts(s.ctx)
	s.ok(err)
	from, n, err := s.Sequence(s.ctx, nowMS, limit)
	s.ok(err)
	s.equal(n, want)
	if n > 0 {
		s.equal(from, before)
	}
}

// logEntries: all that is accepted waits for a place in the transaction that accepted it, and gets one, once, in order.
func (s *suite) logEntries() {
	s.counts(0, 0)
	s.add(offer(1))
	s.add(offer(1)) // known: nothing is accepted
	s.add(offer(2))
	s.counts(0, 2)
	s.sequence(100, 10, 2)
	s.counts(2, 0)
	s.sequence(100, 10, 0)
	s.ok(s.AddJob(s.ctx, job(3), nil))
	s.is(s.AddJob(s.ctx, job(3), nil), store.ErrExists)
	h := s.take(3, 1, 100)
	s.ok(s.PutArtifact(s.ctx, h, wire.ArtifactReceipt, []byte("r")))
	s.counts(2, 1) // a receipt counts once its job has ended
	s.ok(second(s.Finish(s.ctx, h, store.Ending{State: store.StateDone, MaxAttempts: maxAttempts})))
	s.ok(second(s.Finish(s.ctx, h, store.Ending{State: store.StateDone, MaxAttempts: maxAttempts})))
	s.counts(2, 2)
	s.sequence(90, 1, 1) // a clock that goes back: times don't
	s.sequence(200, 1, 1)
	list, err := s.LogEntries(s.ctx, 0, 10)
	s.ok(err)
	want := []struct {
		kind   string
		about  statement.Digest
		timeMS int64
	}{{translog.KindStatement, dg(1), 100}, {translog.KindStatement, dg(2), 100}, {translog.KindJob, dg(3), 100}, {translog.KindReceipt, statement.Sum([]byte("r")), 200}}
	s.equal(len(list), len(want))
	for i, e := range list {
		s.equal([]any{e.Index, e.Kind, e.About, e.TimeMS}, []any{i, want[i].kind, want[i].about, want[i].timeMS})
		c := translog.Commit(e.Kind, e.Salt, e.About)
		if !bytes.Equal(c[:], e.Commitment) || len(e.Salt) != translog.SaltSize || i > 0 && bytes.Equal(e.Salt, list[i-1].Salt) {
			s.Errorf("entry %d does not commit to what it is about, under a salt of its own", i)
		}
	}
	s.equal(list[3].Job, dg(3))
	some, err := s.LogEntries(s.ctx, 1, 2)
	s.ok(err)
	s.equal(some, list[1:3])
	some, err = s.LogEntriesAbout(s.ctx, dg(2))
	s.ok(err)
	s.equal(some, list[1:2])
	some, err = s.LogEntriesAbout(s.ctx, "")
	s.ok(err)
	s.equal(len(some), 0)
	missing, err := s.Unlogged(s.ctx, 10)
	s.ok(err)
	s.equal(len(missing), 0)
}

// logSignatures: a statement that is signed anew, or completed, is accepted anew.
func (s *suite) logSignatures() {
	pool := store.Statement{Digest: dg(5), Kind: store.KindPool, Name: "p", Envelope: []byte("one"), Authors: []statement.Fingerprint{fp(1)}}
	s.add(pool)
	again := pool
	again.Envelope = []byte("two")
	s.ok(s.ReplaceEnvelope(s.ctx, again, pool.Envelope, nil))
	s.is(s.ReplaceEnvelope(s.ctx, again, pool.Envelope, nil), store.ErrChanged)
	whole := again
	whole.Envelope, whole.Complete = []byte("three"), true
	s.ok(s.ReplaceEnvelope(s.ctx, whole, again.Envelope, nil))
	s.sequence(1, 10, 3)
	list, err := s.LogEntriesAbout(s.ctx, dg(5))
	s.ok(err)
	s.equal(len(list), 3)
}

// logRetry: an attempt that is given up leaves nothing.
func (s *suite) logRetry() {
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 100)
	s.ok(s.PutArtifact(s.ctx, h, wire.ArtifactReceipt, []byte("r")))
	s.ok(second(s.Finish(s.ctx, h, store.Ending{State: store.StateQueued, MaxAttempts: maxAttempts})))
	s.counts(0, 1)
}

// logOwn: a party's own commitments, once each, and no more than may wait.
func (s *suite) logOwn() {
	c := func(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }
	s.ok(s.AddCommitment(s.ctx, fp(1), translog.KindAnchor, c(1), 2))
	s.ok(s.AddCommitment(s.ctx, fp(1), translog.KindAnchor, c(1), 2))
	s.ok(s.AddCommitment(s.ctx, fp(2), translog.KindAnchor, c(1), 2)) // another party's of the same bytes
	s.ok(s.AddCommitment(s.ctx, fp(1), translog.KindAnchor, c(2), 2))
	s.is(s.AddCommitment(s.ctx, fp(1), translog.KindAnchor, c(3), 2), store.ErrTooMany)
	list, err := s.LogEntriesBy(s.ctx, fp(1), translog.KindAnchor, 10)
	s.ok(err)
	s.equal(len(list), 0) // none has a place
	s.sequence(1, 10, 3)
	s.ok(s.AddCommitment(s.ctx, fp(1), translog.KindAnchor, c(3), 2))
	list, err = s.LogEntriesBy(s.ctx, fp(1), translog.KindAnchor, 10)
	s.ok(err)
	s.equal([]any{len(list), list[0].Commitment, list[1].Commitment, list[0].Owner, list[0].Kind}, []any{2, c(2), c(1), fp(1), translog.KindAnchor})
	one, err := s.LogEntryOwn(s.ctx, fp(1), c(2))
	s.ok(err)
	s.equal(*one, list[0])
	_, err = s.LogEntryOwn(s.ctx, fp(2), c(2))
	s.is(err, store.ErrNotFound)
	list, err = s.LogEntriesBy(s.ctx, fp(1), translog.KindAnchor, 1)
	s.ok(err)
	s.equal([]any{len(list), list[0].Commitment}, []any{1, c(2)})
	// Of another kind: it does not stand before those.
	s.sequence(1, 10, 1)
	s.ok(s.AddCommitment(s.ctx, fp(1), translog.KindReceipt, c(4), 2))
	s.sequence(1, 10, 1)
	list, err = s.LogEntriesBy(s.ctx, fp(1), translog.KindAnchor, 1)
	s.ok(err)
	s.equal([]any{len(list), list[0].Commitment}, []any{1, c(3)})
	list, err = s.LogEntriesBy(s.ctx, fp(1), translog.KindReceipt, 10)
	s.ok(err)
	s.equal([]any{len(list), list[0].Commitment, list[0].Kind}, []any{1, c(4), translog.KindReceipt})
}

// logTogether: who gives places at once with others gives each place once.
func (s *suite) logTogether() {
	const writers, each = 4, 25
	var work sync.WaitGroup
	errs := make(chan error, writers*(each+each))
	for w := range writers {
		work.Go(func() {
			for n := range each {
				_, err := s.AddStatement(s.ctx, offer(1000*w+n+1), nil)
				errs <- err
				_, _, err = s.Sequence(s.ctx, int64(n+1), 3)
				errs <- err
			}
		})
	}
	work.Wait()
	close(errs)
	for err := range errs {
		s.ok(err)
	}
	for {
		_, n, err := s.Sequence(s.ctx, 1000, 7)
		s.ok(err)
		if n == 0 {
			break
		}
	}
	s.counts(writers*each, 0)
	list, err := s.LogEntries(s.ctx, 0, 1000)
	s.ok(err)
	seen, at := map[statement.Digest]bool{}, int64(0)
	for i, e := range list {
		if e.Index != int64(i) || e.TimeMS < at || seen[e.About] {
			s.Fatalf("entry %d: %+v", i, e)
		}
		seen[e.About], at = true, e.TimeMS
	}
	s.equal(len(list), writers*each)
	leaves, err := s.LogLeaves(s.ctx, 3, writers*each-5)
	s.ok(err)
	s.equal(len(leaves), writers*each-5)
	for i, l := range leaves {
		e := list[i+3]
		s.equal(l, store.LogLeaf{Index: e.Index, TimeMS: e.TimeMS, Commitment: e.Commitment})
	}
}

// logCheckpoints: the largest one stays, and so do rounds with what witnesses signed.
func (s *suite) logCheckpoints() {
	_, err := s.Published(s.ctx)
	s.is(err, store.ErrNotFound)
	cp := func(size int64, round bool) store.Checkpoint {
		return store.Checkpoint{Size: size, Note: fmt.Append(nil, size), AtMS: size * 10, Round: round}
	}
	cos := func(size int64, n int) store.Cosignature {
		return store.Cosignature{Size: size, Party: fp(n), Line: fmt.Sprint("line ", n), Key: "k"}
	}
	s.ok(s.Publish(s.ctx, cp(2, true)))
	s.ok(s.Publish(s.ctx, cp(3, false)))
	s.ok(s.Publish(s.ctx, cp(1, true))) // smaller: what was published stays
	got, err := s.Published(s.ctx)
	s.ok(err)
	s.equal(*got, cp(3, false))
	s.is(s.AddCosignature(s.ctx, cos(3, 1)), store.ErrNotFound) // not a round
	s.ok(s.Publish(s.ctx, cp(3, true)))                         // becomes one
	with := cos(3, 1)
	with.Certificate = []byte("c")
	s.ok(s.AddCosignature(s.ctx, with))
	s.ok(s.AddCosignature(s.ctx, cos(3, 2)))
	other := cos(3, 2)
	other.Line = "another"
	s.ok(s.AddCosignature(s.ctx, other)) // the first one stays
	s.ok(s.Publish(s.ctx, cp(4, false)))
	s.ok(s.Publish(s.ctx, cp(5, false)))
	rounds, err := s.Rounds(s.ctx, 10)
	s.ok(err)
	s.equal(rounds, []store.Checkpoint{cp(3, true), cp(2, true)})
	list, err := s.Cosignatures(s.ctx, 3)
	s.ok(err)
	s.equal(list, []store.Cosignature{with, cos(3, 2)})
	for n := range int64(store.KeptRounds) {
		s.ok(s.Publish(s.ctx, cp(10+n, true)))
	}
	rounds, err = s.Rounds(s.ctx, 2*store.KeptRounds)
	s.ok(err)
	s.equal([]any{len(rounds), rounds[len(rounds)-1].Size}, []any{store.KeptRounds, 10})
	s.is(s.AddCosignature(s.ctx, cos(2, 1)), store.ErrNotFound)
	list, err = s.Cosignatures(s.ctx, 3)
	s.ok(err)
	s.equal(len(list), 0)
}

// logKept: key and places are there when the store is opened again.
func (s *suite) logKept() {
	k, err := s.LogKey(s.ctx, "first")
	s.ok(err)
	s.equal(k, "first")
	s.add(offer(1))
	s.sequence(5, 10, 1)
	s.add(offer(2))
	want, err := s.LogEntries(s.ctx, 0, 10)
	s.ok(err)
	s.ok(s.Close())
	s.Store = s.again()
	k, err = s.LogKey(s.ctx, "second")
	s.ok(err)
	s.equal(k, "first")
	got, err := s.LogEntries(s.ctx, 0, 10)
	s.ok(err)
	s.equal(got, want)
	s.counts(1, 1)
	s.sequence(1, 10, 1)
	got, err = s.LogEntries(s.ctx, 1, 10)
	s.ok(err)
	s.equal(got[0].TimeMS, 5)
}
