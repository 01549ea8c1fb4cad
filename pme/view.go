package pme

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// View is the plain file that a Plan opens to, without the file: pages are decrypted when they are read, into the reader's own
// memory. Headers, indexes and footer are there from the start. Every page is authenticated before a byte of it is handed out;
// pages that nobody read are authenticated by Rest, so that whether a file is sound never depends on what was read of it.
//
// ReadAt may be called concurrently. After the first page that does not authenticate, every read fails.
type View struct {
	plan   *Plan
	src    io.ReaderAt
	pieces []piece // by offset; what lies between them is zero
	read   []atomic.Bool
	size   int64
	opened *Opened
	broken atomic.Pointer[error]
	boxes  sync.Pool // *[]byte: ciphertext on its way, where the source does not lend it
	begun  begun
}

// piece is a part of the plain file.
type piece struct {
	off, size int64
	clear     []byte // nil: a page
	box       Range  // of the page, in the source
	chunk     *chunk
	typ       moduleType
	ordinal   int
}

// sketch gathers the pieces of one chunk.
type sketch struct {
	pieces []piece
	clear  []byte
}

func (s *sketch) literal(at int64, b []byte) piece {
	s.clear = append(s.clear, b...) // where that moves, earlier pieces keep what they had
	n := len(s.clear)
	return piece{off: at, size: int64(len(b)), clear: s.clear[n-len(b) : n : n]}
}

// View looks at the heads of all pages, and decrypts no page. If src has a method Slice, as Bytes does, pages are decrypted from
// what it lends. The view keeps plan and source.
func (p *Plan) View(ctx context.Context, src io.ReaderAt) (*View, error) {
	if err := p.checkHead(src); err != nil {
		return nil, err
	}
	sketches := make([]sketch, len(p.chunks))
	done, err := p.openChunks(ctx, src, output{}, sketches)
	if err != nil {
		return nil, err
	}
	v := &View{plan: p, src: src}
	v.add(0, []byte(magicPlain))
	for _, s := range sketches {
		v.pieces = append(v.pieces, s.pieces...)
	}
	end, at, err := p.behind(done)
	if err != nil {
		return nil, err
	}
	v.add(at, end)
	v.size = at + int64(len(end))
	v.read = make([]atomic.Bool, len(v.pieces))
	v.opened = p.opened(done, v.size)
	return v, nil
}

func (v *View) add(off int64, b []byte) {
	v.pieces = append(v.pieces, piece{off: off, size: int64(len(b)), clear: b})
}

// Size of the plain file in bytes.
func (v *View) Size() int64 { return v.size }

// Opened describes the file. Nothing of the pages needs to have been read.
func (v *View) Opened() *Opened { return v.opened }

// Err is why reads fail, nil if none has.
func (v *View) Err() error {
	if err := v.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (v *View) fail(err error) error {
	v.broken.CompareAndSwap(nil, &err)
	return v.Err()
}

// ReadAt implements io.ReaderAt. What covers a page is decrypted in place; a part of a page costs all of it. On failure b holds
// nothing of the file.
func (v *View) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= v.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), v.size-off))
	if err := v.fill(b[:n], off); err != nil {
		clear(b[:n])
		return 0, err
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// fill reads b, all of which lies within the file.
func (v *View) fill(b []byte, off int64) error {
	if err := v.Err(); err != nil {
		return err
	}
	i, exact := slices.BinarySearchFunc(v.pieces, off, func(p piece, off int64) int { return cmp.Compare(p.off, off) })
	if !exact {
		i-- // the first piece lies at 0
	}
	for ; len(b) > 0; i++ {
		p := &v.pieces[i]
		from := off - p.off
		if n := min(p.size-from, int64(len(b))); n > 0 {
			if err := v.part(i, b[:n], from); err != nil {
				return v.fail(inColumn(v.column(p), err))
			}
			b, off = b[n:], off+n
		}
		if i+1 < len(v.pieces) {
			gap := min(v.pieces[i+1].off-off, int64(len(b)))
			clear(b[:gap])
			b, off = b[gap:], off+gap
		}
	}
	return nil
}

func (v *View) column(p *piece) string {
	if p.chunk == nil {
		return "footer"
	}
	return v.plan.schema.leaves[p.chunk.leaf].dotted
}

// part reads from an offset within a piece.
func (v *View) part(i int, b []byte, from int64) error {
	p := &v.pieces[i]
	if p.clear != nil {
		copy(b, p.clear[from:])
		return nil
	}
	if from == 0 && int64(len(b)) == p.size && !v.begun.has(i) {
		return v.page(i, b)
	}
	whole, err := v.begun.take(i, p.size, func(b []byte) error { return v.page(i, b) })
	if err != nil {
		return err
	}
	copy(b, whole[from:])
	v.begun.keep(i, whole, from+int64(len(b)) == p.size)
	return nil
}

// page opens a page into b, which is as long as the page.
func (v *View) page(i int, b []byte) error {
	p := &v.pieces[i]
	box, free, err := v.boxOf(p.box)
	if err != nil {
		return err
	}
	defer free()
	var got []byte
	if v.plan.ctr {
		got, err = p.chunk.key.openCTR(b[:0:len(b)], box)
	} else {
		var room [64]byte
		got, err = p.chunk.key.open(b[:0:len(b)], box, v.plan.pageAAD(room[:0], p.typ, p.chunk.at, p.ordinal))
	}
	if err != nil || len(got) != len(b) {
		return tampered("page")
	}
	v.read[i].Store(true)
	return nil
}

// boxOf lends the ciphertext of a page until free is called.
func (v *View) boxOf(r Range) (box []byte, free func(), err error) {
	if box, free, ok, err := lent(v.src, r); ok {
		return box, free, err
	}
	buf, ok := v.boxes.Get().(*[]byte)
	if !ok || int64(cap(*buf)) < r.Len {
		b := make([]byte, r.Len)
		buf = &b
	}
	box = (*buf)[:r.Len]
	if n, err := v.src.ReadAt(box, r.Off); n != len(box) {
		return nil, nil, readError(err)
	}
	return box, func() { v.boxes.Put(buf) }, nil
}

var errForgotten = &partError{"view is closed", ErrRead}

// begun are the pages of which the beginning was read, and the end was not: DuckDB looks for a page's header with a read that goes
// on into the page. They are few, one for each column and thread.
type begun struct {
	mu    sync.Mutex
	pages []begunPage // the oldest first
	bytes int         // of memory that they take
	free  [][]byte
	spare int // bytes of free
}

type begunPage struct {
	at    int
	clear []byte
}

// maxBegun pages are kept, of so many bytes, and decrypted again if there are more: no budget of the caller's counts them. As much may
// be free.
const (
	maxBegun      = 64
	maxBegunBytes = 16 << 20
)

// has says whether a page is kept.
func (g *begun) has(at int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.index(at) >= 0
}

func (g *begun) index(at int) int {
	return slices.IndexFunc(g.pages, func(p begunPage) bool { return p.at == at })
}

// take returns a page that is kept, or opens it. Until keep it is the caller's.
func (g *begun) take(at int, size int64, open func([]byte) error) ([]byte, error) {
	g.mu.Lock()
	if i := g.index(at); i >= 0 {
		b := g.remove(i)
		g.mu.Unlock()
		return b, nil
	}
	var b []byte
	if n := len(g.free); n > 0 {
		b, g.free = g.free[n-1], g.free[:n-1]
		g.spare -= cap(b)
	}
	g.mu.Unlock()
	if int64(cap(b)) < size {
		clear(b[:cap(b)])
		b = make([]byte, size)
	}
	b = b[:size]
	if err := open(b); err != nil {
		g.keep(at, b, true)
		return nil, err
	}
	return b, nil
}

// keep puts a page away: until its end is read, or for its memory alone.
func (g *begun) keep(at int, b []byte, done bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if done || cap(b) > maxBegunBytes {
		g.release(b)
		return
	}
	g.pages = append(g.pages, begunPage{at, b})
	g.bytes += cap(b)
	for len(g.pages) > maxBegun || g.bytes > maxBegunBytes {
		g.release(g.remove(0))
	}
}

func (g *begun) release(b []byte) {
	if len(g.free) < maxBegun && g.spare+cap(b) <= maxBegunBytes {
		g.free = append(g.free, b)
		g.spare += cap(b)
		return
	}
	clear(b[:cap(b)])
}

func (g *begun) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.pages) > 0 {
		g.release(g.remove(len(g.pages) - 1))
	}
	for _, b := range g.free {
		clear(b[:cap(b)])
	}
	g.free, g.spare = nil, 0
}

func (g *begun) remove(i int) []byte {
	b := g.pages[i].clear
	g.pages, g.bytes = slices.Delete(g.pages, i, i+1), g.bytes-cap(b)
	return b
}

// Forget erases what is kept of pages, and lets no more be read. Nobody may be reading.
func (v *View) Forget() {
	_ = v.fail(errForgotten)
	v.begun.forget()
}

// Rest authenticates every page that has not been read. Without it a file counts as unread, not as sound.
func (v *View) Rest(ctx context.Context) error {
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range v.plan.workers {
		g.Go(func() error {
			var buf []byte
			defer func() { clear(buf[:cap(buf)]) }()
			for i := next.Add(1) - 1; i < int64(len(v.pieces)); i = next.Add(1) - 1 {
				p := &v.pieces[i]
				if p.clear != nil || v.read[i].Load() {
					continue
				}
				if err := gctx.Err(); err != nil {
					return err
				}
				buf = slices.Grow(buf[:0], int(p.size))
				if err := v.page(int(i), buf[:p.size]); err != nil {
					return v.fail(inColumn(v.column(p), err))
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return v.Err()
}
