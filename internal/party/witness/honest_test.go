package witness_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/witness"
	"github.com/cordon-exchange/cordon/translog"
)

// TestDamagedTree: whatever happens to the folder of the tree, before a start or while it is served, no honest exchange shows what is
// wrong, or signs it: it builds the tree again.
func TestDamagedTree(t *testing.T) {
	flip := func(at int64) func(string) error {
		return func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if at < 0 {
				at += int64(len(b))
			}
			b[min(at, int64(len(b))-1)] ^= 1
			return os.WriteFile(path, b, 0o600)
		}
	}
	cut := func(path string) error { return os.Truncate(path, 10) }
	for name, c := range map[string]struct {
		what string // part of the paths
		how  func(string) error
	}{
		"bit of a leaf":        {"tile/entries", flip(30)},
		"bit of the last hash": {"tile/0/", flip(-1)},
		"bit of a hash":        {"tile/0/", flip(33)},
		"hashes cut short":     {"tile/0/", cut},
		"leaves cut short":     {"tile/entries", cut},
		"hashes gone":          {"tile/0/", os.Remove},
		"leaves gone":          {"tile/entries", os.Remove},
		"checkpoint gone":      {"checkpoint", os.Remove},
	} {
		for _, running := range []bool{false, true} {
			when := " before a start"
			if running {
				when = " while it is served"
			}
			t.Run(name+when, func(t *testing.T) {
				o := newOperator(t)
				a := o.party("alpha")
				for range 5 {
					a.speak()
				}
				a.settled()
				if !running {
					o.stop()
				}
				n := 0
				o.ok(filepath.WalkDir(filepath.Join(o.dir, "log"), func(path string, d os.DirEntry, err error) error {
					if err == nil && !d.IsDir() && strings.Contains(filepath.ToSlash(path), c.what) && !strings.Contains(path, ".lock") {
						n++
						return c.how(path)
					}
					return err
				}))
				if n == 0 {
					t.Fatal("nothing was damaged")
				}
				if !running {
					o.start()
				}
				b := o.party("bravo") // sees the log first now, and reads it all
				for range 3 {
					a.speak()
					b.speak()
				}
				for _, p := range []*party{a, b} {
					p.patient()
				}
			})
		}
	}
}

// patient looks until all is in the log, through answers that there is none now.
func (p *party) patient() {
	p.o.Helper()
	for begin := time.Now(); ; {
		err := p.w.Look(p.o.Context(), 100*time.Millisecond)
		if errors.Is(err, witness.ErrAlarm) {
			p.o.Fatalf("an honest exchange raises the alarm: %v", err)
		}
		if s := p.w.Status(); err == nil && s.Waiting == 0 && s.Size > 0 && s.Cosigned {
			return
		}
		if time.Since(begin) > 20*time.Second {
			p.o.Fatalf("not settled: %v, %+v", err, p.w.Status())
		}
	}
}

// fails publishes nothing while it is told so, and gives places all the same.
type fails struct {
	store.Store
	now *atomic.Bool
}

func (f *fails) Publish(ctx context.Context, c store.Checkpoint) error {
	if f.now.Load() {
		return errors.New("disk is full")
	}
	return f.Store.Publish(ctx, c)
}

// TestStalledLog: an exchange that can't publish for a while says so, and raises no alarm.
func TestStalledLog(t *testing.T) {
	o := newOperator(t)
	a := o.party("alpha")
	a.settled()
	var broken atomic.Bool
	o.stop()
	o.lie = func(st store.Store) store.Store { return &fails{st, &broken} }
	o.start()
	a.settled()
	broken.Store(true)
	a.speak()
	seen := a.w.Status().SeenMS
	for begin := time.Now(); time.Since(begin) < 5*time.Second; { // its patience with what is missing is two
		if err := a.w.Look(t.Context(), 100*time.Millisecond); errors.Is(err, witness.ErrAlarm) {
			t.Fatal(err)
		}
	}
	if got := a.w.Status().SeenMS; got > seen+2000 {
		t.Error("a log that does not go on passes for the newest")
	}
	broken.Store(false)
	a.patient()
}

// busy has something that waits for a place whenever places are given.
type busy struct {
	store.Store
	n atomic.Int64
}

func (b *busy) Sequence(ctx context.Context, nowMS int64, limit int) (int64, int, error) {
	c := translog.Commitment{1}
	binary.BigEndian.PutUint64(c[8:], uint64(b.n.Add(1)))
	if err := b.AddCommitment(ctx, "busy", translog.KindAnchor, c[:], wire.MaxLogWaiting); err != nil {
		return 0, 0, err
	}
	return b.Store.Sequence(ctx, nowMS, limit)
}

// TestBusyLog: however much comes, what is there is published.
func TestBusyLog(t *testing.T) {
	o := newOperator(t)
	o.stop()
	o.lie = func(st store.Store) store.Store { return &busy{Store: st} }
	o.start()
	a := o.party("alpha")
	a.patient()
}
