package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// bad is a disk that is slow, and now and then writes a part, or does not sync, or can't cut.
type bad struct {
	flaky
	fails atomic.Bool
	syncs atomic.Int64
}

var errDisk = fmt.Errorf("a bad disk: %w", syscall.EIO)

func (b *bad) chance(n int) bool { return b.fails.Load() && rand.IntN(n) == 0 }

func (b *bad) WriteAt(p []byte, off int64) (int, error) {
	if b.chance(6) {
		n, _ := b.flaky.WriteAt(p[:rand.IntN(len(p))], off)
		return n, errDisk
	}
	return b.flaky.WriteAt(p, off)
}

func (b *bad) Sync() error {
	b.syncs.Add(1)
	time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
	if b.chance(6) {
		return errDisk
	}
	return b.flaky.Sync()
}

func (b *bad) Truncate(size int64) error {
	if b.chance(3) {
		return errDisk
	}
	return b.flaky.Truncate(size)
}

// TestSharedSyncsOnABadDisk: of appends that share syncs just those are in the ledger that were reported, whatever the disk does; each
// was decided about knowing all that count, those in flight included; and a limit that they all draw on is kept.
func TestSharedSyncsOnABadDisk(t *testing.T) {
	const limit, writers, tries = 300, 16, 60
	f := &bad{flaky: flaky{room: -1}}
	f.fails.Store(true)
	l, err := load(f, nil, owner, clock)
	if err != nil {
		t.Fatal(err)
	}
	errFull := errors.New("spent")
	var mu sync.Mutex
	reported := map[statement.Digest]int64{}
	var failed, full int
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range tries {
				job := digest(fmt.Sprint(w, " ", i))
				e, err := l.Append(context.Background(), Entry{Kind: KindCharge, Job: job, Contract: digest("c"), Requester: owner, Charged: 1}, func(a *Accounts) error {
					if a.QueriesSince(owner, 0) >= limit {
						return errFull
					}
					return nil
				})
				mu.Lock()
				switch {
				case err == nil:
					reported[job] = e.Seq
				case errors.Is(err, errFull):
					full++
				case errors.Is(err, syscall.EIO):
					failed++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	f.fails.Store(false)
	if _, err := l.Append(context.Background(), refusal("after"), nil); err != nil {
		t.Fatalf("not usable on a disk that is good again: %v", err)
	}
	entries, head, whole, err := parse(f.b, owner)
	if err != nil || whole != int64(len(f.b)) || head != l.Head() {
		t.Fatalf("what is on the disk: %v", err)
	}
	for _, e := range entries[:len(entries)-1] {
		if reported[e.Job] != e.Seq {
			t.Errorf("entry %d is there, and was reported as %d", e.Seq, reported[e.Job])
		}
	}
	if len(entries)-1 != len(reported) {
		t.Errorf("%d entries, %d reported", len(entries)-1, len(reported))
	}
	if len(reported) > limit || len(reported) < limit && full > 0 && failed == 0 {
		t.Errorf("%d of %d were let through", len(reported), limit)
	}
	if failed == 0 || f.syncs.Load() >= int64(len(reported)+failed) {
		t.Errorf("%d failed, %d syncs for %d appends: no test of shared syncs on a bad disk", failed, f.syncs.Load(), len(reported)+failed)
	}
	l.View(func(a *Accounts) {
		if n := a.QueriesSince(owner, 0); n != int64(len(reported)) {
			t.Errorf("%d count, %d were reported", n, len(reported))
		}
	})
	t.Logf("%d reported, %d failed, %d over the limit, %d syncs", len(reported), failed, full, f.syncs.Load())
}

// TestQueriesSince counts like a look at each charge, whatever order their times have.
func TestQueriesSince(t *testing.T) {
	a := newAccounts()
	var times []int64
	for i := range 300 {
		at := int64(1000 + i)
		if i%7 == 0 {
			at -= rand.Int64N(500) // a clock was put back
		}
		times = append(times, at)
		a.apply(&Entry{Kind: KindCharge, Job: digest(fmt.Sprint(i)), Requester: owner, AtMS: at})
	}
	for since := int64(400); since < 1400; since += 3 {
		var want int64
		for _, at := range times {
			if at >= since {
				want++
			}
		}
		if got := a.QueriesSince(owner, since); got != want {
			t.Fatalf("since %d: %d, want %d", since, got, want)
		}
	}
	if a.QueriesSince("cordon1other", 0) != 0 {
		t.Error("another's queries count")
	}
}
