package runner

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/pme"
)

// tides are files whose waves a window has, and where they come from.
type tides struct {
	t       *testing.T
	objects map[string][]byte
	files   []*waved
	w       *window

	mu    sync.Mutex
	order []int64 // offsets, as they were asked for
	alter func(object string, off int64, b []byte) error
}

// newTides makes files of so many row groups, two ranges of 100 bytes each, with 70 kB between them, and a window of so many rooms.
func newTides(t *testing.T, files, groups, rooms int) *tides {
	s := &tides{t: t, objects: map[string][]byte{}}
	const room = 300
	w, err := newWindow(rooms, room, s.fetch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	s.w = w
	for i := range files {
		object := string(rune('a' + i))
		b := make([]byte, groups*2*100_000)
		for j := range b {
			b[j] = byte(j>>8) ^ byte(j) ^ byte(i)
		}
		s.objects[object] = b
		f := &waved{in: w, object: object, owner: "owner"}
		for g := range groups {
			at := int64(g) * 200_000
			f.addGroup([]pme.Range{{Off: at, Len: 100}, {Off: at + 100_000, Len: 100}}, 200)
		}
		s.files = append(s.files, f)
	}
	return s
}

func (s *tides) fetch(ctx context.Context, all []wanted) {
	for _, w := range all {
		s.mu.Lock()
		s.order = append(s.order, w.off)
		alter := s.alter
		s.mu.Unlock()
		copy(w.buf, s.objects[w.from.object][w.off:])
		if alter != nil {
			if err := alter(w.from.object, w.off, w.buf); err != nil {
				w.from.fail(err)
				return
			}
		}
		if ctx.Err() != nil {
			w.from.fail(ctx.Err())
			return
		}
		w.from.arrived(w.piece, len(w.buf))
	}
}

// asked is how many ranges were asked for.
func (s *tides) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order)
}

// read reads a range of a row group and compares it.
func (s *tides) read(file, group, half int) error {
	f := s.files[file]
	off := int64(group)*200_000 + int64(half)*100_000 + 10
	b, back, err := f.Lend(off, 80)
	if err != nil {
		return err
	}
	defer back()
	if !bytes.Equal(b, s.objects[f.object][off:off+80]) {
		s.t.Errorf("file %d, group %d: something else", file, group)
	}
	return nil
}

// wait ends the test if f does not end.
func (s *tides) wait(f func()) {
	s.t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		s.t.Fatal("readers wait for ever")
	}
}

// However few rooms there are, and whatever is read by however many, everybody gets what is there.
func TestReadersNeverWaitForEachOther(t *testing.T) {
	for _, rooms := range []int{1, 2, 3, 7, 100} {
		s := newTides(t, 3, 8, rooms)
		s.w.start(t.Context())
		s.wait(func() {
			var all sync.WaitGroup
			for seed := range uint64(12) {
				all.Go(func() {
					r := rand.New(rand.NewPCG(seed, 7))
					for range 60 {
						if err := s.read(r.IntN(3), r.IntN(8), r.IntN(2)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// What is lent stays as it is until it is given back, and its room is somebody else's then.
func TestWhatIsLentStays(t *testing.T) {
	s := newTides(t, 1, 6, 2)
	s.w.start(t.Context())
	b, back, err := s.files[0].Lend(10, 80)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []int{3, 1, 5, 2} {
		if err := s.read(0, g, 1); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(b, s.objects["a"][10:90]) {
		t.Error("changed while it was lent")
	}
	_, backToo, err := s.files[0].Lend(200_010, 80)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() { got <- s.read(0, 4, 0) }()
	select {
	case <-got:
		t.Fatal("there was room while all of it was lent")
	case <-time.After(50 * time.Millisecond):
	}
	back()
	if err := <-got; err != nil {
		t.Error(err)
	}
	backToo()
}

// Threads that hold one row group each and go on in order, as an engine's do, make each wave come once for each scan, if there are rooms for
// all of them and two more.
func TestAScanFetchesOnce(t *testing.T) {
	const threads, groups = 4, 40
	s := newTides(t, 2, groups, threads+spareRooms)
	s.w.start(t.Context())
	for scan := range 3 {
		s.wait(func() {
			var next atomic.Int64
			var all sync.WaitGroup
			for range threads {
				all.Go(func() {
					for g := int(next.Add(1) - 1); g < groups; g = int(next.Add(1) - 1) {
						for i := range 10 {
							if err := s.read(0, g, i%2); err != nil {
								t.Error(err)
							}
						}
					}
				})
			}
			all.Wait()
		})
		if n := s.asked(); n < (scan+1)*groups || n > (scan+1)*2*(groups+groups/2) {
			t.Errorf("%d ranges after %d scans", n, scan+1)
		}
	}
}

// A scan that leaves row groups out has them fetched all the same, in order.
func TestWhatIsLeftOutDoesNotShow(t *testing.T) {
	s := newTides(t, 1, 10, 3)
	s.w.start(t.Context())
	for range 2 {
		for _, g := range []int{0, 4, 9} {
			if err := s.read(0, g, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.w.end()
	var want []int64
	for range 2 {
		for g := range 10 {
			want = append(want, int64(g)*200_000, int64(g)*200_000+100_000)
		}
	}
	if !slices.Equal(s.order, want) {
		t.Errorf("asked for %v", s.order)
	}
}

// What comes again must be the same, in each of its bytes, whether anybody reads them or not.
func TestAWaveThatChanges(t *testing.T) {
	for _, at := range []int{0, 50, 99} {
		s := newTides(t, 1, 6, 1)
		s.w.start(t.Context())
		var times atomic.Int64
		s.alter = func(_ string, off int64, b []byte) error {
			if off == 500_000 && times.Add(1) > 1 {
				b[at] ^= 1
			}
			return nil
		}
		s.wait(func() {
			for _, g := range []int{2, 5} {
				if err := s.read(0, g, 0); err != nil {
					t.Error(err)
				}
			}
			err := s.read(0, 2, 0)
			var known *failure.Error
			if !errors.As(err, &known) || known.Error() != "bad-data:owner" {
				t.Errorf("%d: %v", at, err)
			}
			if err := s.read(0, 5, 0); err == nil {
				t.Error("read on")
			}
		})
	}
}

// A fetch that fails, or the end of the time, ends all who wait, and those who come later.
func TestWaitersEnd(t *testing.T) {
	for name, c := range map[string]struct {
		how  func(s *tides, stop context.CancelFunc)
		want func(error) bool
	}{
		"fetch": {func(s *tides, _ context.CancelFunc) {
			s.alter = func(_ string, off int64, _ []byte) error {
				if off > 600_000 {
					return errors.New("cut off")
				}
				return nil
			}
		}, func(err error) bool { var f *failure.Error; return errors.As(err, &f) && f.Error() == "channel" }},
		"cancel": {func(s *tides, stop context.CancelFunc) {
			s.alter = func(_ string, off int64, _ []byte) error {
				if off > 600_000 {
					stop()
				}
				return nil
			}
		}, func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTides(t, 2, 8, 2)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			c.how(s, stop)
			s.w.start(ctx)
			s.wait(func() {
				var all sync.WaitGroup
				for i := range 8 {
					all.Go(func() {
						var err error
						for g := 0; err == nil; g = (g + 1) % 8 {
							err = s.read(i%2, g, 0)
						}
						if !c.want(err) {
							t.Error(err)
						}
					})
				}
				all.Wait()
				s.w.end()
				s.w.end()
			})
			for g := range 8 {
				if s.read(0, g, 0) == nil || s.read(1, g, 0) == nil {
					t.Error("lent after the end")
				}
			}
		})
	}
}

// What the plan does not need is not there, and asking for it changes nothing.
func TestOutsideOfWaves(t *testing.T) {
	s := newTides(t, 1, 3, 1)
	s.w.start(t.Context())
	for _, r := range []pme.Range{{Off: -1, Len: 2}, {Off: 50, Len: 51}, {Off: 100, Len: 1}, {Off: 99_999, Len: 2}, {Off: 500_100, Len: 1}, {Off: 0, Len: -1}, {Off: 1 << 40, Len: 1}} {
		if _, _, err := s.files[0].Lend(r.Off, r.Len); err == nil {
			t.Errorf("lent %v", r)
		}
	}
	if err := s.read(0, 2, 1); err != nil {
		t.Error(err)
	}
}

// Waves are of whole row groups, as many as there is room for, and of everything.
func TestCutWaves(t *testing.T) {
	f := &waved{}
	var groups [][]pme.Range
	at := int64(0)
	for i := range 50 {
		var g []pme.Range
		for range 3 {
			n := int64(1000 + i*10)
			g = append(g, pme.Range{Off: at, Len: n})
			at += n + int64(i%4)*40_000
		}
		groups = append(groups, g)
		f.addGroup(g, 400_000)
	}
	seen := 0
	for i, v := range f.waves {
		if v.bytes != sizeOf(v.ranges) || v.bytes > 400_000 {
			t.Errorf("wave %d: %d bytes in ranges of %d", i, v.bytes, sizeOf(v.ranges))
		}
		if i > 0 && (v.before != f.waves[i-1] || f.waves[i-1].after != v) {
			t.Errorf("wave %d: out of order", i)
		}
	}
	for _, g := range groups {
		v := f.waveOf(g[0].Off, g[0].Len)
		for _, r := range g {
			seen++
			if got := f.waveOf(r.Off, r.Len); got == nil || got != v || !slices.ContainsFunc(v.ranges, func(w pme.Range) bool { return w.Off <= r.Off && w.Off+w.Len >= r.Off+r.Len }) {
				t.Errorf("%v is not of its row group's wave", r)
			}
		}
	}
	if seen != 150 || len(f.waves) < 5 || len(f.waves) == 50 {
		t.Errorf("%d ranges, %d waves", seen, len(f.waves))
	}
}

// A wave of which a part did not come is none.
func TestPartsOfAWave(t *testing.T) {
	s := newTides(t, 1, 3, 2)
	fetch := s.w.fetch
	s.w.fetch = func(ctx context.Context, all []wanted) { fetch(ctx, all[1:]) }
	s.w.start(t.Context())
	s.wait(func() {
		if err := s.read(0, 1, 1); failure.CodeOf(err) != "channel" {
			t.Error(err)
		}
	})
}
