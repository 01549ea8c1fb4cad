package served

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cordon-exchange/cordon/internal/enclave/served/preading"
)

// paged is a file of heads, which are known, and pages, as pme.View is.
type paged struct {
	b     []byte
	parts []part
	asked atomic.Int64 // how often
	pages atomic.Int64 // how many were asked for
	fails atomic.Bool
}

type part struct {
	off, size int64
	known     bool
	group     int
}

// newPaged makes groups of pages of up to most bytes, each behind a head, with gaps between them.
func newPaged(seed uint64, groups, pages, most int) *paged {
	r := rand.New(rand.NewPCG(seed, 2))
	p := &paged{}
	add := func(n, group int, known bool) {
		p.parts = append(p.parts, part{int64(len(p.b)), int64(n), known, group})
		for range n {
			p.b = append(p.b, byte(1+r.IntN(255)))
		}
	}
	add(4, -1, true)
	for g := range groups {
		for range pages {
			add(20+r.IntN(5), g, true)
			p.b = append(p.b, make([]byte, r.IntN(50))...)
			add(r.IntN(most), g, false)
		}
		p.b = append(p.b, make([]byte, r.IntN(1000))...)
	}
	add(1000, -1, true)
	return p
}

func (p *paged) Known(f func(off, size int64, b []byte, group int)) {
	for _, x := range p.parts {
		var b []byte
		if x.known {
			b = p.b[x.off : x.off+x.size]
		}
		f(x.off, x.size, b, x.group)
	}
}

func (p *paged) ReadAt(b []byte, off int64) (int, error) {
	p.asked.Add(1)
	if p.fails.Load() {
		return 0, errSecret
	}
	return bytes.NewReader(p.b).ReadAt(b, off)
}

func (p *paged) ReadPages(b []byte, i, n int) error {
	p.asked.Add(1)
	if p.fails.Load() {
		return errSecret
	}
	for _, x := range p.parts[i : i+n] {
		if !x.known {
			p.pages.Add(1)
			b = b[copy(b, p.b[x.off:x.off+x.size]):]
		}
	}
	if len(b) > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func reading(t *testing.T, f *File) (pread func(n int, off int64) ([]byte, error)) {
	t.Helper()
	kept, err := os.Open(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	return func(n int, off int64) ([]byte, error) {
		b := make([]byte, n)
		m, err := preading.Pread(int(kept.Fd()), b, off)
		return b[:m], err
	}
}

// What is read is the file, whatever is read of it, by however many threads; what is known beforehand is not asked for.
func TestReadsOfParts(t *testing.T) {
	for name, most := range map[string]int{"small pages": 3000, "pages larger than a run": 1 << 20} {
		p := newPaged(1, 6, 12, most)
		f := serve(t, p, int64(len(p.b)))
		pread := reading(t, f)
		for _, x := range p.parts {
			if b, err := pread(int(x.size), x.off); x.known && (err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size])) {
				t.Fatalf("%s: %d bytes at %d: %v", name, x.size, x.off, err)
			}
		}
		var all sync.WaitGroup
		for seed := range uint64(6) {
			all.Go(func() {
				r := rand.New(rand.NewPCG(seed, 3))
				for range 500 {
					x := p.parts[r.IntN(len(p.parts))]
					off, n := x.off, int(x.size)
					if r.IntN(3) == 0 {
						off, n = r.Int64N(int64(len(p.b))), r.IntN(most)
					}
					want := p.b[off:min(int64(len(p.b)), off+int64(n))]
					if b, err := pread(n, off); err != nil || !bytes.Equal(b, want) {
						t.Errorf("%s: %d bytes at %d: %d, %v", name, n, off, len(b), err)
						return
					}
				}
			})
		}
		all.Wait()
	}
}

// Heads are answered without the reader, and pages are asked for many at once, each once.
func TestPagesAreAskedForTogether(t *testing.T) {
	p := newPaged(2, 10, 50, 4000)
	pread := reading(t, serve(t, p, int64(len(p.b))))
	pages := int64(0)
	for _, x := range p.parts {
		if !x.known && x.size > 0 {
			pages++
		}
		if b, err := pread(int(x.size), x.off); err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size]) {
			t.Fatalf("%d bytes at %d: %v", x.size, x.off, err)
		}
	}
	if p.asked.Load() != 10 || p.pages.Load() < pages || p.pages.Load() > 500 {
		t.Errorf("asked %d times for %d pages of %d", p.asked.Load(), p.pages.Load(), pages)
	}
}

// More readers than there are runs: their pages are asked for one by one, and are right.
func TestMoreReadersThanRuns(t *testing.T) {
	p := newPaged(3, 300, 4, 500)
	pread := reading(t, serve(t, p, int64(len(p.b))))
	for at := range 8 { // page after page of all groups by turns
		for g := range 300 {
			x := p.parts[1+g*8+at]
			if b, err := pread(int(x.size), x.off); err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size]) {
				t.Fatalf("%d bytes at %d: %v", x.size, x.off, err)
			}
		}
	}
	if p.asked.Load() > 300*4 {
		t.Errorf("asked %d times", p.asked.Load())
	}
}

// Runs that nobody reads to their end are given up some time.
func TestRunsThatAreLeft(t *testing.T) {
	p := newPaged(4, 2000, 8, 200)
	pread := reading(t, serve(t, p, int64(len(p.b))))
	for g := range 2000 {
		for at := range 14 { // all but the last page
			x := p.parts[1+g*16+at]
			if b, err := pread(int(x.size), x.off); err != nil || !bytes.Equal(b, p.b[x.off:x.off+x.size]) {
				t.Fatalf("%d bytes at %d: %v", x.size, x.off, err)
			}
		}
	}
	if asked := p.asked.Load(); asked > 2000*6 {
		t.Errorf("asked %d times for 2000 groups of 7 pages read", asked)
	}
}

// A reader that fails fails the read, and leaves nothing to be handed out later; a file that is closed leaves nothing at all.
func TestRunsThatFail(t *testing.T) {
	p := newPaged(5, 1, 10, 4000)
	f := serve(t, p, int64(len(p.b)))
	pread := reading(t, f)
	first, second := p.parts[2], p.parts[4]
	p.fails.Store(true)
	for range 2 {
		if b, err := pread(int(first.size), first.off); err == nil {
			t.Errorf("%d bytes", len(b))
		}
	}
	p.fails.Store(false)
	if _, err := pread(int(first.size), first.off); err != nil {
		t.Fatal(err)
	}
	p.fails.Store(true)
	if b, err := pread(int(second.size), second.off); err != nil || !bytes.Equal(b, p.b[second.off:second.off+second.size]) {
		t.Errorf("what was read before: %v", err)
	}
	if kept() == 0 {
		t.Error("nothing is kept of what was not handed out")
	}
	f.Close()
	if n := kept(); n != 0 {
		t.Errorf("%d bytes are kept of a file that is closed", n)
	}
}

// A reader that tells parts that are none is refused.
func TestPartsThatAreNone(t *testing.T) {
	for name, parts := range map[string][]part{
		"overlap":        {{0, 10, true, 0}, {9, 10, true, 0}},
		"out of order":   {{20, 10, true, 0}, {0, 10, true, 0}},
		"behind the end": {{90, 11, false, 0}},
		"negative":       {{10, -1, false, 0}},
		"before it":      {{-5, 1, false, 0}},
	} {
		p := &lying{paged{b: make([]byte, 100)}, parts}
		f, err := Create("lies")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Serve(p, 100); !errors.Is(err, errParts) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

type lying struct {
	paged
	parts []part
}

func (l *lying) Known(f func(off, size int64, b []byte, group int)) {
	for _, x := range l.parts {
		var b []byte
		if x.known {
			b = make([]byte, x.size)
		}
		f(x.off, x.size, b, x.group)
	}
}
