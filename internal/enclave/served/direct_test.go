package served

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cordon-exchange/cordon/internal/enclave/served/preading"
	"github.com/cordon-exchange/cordon/pme"
)

// boxedPages are pages with boxes, which lie in memory as ciphertext does.
type boxedPages struct {
	*paged
	key   []byte // expanded
	boxes [][]byte
	marks []atomic.Uint32
}

func newBoxedPages(t *testing.T, keys *Schedules, seed uint64) *boxedPages {
	t.Helper()
	p := &boxedPages{paged: newPaged(seed, 3, 20, 60_000)}
	key := []byte("32 bytes that nobody would guess")
	gcm := sealer(t, key)
	p.key = keys.Expand(key)
	for i, x := range p.parts {
		var box []byte
		if !x.known {
			box = gcm.Seal(nil, nil, p.b[x.off:x.off+x.size], p.aad(i))
		}
		p.boxes = append(p.boxes, box)
	}
	p.marks = make([]atomic.Uint32, len(p.parts))
	return p
}

func (p *boxedPages) aad(i int) []byte { return fmt.Appendf(nil, "part %d", i) }

func (p *boxedPages) SealedPage(i int, room []byte) (pme.SealedPage, bool) {
	if p.boxes[i] == nil || p.key == nil {
		return pme.SealedPage{}, false
	}
	return pme.SealedPage{Key: p.key, Box: p.boxes[i], AAD: append(room[:0], p.aad(i)...)}, true
}

func (p *boxedPages) Marks() []atomic.Uint32 { return p.marks }

// pagesOf are the parts that are pages.
func (p *boxedPages) pagesOf() (out []int) {
	for i, x := range p.parts {
		if !x.known {
			out = append(out, i)
		}
	}
	return out
}

func read(t *testing.T, f *File, off, n int64) ([]byte, error) {
	t.Helper()
	b := make([]byte, n)
	got, err := preading.Pread(f.fd, b, off)
	if err == nil && int64(got) != n {
		t.Errorf("%d of %d bytes at %d", got, n, off)
	}
	return b, err
}

// Pages with boxes are read without Go, by several threads, and are marked once they were, and no other is. Nothing of them is kept.
func TestDirect(t *testing.T) {
	needDirect(t)
	p := newBoxedPages(t, NewSchedules(memory(t)), 7)
	f := serve(t, p, int64(len(p.b)))
	pages := p.pagesOf()
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for n := w; n < len(pages); n += 4 {
				x := p.parts[pages[n]]
				if b, err := read(t, f, x.off, x.size); err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size]) {
					t.Errorf("page %d: another, or %v", n, err)
				}
			}
		})
	}
	all.Wait()
	if n := p.asked.Load(); n != 0 {
		t.Errorf("Go was asked %d times", n)
	}
	for n, i := range pages {
		if want := uint32(min(1, (n%4+1)%4)); p.marks[i].Load() != want && p.parts[i].size > 0 {
			t.Errorf("page %d: marked %d, want %d", n, p.marks[i].Load(), want)
		}
	}
	x := p.parts[pages[3]]
	if b, err := read(t, f, x.off, x.size-1); err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size-1]) || p.asked.Load() != 1 {
		t.Errorf("a part of a page: %v, asked %d times", err, p.asked.Load())
	}
	if n := kept(); n != 0 {
		t.Errorf("%d bytes are kept", n)
	}
}

// A page that was changed is Go's to refuse: nothing of it is handed out, it is not marked, and from then on every page is asked for.
func TestDirectChanged(t *testing.T) {
	needDirect(t)
	p := newBoxedPages(t, NewSchedules(memory(t)), 8)
	pages := p.pagesOf()
	good, bad, later := pages[1], pages[2], pages[25]
	p.boxes[bad][20] ^= 1
	f := serve(t, p, int64(len(p.b)))
	p.fails.Store(true) // as a view does that finds what is wrong
	x := p.parts[good]
	if _, err := read(t, f, x.off, x.size); err != nil {
		t.Error("before:", err)
	}
	x = p.parts[bad]
	if b, err := read(t, f, x.off, x.size); err == nil || bytes.Contains(b, p.b[x.off:x.off+16]) || p.asked.Load() != 1 {
		t.Errorf("the page: %v, asked %d times", err, p.asked.Load())
	}
	x = p.parts[later]
	if _, err := read(t, f, x.off, x.size); err == nil || p.asked.Load() != 2 {
		t.Errorf("after it: %v, asked %d times", err, p.asked.Load())
	}
	if p.marks[good].Load() != 1 || p.marks[bad].Load() != 0 || p.marks[later].Load() != 0 {
		t.Error("marks", p.marks[good].Load(), p.marks[bad].Load(), p.marks[later].Load())
	}
}

// What does not fit is not decrypted here: boxes of another length, keys that are none, marks of other parts. It is as if there were no box.
func TestDirectNeedsAll(t *testing.T) {
	needDirect(t)
	for name, spoil := range map[string]func(*boxedPages){
		"short box":       func(p *boxedPages) { i := p.pagesOf()[0]; p.boxes[i] = p.boxes[i][1:] },
		"short key":       func(p *boxedPages) { p.key = p.key[1:] },
		"key out of line": func(p *boxedPages) { p.key = append(make([]byte, 1, 2048), p.key...)[1:] },
		"no key":          func(p *boxedPages) { p.key = nil },
		"few marks":       func(p *boxedPages) { p.marks = p.marks[1:] },
	} {
		p := newBoxedPages(t, NewSchedules(memory(t)), 9)
		spoil(p)
		f := serve(t, p, int64(len(p.b)))
		x := p.parts[p.pagesOf()[0]]
		if b, err := read(t, f, x.off, x.size); err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size]) || p.asked.Load() != 1 {
			t.Errorf("%s: %v, asked %d times", name, err, p.asked.Load())
		}
		next := p.pagesOf()[1] // by another way than Go, if the first alone did not fit
		x = p.parts[next]
		if _, err := read(t, f, x.off, x.size); err != nil || name != "few marks" && (p.marks[next].Load() == 1) != (name == "short box") {
			t.Errorf("%s: the next page: %v", name, err)
		}
		f.Close()
	}
}

var _ io.ReaderAt = (*boxedPages)(nil)
