package runner

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
)

// newWaveWorld has more data than inLittleRoom has memory for, in row groups of which some fit.
func newWaveWorld(t testing.TB, change func(*world)) *world {
	w := &world{
		t: t, lake: map[string][]byte{}, now: time.Now().UnixMilli(), build: testBuild, form: testForm, lattice: "[[size]]",
		rows: 400_000, scatter: true, layout: true, groupRows: 20_000,
	}
	if change != nil {
		change(w)
	}
	return w.populate()
}

// inLittleRoom is a host whose class has some three quarters of the memory for data that the job needs.
func (w *world) inLittleRoom() *fakeHost {
	w.ask(w.institute, testSQL)
	h := newFakeHost(w)
	h.limits.MemoryBytes = 16 << 20
	return h
}

// change hands every part of objects through a function, one after the other, with how many bytes were asked for before.
func (h *fakeHost) change(f func(path string, off, before int64, b []byte) []byte) {
	var mu sync.Mutex
	before := map[string]int64{}
	h.onObject = func(path string, off int64, b []byte) ([]byte, error) {
		mu.Lock()
		at := before[path]
		before[path] += int64(len(b))
		mu.Unlock()
		return f(path, off, at, b), nil
	}
}

// What does not fit gives the answer that it gives where it fits, and the receipt says the same of what was in clear. Alpha's data was fetched
// before the keys and stays; the others' comes twice, in order. Nothing that a host does with a wave, the first time or later, changes more
// than whether there is an answer.
func TestInWaves(t *testing.T) {
	w := newWaveWorld(t, nil)
	large := newFakeHost(w)
	large.answers()
	_, whole := large.open(w.institute)
	beta, size := objectOf(w.owners[1]), large.bytesRead[objectOf(w.owners[1])]

	t.Run("answer", func(t *testing.T) {
		h := w.inLittleRoom()
		last, back := int64(0), 0
		h.change(func(path string, off, _ int64, b []byte) []byte {
			if path == beta && len(b) > 10_000 {
				if off < last {
					back++
				}
				last = off
			}
			return b
		})
		h.answers()
		_, waves := h.open(w.institute)
		if got, want := waves.Receipt.Clear.Bytes, whole.Receipt.Clear.Bytes; got != want {
			t.Errorf("%d bytes in clear, %d where all fits", got, want)
		}
		for i, passes := range []int64{1, 2, 2} {
			object := objectOf(w.owners[i])
			if got, once := h.bytesRead[object], large.bytesRead[object]; got < once*(2*passes-1)/2 || got > once*(2*passes+1)/2 {
				t.Errorf("%s: fetched %d bytes, %d where all fits", w.owners[i].name, got, once)
			}
		}
		if back > 3 { // from the end to the first, and to the second pass
			t.Errorf("went back %d times", back)
		}
	})
	for name, from := range map[string]int64{"a page changes": size / 2, "a page changes later": size * 3 / 2} {
		t.Run(name, func(t *testing.T) {
			h := w.inLittleRoom()
			h.change(func(path string, _, before int64, b []byte) []byte {
				if path == beta && before > from {
					b[len(b)/2] ^= 1
				}
				return b
			})
			h.wantFailure("bad-data:beta")
			for _, e := range h.wantReceipt(w.owners[1], "failed:bad-data:beta").Exposures {
				if e.Owner == w.owners[1].fp() && e.Bytes == 0 {
					t.Errorf("nothing of %s was decrypted, it says", e.Column)
				}
			}
		})
	}
	for name, from := range map[string]int64{"cut off": size / 2, "cut off later": size * 3 / 2} {
		t.Run(name, func(t *testing.T) {
			h := w.inLittleRoom()
			h.change(func(path string, _, before int64, b []byte) []byte {
				if path == beta && before > from {
					return b[:len(b)/2]
				}
				return b
			})
			h.wantFailure("channel")
			h.wantReceipt(w.owners[1], "failed:channel")
		})
	}
	t.Run("out of time", func(t *testing.T) {
		h := w.inLittleRoom()
		h.limits.RunMS = 2000
		h.change(func(path string, _, before int64, b []byte) []byte {
			if path == beta && before > size*3/2 {
				time.Sleep(3 * time.Second)
			}
			return b
		})
		h.wantFailure("timed-out")
		h.wantReceipt(w.owners[1], "failed:timed-out")
	})
}

// Row groups of which too few fit are refused before they are fetched, and so is what does not fit under ticks: both say sizes.
func TestTooLargeForWaves(t *testing.T) {
	for name, change := range map[string]func(*world){
		"row groups": func(w *world) { w.groupRows = 400_000 },
		"ticks":      func(w *world) { w.noisy, w.timing = true, "tick 1s" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWaveWorld(t, change)
			h := w.inLittleRoom()
			h.limits.MemoryBytes = 8 << 20
			err := h.run()
			code := ""
			if h.finish != nil {
				code = h.finish.Code
			}
			if err == nil || !strings.HasPrefix(code, "too-large:need_") || !strings.HasSuffix(code, "_mib:room_3_mib") {
				t.Fatalf("%v, %s", err, code)
			}
			h.wantReceipt(w.owners[1], "failed:"+code)
			h.wantNoKey()
		})
	}
}

// A window that failed fails the job, also where nobody read what is wrong.
func TestAFaultThatNobodyReads(t *testing.T) {
	w, err := newWindow(1, 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	r := &run{opened: &opened{waves: w}}
	if err := r.settle(t.Context()); err != nil {
		t.Error(err)
	}
	for err, want := range map[error]string{
		failure.Of(failure.BadData, "beta", nil): "bad-data:beta", context.DeadlineExceeded: "timed-out", context.Canceled: "channel",
	} {
		w.err = err
		if got := r.settle(t.Context()); failure.CodeOf(got) != want {
			t.Errorf("%v: %v", err, got)
		}
	}
}
