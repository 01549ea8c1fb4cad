package runner

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/pme/memfile"
)

// window is the memory for files that do not fit into it: waves are fetched when they are read, and dropped when their room is needed,
// the least recently used first. All files share it.
//
// A reader waits for fetching alone. What it is lent it gives back without waiting for anything, so there is always a wave that can be
// dropped, or will be; that holds for a window of one wave and any number of readers.
//
// What comes again must be what came the first time, by a MAC under a key that nobody else has ever. So pages that were authenticated once
// are sound for good; and an owner, who could make another page that authenticates as well, can't have a host exchange the two between two
// scans. Decision 060.
type window struct {
	fetch func(context.Context, []wanted)
	mac   cipher.AEAD
	waves int // numbered so far, for their marks
	mem   *memfile.Scratch
	ended sync.WaitGroup
	stop  context.CancelFunc

	mu    sync.Mutex
	moved sync.Cond // a wave came or was given back, somebody waits, or it is over
	free  [][]byte  // rooms without a wave
	here  []*wave
	due   []*wave // that readers wait for, the longest-waiting first
	ahead *wave   // that will be read next, likely
	count int64   // of uses
	err   error   // the first; nothing is lent after it
}

// newWindow makes rooms for so many waves, each of at most so many bytes.
func newWindow(rooms int, bytes int64, fetch func(context.Context, []wanted)) (*window, error) {
	key := make([]byte, 32) // of marks: it tells nothing of data
	_, _ = rand.Read(key)   // never fails
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	mac, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	mem, err := memfile.NewScratch(int64(rooms) * bytes)
	if err != nil {
		return nil, err
	}
	w := &window{fetch: fetch, mac: mac, mem: mem, stop: func() {}}
	w.moved.L = &w.mu
	for b := mem.Bytes(); int64(len(b)) >= bytes; b = b[bytes:] {
		w.free = append(w.free, b[:bytes:bytes])
	}
	return w, nil
}

// start begins to fetch what is read, until ctx ends.
func (w *window) start(ctx context.Context) {
	ctx, w.stop = context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { w.fail(ctx.Err()) })
	w.ended.Go(func() {
		for v := w.next(); v != nil; v = w.next() {
			w.load(ctx, v)
		}
	})
}

// end lets no more be read. Whoever waits gets an error. Ending a window that is nil, or twice, is harmless.
func (w *window) end() {
	if w == nil {
		return
	}
	w.stop()
	w.fail(context.Canceled)
	w.ended.Wait()
}

// close ends the window, and gives its memory back. Nobody may use what was lent.
func (w *window) close() {
	if w != nil {
		w.end()
		w.mem.Free()
	}
}

func (w *window) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.moved.Broadcast()
}

// failed is why nothing is lent any more, nil if something is.
func (w *window) failed() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// take waits until a wave is here, where it stays until it is given back.
func (w *window) take(v *wave) (*arriving, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v.after != nil && v.after.came == nil && w.ahead != v.after {
		w.ahead = v.after
		w.moved.Broadcast()
	}
	if w.err == nil && v.came == nil {
		if v.waiting++; v.waiting == 1 {
			w.due = append(w.due, v)
		}
		w.moved.Broadcast()
		for w.err == nil && v.came == nil {
			w.moved.Wait() // who put it here counted us among its readers: it is still here when we wake up
		}
	} else {
		v.readers++
	}
	if w.err != nil {
		return nil, w.err
	}
	w.count++
	v.used = w.count
	return v.came, nil
}

func (w *window) giveBack(v *wave) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v.readers--; v.readers == 0 {
		w.moved.Broadcast()
	}
}

// next waits for a wave to fetch, and makes room for it; nil when it is over.
func (w *window) next() *wave {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil {
		if v := w.wanted(); v != nil {
			if v.room = w.makeRoom(); v.room != nil {
				return v
			}
		}
		w.moved.Wait()
	}
	return nil
}

// wanted is the wave to fetch now: one that a reader waits for, else the one that likely comes next. Those before it in the file come
// before it, where they are not here and have not been fetched as often as it will be: what a scan leaves out does not show.
func (w *window) wanted() *wave {
	v := w.ahead
	if len(w.due) > 0 {
		v = w.due[0]
	}
	if v == nil || v.came != nil {
		w.ahead = nil
		return nil
	}
	for b := v.before; b != nil && b.came == nil && b.fetched <= v.fetched; b = v.before {
		v = b
	}
	return v
}

// makeRoom is room for a wave, of one that is dropped if need be; nil while all are in use.
func (w *window) makeRoom() []byte {
	if n := len(w.free); n > 0 {
		room := w.free[n-1]
		w.free = w.free[:n-1]
		return room
	}
	oldest := -1
	for i, v := range w.here {
		if v.readers == 0 && (oldest < 0 || v.used < w.here[oldest].used) {
			oldest = i
		}
	}
	if oldest < 0 {
		return nil
	}
	v := w.here[oldest]
	w.here = slices.Delete(w.here, oldest, oldest+1)
	room := v.room
	v.came, v.room = nil, nil
	return room
}

// load fetches a wave into the room that it has.
func (w *window) load(ctx context.Context, v *wave) {
	came := newArriving(v.of.object)
	var all []wanted
	room := v.room[:v.bytes]
	for _, r := range v.ranges {
		p := &piece{off: r.Off, buf: room[:r.Len:r.Len]}
		room = room[r.Len:]
		came.add([]*piece{p})
		all = append(all, wanted{came, p})
	}
	w.fetch(ctx, all)
	if err := came.whole(); err != nil {
		w.fail(cmp.Or(ctx.Err(), error(failure.New(failure.Link, err))))
		return
	}
	if !w.same(v) {
		w.fail(failure.Of(failure.BadData, v.of.owner, errExchanged))
		return
	}
	w.put(v, came)
}

var errExchanged = errors.New("an object changed while it was read")

// same reports whether a wave is what came the first time. Its mark is a MAC of what came: no mark is ever told, so that a wave's number
// may be the nonce each time.
func (w *window) same(v *wave) bool {
	first := v.mark == nil
	if first {
		w.waves++
		v.number = w.waves
	}
	nonce := make([]byte, w.mac.NonceSize())
	binary.BigEndian.PutUint64(nonce, uint64(v.number))
	mark := w.mac.Seal(nil, nonce, nil, v.room[:v.bytes])
	if first {
		v.mark = mark
	}
	return subtle.ConstantTimeCompare(mark, v.mark) == 1
}

// put makes a wave that has come readable. One that nobody waits for, and that does not likely come next, is the first to go.
func (w *window) put(v *wave, came *arriving) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v.came, v.used = came, 0
	v.fetched++
	if v == w.ahead || v.waiting > 0 {
		w.count++
		v.used = w.count
	}
	if v == w.ahead {
		w.ahead = nil
	}
	v.readers, v.waiting = v.waiting, 0
	w.due = slices.DeleteFunc(w.due, func(d *wave) bool { return d == v })
	w.here = append(w.here, v)
	w.moved.Broadcast()
}
