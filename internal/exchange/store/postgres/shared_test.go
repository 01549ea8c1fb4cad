//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/testpg"
	"github.com/cordon-exchange/cordon/statement"
)

var attendance = store.Attendance{Gap: 3 * time.Second, Lease: 10 * time.Second}

func attend(t *testing.T, s *Store) string {
	t.Helper()
	instance, err := s.Shared().Attend(t.Context(), attendance)
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

func TestNonces(t *testing.T) {
	link := testpg.Database(t)
	a, b := open(t, link), open(t, link)
	instance := attend(t, a)
	if other := attend(t, b); other != instance || len(instance) != 32 {
		t.Fatalf("instances %q and %q", instance, other)
	}
	now := a.Shared().Now().UnixMilli()
	nonce := store.Nonce{Instance: instance, Key: statement.PublicKey{1}, Nonce: token(), TimeMS: now, MaxSkew: 2 * time.Minute}
	// Many at once, at both processes: one is the first.
	var mu sync.Mutex
	got := map[store.Spent]int{}
	var wg sync.WaitGroup
	for n := range 10 {
		wg.Go(func() {
			spent, err := []*Store{a, b}[n%2].Shared().Spend(t.Context(), nonce)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[spent]++
		})
	}
	wg.Wait()
	if got[store.Fresh] != 1 || got[store.Replayed] != 9 {
		t.Errorf("of ten: %v", got)
	}
	for name, c := range map[string]struct {
		change func(*store.Nonce)
		want   store.Spent
	}{
		"again":          {func(*store.Nonce) {}, store.Replayed},
		"other key":      {func(n *store.Nonce) { n.Key[0]++ }, store.Fresh},
		"other nonce":    {func(n *store.Nonce) { n.Nonce = token() }, store.Fresh},
		"other instance": {func(n *store.Nonce) { n.Nonce, n.Instance = token(), token() }, store.WrongInstance},
		"too old":        {func(n *store.Nonce) { n.Nonce, n.TimeMS = token(), now-121_000 }, store.Skewed},
		"from ahead":     {func(n *store.Nonce) { n.Nonce, n.TimeMS = token(), now+125_000 }, store.Skewed},
	} {
		n := nonce
		c.change(&n)
		if spent, err := b.Shared().Spend(t.Context(), n); spent != c.want || err != nil {
			t.Errorf("%s: %d, %v; want %d", name, spent, err, c.want)
		}
	}
}

// TestNoncesAreForgotten when no signature could need them, and not before.
func TestNoncesAreForgotten(t *testing.T) {
	s := open(t, testpg.Database(t))
	attend(t, s)
	age := func(q string, args ...any) {
		t.Helper()
		if err := s.write(t.Context(), true, func(x *tx) error { return x.exec(q, args...) }); err != nil {
			t.Fatal(err)
		}
	}
	age("INSERT INTO nonces (key, nonce, at) VALUES ('old', '', clock_timestamp() - interval '301 seconds'), ('young', '', clock_timestamp() - interval '241 seconds')")
	age("UPDATE presence SET seen_ms = seen_ms - 1500")
	attend(t, s)
	var left []string
	if err := s.single(t.Context(), func(x *tx) error {
		return x.one("SELECT array_agg(convert_from(key, 'UTF8')) FROM nonces", nil, &left)
	}); err != nil || !slices.Equal(left, []string{"young"}) {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestLeasesAfterAGap: holders who could not renew get the full length again, but not while any exchange was there.
func TestLeasesAfterAGap(t *testing.T) {
	s := open(t, testpg.Database(t))
	h := prepare(t, s)
	set := func(seen int64) {
		t.Helper()
		if err := s.write(t.Context(), true, func(x *tx) error {
			return errors.Join(x.exec("UPDATE jobs SET until_ms = 5"), x.exec("UPDATE presence SET seen_ms = "+nowMS+" - $1", seen))
		}); err != nil {
			t.Fatal(err)
		}
	}
	attend(t, s)
	for _, c := range []struct {
		seen    int64
		extends bool
	}{{500, false}, {2000, false}, {4000, true}, {-60_000, true}} {
		set(c.seen)
		attend(t, s)
		h.NowMS = s.Shared().Now().UnixMilli() + 9000
		err := s.Renew(t.Context(), h, h.NowMS)
		if held := err == nil; held != c.extends || err != nil && !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("last seen %d ms ago: %v", c.seen, err)
		}
		h.NowMS = s.Shared().Now().UnixMilli() + 11000
		if c.seen < 0 {
			continue
		}
		if err := s.Renew(t.Context(), h, 0); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("last seen %d ms ago, later than the lease: %v", c.seen, err)
		}
	}
}

func TestNotifications(t *testing.T) {
	link := testpg.Database(t)
	a, b := open(t, link), open(t, link)
	heard := make(chan []string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.Shared().Listen(ctx, func(topics []string) { heard <- topics }) })
	defer wg.Wait()
	defer cancel()
	if topics := <-heard; topics != nil {
		t.Fatalf("first: %v", topics)
	}
	b.Shared().Notify("own")
	want := map[string]bool{}
	for n := range 300 { // more than one payload holds
		name := fmt.Sprint("mailbox/", strings.Repeat("x", 70), n)
		want[name] = true
		a.Shared().Notify(name, name)
	}
	for len(want) > 0 {
		select {
		case topics := <-heard:
			for _, n := range topics {
				if n == "own" {
					t.Fatal("a process hears itself")
				}
				delete(want, n)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d topics were not heard", len(want))
		}
	}
}

// TestCrash kills the database under load and starts it again: what was confirmed is there, calls fail by name meanwhile and work again by
// themselves, and no signature outlives the memory of its use.
func TestCrash(t *testing.T) {
	server := testpg.Start(t)
	s := open(t, server.Database(t))
	before := attend(t, s)
	nonce := store.Nonce{Instance: before, Nonce: token(), TimeMS: s.Shared().Now().UnixMilli(), MaxSkew: time.Hour}
	if spent, err := s.Shared().Spend(t.Context(), nonce); spent != store.Fresh || err != nil {
		t.Fatal(spent, err)
	}
	missed := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Shared().Listen(ctx, func([]string) { missed <- struct{}{} }) })
	defer wg.Wait()
	defer cancel()
	<-missed
	confirmed := writeUntil(t, s, server)
	for name, err := range map[string]error{
		"read":   second(s.Statement(t.Context(), digestOf(0))),
		"write":  second(s.AddStatement(t.Context(), offerOf(1_000_000), nil)),
		"attend": second(s.Shared().Attend(t.Context(), attendance)),
		"spend":  second(s.Shared().Spend(t.Context(), nonce)),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s without a database: %v", name, err)
		}
	}
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
	for n := range confirmed {
		if _, err := s.Statement(t.Context(), digestOf(n)); err != nil {
			t.Fatalf("statement %d of %d, confirmed before the crash: %v", n, confirmed, err)
		}
	}
	if spent, err := s.Shared().Spend(t.Context(), nonce); spent != store.WrongInstance || err != nil {
		t.Errorf("a nonce of before the crash: %d, %v", spent, err)
	}
	if after := attend(t, s); after == before {
		t.Error("the instance is the same")
	}
	select {
	case <-missed:
	case <-time.After(20 * time.Second):
		t.Error("nobody was told that notifications may have been missed")
	}
}

func second[T any](_ T, err error) error { return err }

// writeUntil writes, crashes the server in the middle, and returns how many writes were confirmed.
func writeUntil(t *testing.T, s *Store, server *testpg.Server) (confirmed int) {
	t.Helper()
	for n := 0; ; n++ {
		if n == 100 {
			go server.Crash(t)
		}
		_, err := s.AddStatement(t.Context(), offerOf(n), nil)
		if err != nil {
			if !errors.Is(err, store.ErrUnavailable) {
				t.Fatalf("during the crash: %v", err)
			}
			if n < 100 {
				t.Fatal(err)
			}
			return n
		}
	}
}

// TestArtifactOutlivesACrash: what an enclave was told is kept is there when its attempt ends, also where the database crashed in between.
func TestArtifactOutlivesACrash(t *testing.T) {
	server := testpg.Start(t)
	s := open(t, server.Database(t))
	h := store.Holder{Job: digestOf(1), Host: "h", Lease: "l", NowMS: 1}
	if err := s.AddJob(t.Context(), store.Job{Digest: h.Job, Contract: digestOf(2), Class: "small", Envelope: []byte("job"), ExpiresMS: 1 << 40,
		Parties: []store.JobParty{{Party: h.Host, Role: store.Operator}}}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), store.Claim{Operator: h.Host, Classes: []string{"small"}, Lease: h.Lease, NowMS: 1, UntilMS: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	if err := s.PutArtifact(t.Context(), h, "result", []byte("sealed")); err != nil {
		t.Fatal(err)
	}
	server.Crash(t)
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
	// Each connection of before fails once.
	again := func(f func() error) (err error) {
		for range 20 {
			if err = f(); !errors.Is(err, store.ErrUnavailable) {
				break
			}
		}
		return err
	}
	if err := again(func() error {
		_, err := s.Finish(t.Context(), h, store.Ending{State: store.StateDone, MaxAttempts: 4})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var b []byte
	if err := again(func() (err error) { b, err = s.Artifact(t.Context(), h.Job, "result"); return err }); err != nil || string(b) != "sealed" {
		t.Errorf("the result: %q, %v", b, err)
	}
}
