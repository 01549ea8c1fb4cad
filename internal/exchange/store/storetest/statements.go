package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/statement"
)

func isError(err, want error) bool { return err != nil && errors.Is(err, want) }

func (s *suite) statements() {
	st := offer(1)
	st.Readers = []statement.Fingerprint{fp(1), fp(2)}
	st.Refs = []statement.Digest{dg(7), dg(8)}
	if !s.add(st, to(1, "a"), to(2, "b")) {
		s.Fatal("new statement was not added")
	}
	if s.add(st, to(1, "again")) {
		s.Fatal("known statement was added")
	}
	s.equal(s.inbox(1, 0), "a")
	got, err := s.Statement(s.ctx, dg(1))
	s.ok(err)
	st.Seq = got.Seq
	s.equal(*got, st)
	s.equal(got.VisibleTo(fp(2)), true)
	s.equal(got.VisibleTo(fp(3)), false)
	_, err = s.Statement(s.ctx, dg(2))
	s.is(err, store.ErrNotFound)
}

func (s *suite) listing() {
	for n := 1; n <= 3; n++ {
		s.add(offer(n))
	}
	grant := store.Statement{Digest: dg(4), Kind: store.KindGrant, Complete: true, Envelope: []byte("g"),
		Authors: []statement.Fingerprint{fp(1)}, Readers: []statement.Fingerprint{fp(1), fp(2)}, Refs: []statement.Digest{dg(9)}}
	s.add(grant)
	pool := store.Statement{Digest: dg(5), Kind: store.KindPool, Name: "p", Envelope: []byte("p"), Authors: []statement.Fingerprint{fp(1)}}
	s.add(pool)
	third, err := s.Statement(s.ctx, dg(3))
	s.ok(err)
	for _, c := range []struct {
		q    store.Query
		want string
	}{
		{store.Query{}, "1,2,3,4"},
		{store.Query{Kind: store.KindOffer}, "1,2,3"},
		{store.Query{Kind: store.KindOffer, Author: fp(2)}, "2"},
		{store.Query{Kind: store.KindOffer, Name: "strikes"}, "1,2,3"},
		{store.Query{Kind: store.KindOffer, Name: "other"}, ""},
		{store.Query{After: third.Seq}, "4"},
		{store.Query{Refs: []statement.Digest{dg(9)}}, "4"},
		{store.Query{Refs: []statement.Digest{dg(8)}}, ""},
		{store.Query{Refs: []statement.Digest{dg(8), dg(9), dg(7)}, Reader: fp(2)}, "4"},
		{store.Query{Refs: []statement.Digest{dg(8), dg(9), dg(7)}, Reader: fp(3)}, ""},
		{store.Query{Kind: store.KindGrant, Reader: fp(2)}, "4"},
		{store.Query{Kind: store.KindGrant, Reader: fp(3)}, ""},
		{store.Query{Reader: fp(3)}, "1,2,3"},
		{store.Query{Pending: true}, "5"},
		{store.Query{Kind: store.KindPool}, ""},
	} {
		if got := s.digests(c.q); got != c.want {
			s.Errorf("%+v: got %q, want %q", c.q, got, c.want)
		}
	}
}

func (s *suite) paging() {
	for n := 1; n <= 5; n++ {
		st := offer(n)
		st.Envelope = []byte(strings.Repeat("x", 10))
		s.add(st, to(1, strings.Repeat("y", 10)))
	}
	s.equal(s.digests(store.Query{Page: store.Page{Items: 2, Bytes: 1000}}), "1,2")
	s.equal(s.digests(store.Query{Page: store.Page{Items: 9, Bytes: 35}}), "1,2,3")
	s.equal(s.digests(store.Query{Page: store.Page{Items: 9, Bytes: 1}}), "1")
	list, err := s.Mailbox(s.ctx, fp(1), 0, store.Page{Items: 9, Bytes: 35})
	s.ok(err)
	s.equal(len(list), 3)
}

func (s *suite) registration() {
	s.add(party(1, "alpha", 11, 100))
	_, err := s.AddStatement(s.ctx, party(2, "alpha", 12, 100), nil)
	s.is(err, store.ErrNameTaken)
	_, err = s.AddStatement(s.ctx, party(1, "beta", 13, 200), nil)
	s.is(err, store.ErrNameFixed)
	_, err = s.AddStatement(s.ctx, party(1, "alpha", 14, 100), nil)
	s.is(err, store.ErrOutdated)
	s.equal(s.digests(store.Query{Kind: store.KindParty}), "b")
	s.add(party(1, "alpha", 15, 300))
	s.add(party(2, "beta", 16, 100))
	p, err := s.Party(s.ctx, fp(1))
	s.ok(err)
	s.equal(*p, store.Party{Fingerprint: fp(1), Name: "alpha", Statement: dg(15), CreatedMS: 300})
	_, err = s.Party(s.ctx, fp(3))
	s.is(err, store.ErrNotFound)
	all, err := s.Parties(s.ctx)
	s.ok(err)
	s.equal(all, []statement.Fingerprint{fp(1), fp(2)})
}

func revocation(n, author, of int) store.Statement {
	return store.Statement{Digest: dg(n), Kind: store.KindRevocation, Complete: true, Envelope: []byte("r"),
		Authors: []statement.Fingerprint{fp(author)}, Refs: []statement.Digest{dg(of)}}
}

func (s *suite) revocation() {
	s.add(party(1, "alpha", 11, 100))
	s.add(party(1, "alpha", 12, 200))
	s.add(offer(1))
	s.add(revocation(21, 1, 11)) // of the older introduction: the newer stands
	p, err := s.Party(s.ctx, fp(1))
	s.ok(err)
	s.equal(p.Revoked, false)
	s.add(revocation(22, 1, 1))
	s.add(revocation(23, 1, 12))
	p, err = s.Party(s.ctx, fp(1))
	s.ok(err)
	s.equal(p.Revoked, true)
	all, err := s.Parties(s.ctx)
	s.ok(err)
	s.equal(len(all), 0)
	_, err = s.AddStatement(s.ctx, party(1, "alpha", 13, 300), nil)
	s.is(err, store.ErrOutdated)
	list, err := s.Revocations(s.ctx, []statement.Digest{dg(1), dg(12), dg(99)})
	s.ok(err)
	s.equal(len(list), 2)
	s.equal([]statement.Digest{list[0].Digest, list[1].Digest}, []statement.Digest{dg(22), dg(23)})
}

func (s *suite) replaceEnvelope() {
	pool := store.Statement{Digest: dg(1), Kind: store.KindPool, Name: "p", Envelope: []byte("one"),
		Authors: []statement.Fingerprint{fp(1), fp(2)}, Readers: []statement.Fingerprint{fp(1), fp(2)}, Refs: []statement.Digest{dg(5)}}
	s.add(pool)
	s.add(offer(2))
	next := pool
	next.Envelope = []byte("two")
	s.is(s.ReplaceEnvelope(s.ctx, next, []byte("other"), nil), store.ErrChanged)
	s.ok(s.ReplaceEnvelope(s.ctx, next, []byte("one"), []store.Delivery{to(1, "not yet")}))
	last := next
	last.Envelope, last.Complete, last.Readers = []byte("three"), true, nil
	s.ok(s.ReplaceEnvelope(s.ctx, last, []byte("two"), []store.Delivery{to(1, "complete")}))
	s.equal(s.inbox(1, 0), "complete")
	s.equal(s.digests(store.Query{}), "2,1") // it comes after what was there when it was completed
	s.equal(s.digests(store.Query{Reader: fp(9)}), "2,1")
	s.equal(s.digests(store.Query{Refs: []statement.Digest{dg(5)}}), "1")
	for _, envelope := range []string{"three", "signed anew"} { // a complete one changes, too
		read, err := s.Statement(s.ctx, dg(1))
		s.ok(err)
		s.equal(string(read.Envelope), envelope)
		anew := last
		anew.Envelope = []byte("signed anew")
		s.ok(s.ReplaceEnvelope(s.ctx, anew, []byte(envelope), nil))
	}
	missing := last
	missing.Digest = dg(3)
	s.is(s.ReplaceEnvelope(s.ctx, missing, nil, nil), store.ErrNotFound)
}

func (s *suite) mailbox() {
	s.add(offer(1), to(1, "a"), to(2, "x"), to(1, "b"))
	s.equal(s.inbox(1, 0), "a,b")
	list, err := s.Mailbox(s.ctx, fp(1), 0, everything)
	s.ok(err)
	s.equal(list[0], store.Item{Seq: list[0].Seq, Kind: "statement", From: fp(9), Body: []byte("a")})
	s.equal(s.inbox(1, list[0].Seq), "b")
	s.ok(s.AckMailbox(s.ctx, fp(1), list[1].Seq))
	s.equal(s.inbox(1, 0), "")
	s.equal(s.inbox(2, 0), "x")
	s.ok(s.AckMailbox(s.ctx, fp(2), 1<<40))
	s.add(offer(2), to(1, "c"))
	list2, err := s.Mailbox(s.ctx, fp(1), 0, everything)
	s.ok(err)
	if list2[0].Seq <= list[1].Seq {
		s.Fatal("a seq came back after its item was removed")
	}
}

func (s *suite) notices() {
	d := store.Delivery{To: fp(1), Item: store.Item{Job: dg(1), Kind: "notice", From: fp(2), Body: []byte("n")}}
	s.ok(s.AddNotice(s.ctx, d, 2))
	s.ok(s.AddNotice(s.ctx, d, 2))
	s.is(s.AddNotice(s.ctx, d, 2), store.ErrTooMany)
	s.equal(s.inbox(1, 0), "n,n")
	d.From = fp(3)
	s.ok(s.AddNotice(s.ctx, d, 2))
}

func (s *suite) allOrNothing() {
	s.add(party(1, "alpha", 11, 100), to(1, "a"))
	// The name is taken, after other rows of the same call could have been written.
	_, err := s.AddStatement(s.ctx, party(2, "alpha", 12, 100), []store.Delivery{to(1, "b")})
	s.is(err, store.ErrNameTaken)
	s.equal(s.inbox(1, 0), "a")
	_, err = s.Statement(s.ctx, dg(12))
	s.is(err, store.ErrNotFound)
	_, err = s.Party(s.ctx, fp(2))
	s.is(err, store.ErrNotFound)
	ch := []store.Delivery{to(1, "c")}
	s.ok(s.AddJob(s.ctx, job(1), nil))
	s.is(s.AddJob(s.ctx, job(1), ch), store.ErrExists)
	s.equal(s.inbox(1, 0), "a")
}

// concurrency mixes calls that fail with calls that succeed: they share transactions.
func (s *suite) concurrency() {
	s.add(party(1, "alpha", 1000, 100))
	var wg sync.WaitGroup
	for n := 1; n <= 40; n++ {
		wg.Go(func() {
			if _, err := s.AddStatement(s.ctx, offer(n), []store.Delivery{to(1, fmt.Sprint(n))}); err != nil {
				s.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.AddStatement(s.ctx, party(n+1, "alpha", 2000+n, 100), nil); !isError(err, store.ErrNameTaken) {
				s.Errorf("got %v, want %v", err, store.ErrNameTaken)
			}
		})
		wg.Go(func() {
			if _, err := s.Mailbox(s.ctx, fp(1), 0, everything); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	s.equal(len(strings.Split(s.inbox(1, 0), ",")), 40)
	s.equal(len(strings.Split(s.digests(store.Query{Kind: store.KindOffer}), ",")), 40)
}

func (s *suite) reopen() {
	id := s.ID()
	if !strings.HasPrefix(id, "exchange1") || len(id) != len("exchange1")+64 {
		s.Fatalf("id %q is not of its form", id)
	}
	s.add(offer(1), to(1, "a"))
	s.ok(s.AddJob(s.ctx, job(1), nil))
	h := s.take(1, 1, 1000)
	s.ok(s.Send(s.ctx, h, lease(7), []store.Delivery{message(1, "hello", "m")}))
	s.ok(s.Close())
	s.Store = s.again()
	s.equal(s.ID(), id)
	s.equal(s.inbox(1, 0), "a,m")
	s.equal(s.digests(store.Query{}), "1")
	s.ok(s.Renew(s.ctx, h, 2000))
}

func (s *suite) closed() {
	s.ok(s.Close())
	_, err := s.AddStatement(s.ctx, offer(1), nil)
	s.is(err, store.ErrClosed)
	s.ok(s.Close())
}
