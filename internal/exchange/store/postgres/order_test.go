//go:build unix

package postgres

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

func digestOf(n int) statement.Digest { return statement.Sum(fmt.Append(nil, n)) }

func offerOf(n int) store.Statement {
	return store.Statement{Digest: digestOf(n), Kind: store.KindOffer, Complete: true, Envelope: fmt.Append(nil, "offer ", n)}
}

func itemFor(f statement.Fingerprint, n int) store.Delivery {
	return store.Delivery{To: f, Item: store.Item{Kind: "statement", From: "x", Body: fmt.Append(nil, n)}}
}

var everything = store.Page{Items: 1000, Bytes: 1 << 20}

// TestSlowWriter holds one transaction open that has its seq already, while another process writes after it: the later one must not be seen
// first, since a reader that has passed its seq never comes back for the lower one.
func TestSlowWriter(t *testing.T) {
	link := testpg.Database(t)
	a, b := open(t, link), open(t, link)
	lease := prepare(t, a)
	for name, c := range map[string]struct {
		slow func(x *tx) error
		fast func() error
		seen func() (int, error)
	}{
		"statements": {
			func(x *tx) error {
				seq, err := nextSeq(x)
				if err != nil {
					return err
				}
				st := offerOf(1)
				return addStatement(x, seq, &st, nil)
			},
			func() error { _, err := b.AddStatement(t.Context(), offerOf(2), nil); return err },
			func() (int, error) {
				list, err := b.List(t.Context(), store.Query{Page: everything})
				return len(list), err
			},
		},
		"mailbox": {
			func(x *tx) error { return addItems(x, []store.Delivery{itemFor("m", 1), itemFor("n", 1)}) },
			func() error { return b.AddNotice(t.Context(), itemFor("m", 2), 10) },
			func() (int, error) {
				list, err := b.Mailbox(t.Context(), "m", 0, everything)
				return len(list), err
			},
		},
		"replies": {
			func(x *tx) error {
				if _, err := x.Held(lease); err != nil {
					return err
				}
				return x.exec("INSERT INTO replies (job, attempt, sender, ref, kind, body) VALUES ($1, 1, 'x', 1, 'reply', '')", string(lease.Job))
			},
			func() error {
				return b.AddReply(t.Context(), store.Reply{Job: lease.Job, Attempt: 1, From: "y", Kind: "reply", Ref: 1})
			},
			func() (int, error) {
				list, err := b.Replies(t.Context(), lease, 0, everything)
				return len(list), err
			},
		},
	} {
		t.Run(name, func(t *testing.T) { slowWriter(t, a, c.slow, c.fast, c.seen) })
	}
}

func slowWriter(t *testing.T, s *Store, slow func(*tx) error, fast func() error, seen func() (int, error)) {
	numbered, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.write(t.Context(), true, func(x *tx) error {
			err := slow(x)
			close(numbered)
			<-release
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-numbered
	wg.Go(func() {
		if err := fast(); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(100 * time.Millisecond) // the other one would have committed by now
	if n, err := seen(); n != 0 || err != nil {
		t.Errorf("%d seen, while one with a lower seq is not committed: %v", n, err)
	}
	close(release)
	wg.Wait()
	if n, err := seen(); n != 2 || err != nil {
		t.Errorf("%d seen: %v", n, err)
	}
}

// prepare queues a job and takes it.
func prepare(t *testing.T, s *Store) store.Holder {
	t.Helper()
	j := store.Job{Digest: digestOf(100), Class: "small", ExpiresMS: 1 << 50, Parties: []store.JobParty{{Party: "h", Role: store.Operator}}}
	if err := s.AddJob(t.Context(), j, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), store.Claim{Operator: "h", Classes: []string{"small"}, Lease: "l", NowMS: 1, UntilMS: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	return store.Holder{Job: j.Digest, Host: "h", Lease: "l", NowMS: 2}
}

// TestReadersMissNothing pages through catalog and mailbox while several processes write, each mailbox in another order.
func TestReadersMissNothing(t *testing.T) {
	link := testpg.Database(t)
	writers := []*Store{open(t, link), open(t, link), open(t, link)}
	reader := open(t, link)
	const each = 40
	owners := []statement.Fingerprint{"p", "q", "r"}
	var wg sync.WaitGroup
	for w, s := range writers {
		for k := range 2 {
			wg.Go(func() {
				for i := range each {
					n := (w*2+k)*each + i
					items := []store.Delivery{itemFor(owners[n%3], n), itemFor(owners[(n+1+n%2)%3], n), itemFor(owners[n%3], n)}
					if _, err := s.AddStatement(t.Context(), offerOf(n), items); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()
	var statements, items int
	var after, mail int64
	for last := false; ; {
		list, err := reader.List(t.Context(), store.Query{After: after, Page: store.Page{Items: 7, Bytes: 1 << 20}})
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range list {
			statements++
			after = st.Seq
		}
		box, err := reader.Mailbox(t.Context(), "p", mail, everything)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range box {
			items++
			mail = it.Seq
		}
		if last && len(list) == 0 && len(box) == 0 {
			break
		}
		select {
		case <-written:
			last = true
		default:
		}
	}
	all, err := reader.Mailbox(t.Context(), "p", 0, everything)
	if err != nil || len(all) != items || items == 0 || statements != 6*each {
		t.Errorf("%d of %d statements, %d of %d items were met: %v", statements, 6*each, items, len(all), err)
	}
}

// TestEachChangeIsToldOnce has several processes end the same leases at once.
func TestEachChangeIsToldOnce(t *testing.T) {
	link := testpg.Database(t)
	stores := []*Store{open(t, link), open(t, link), open(t, link)}
	const jobs = 30
	for n := range jobs {
		j := store.Job{Digest: digestOf(n), Class: "small", ExpiresMS: 1 << 50, Parties: []store.JobParty{{Party: "h", Role: store.Operator}}}
		if err := stores[0].AddJob(t.Context(), j, nil); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	claimed, told := map[statement.Digest]int{}, map[statement.Digest]int{}
	var wg sync.WaitGroup
	for n := range jobs + 6 {
		wg.Go(func() {
			j, err := stores[n%3].Claim(t.Context(), store.Claim{Operator: "h", Classes: []string{"small"}, Lease: fmt.Sprint(n), NowMS: 1, UntilMS: 10})
			if errors.Is(err, store.ErrNotFound) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			claimed[j.Digest]++
		})
	}
	wg.Wait()
	for n := range 12 {
		wg.Go(func() {
			list, err := stores[n%3].Expire(t.Context(), 20, 4)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, c := range list {
				told[c.Job]++
			}
		})
	}
	wg.Wait()
	for n := range jobs {
		if d := digestOf(n); claimed[d] != 1 || told[d] != 1 {
			t.Errorf("job %d was claimed %d times, and its end told %d times", n, claimed[d], told[d])
		}
	}
}

// TestDeadlock makes two transactions wait for each other: one is undone and runs again.
func TestDeadlock(t *testing.T) {
	s := open(t, testpg.Database(t))
	if err := s.write(t.Context(), true, func(x *tx) error { return x.exec("INSERT INTO mailboxes VALUES ('a', 0), ('b', 0)") }); err != nil {
		t.Fatal(err)
	}
	var wg, both sync.WaitGroup
	both.Add(2)
	for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() {
			first := sync.OnceFunc(func() { both.Done(); both.Wait() })
			err := s.write(t.Context(), true, func(x *tx) error {
				if err := x.exec("UPDATE mailboxes SET last = last + 1 WHERE owner = $1", order[0]); err != nil {
					return err
				}
				first()
				return x.exec("UPDATE mailboxes SET last = last + 1 WHERE owner = $1", order[1])
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var sum int64
	if err := s.single(t.Context(), func(x *tx) error { return x.one("SELECT sum(last)::bigint FROM mailboxes", nil, &sum) }); err != nil || sum != 4 {
		t.Errorf("sum %d, %v", sum, err)
	}
}
