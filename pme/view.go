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
	pieces []piece         // by offset; what lies between them is zero
	known  [][]byte        // what is in clear from the start: of each chunk, then magic and end of the file
	read   []atomic.Uint32 // 1: the page was authenticated
	size   int64
	opened *Opened
	broken atomic.Pointer[error]
	boxes  sync.Pool // *[]byte: ciphertext on its way, where the source does not lend it
	begun  begun
}

// piece is a part of the plain file: a page, or bytes that are known. There are many, so they hold no pointers.
type piece struct {
	off, size int64
	at        int64 // of a page: where its box lies in the source; of others, where they lie in View.known[chunk]
	chunk     int32
	ordinal   uint16
	typ       moduleType // of a page
}

func (p *piece) isPage() bool { return p.typ != 0 }

// sketch gathers the pieces of one chunk.
type sketch struct {
	chunk  int32
	pieces []piece
	known  []byte
}

func (s *sketch) literal(at int64, b []byte) piece {
	s.known = append(s.known, b...)
	return piece{off: at, size: int64(len(b)), at: int64(len(s.known) - len(b)), chunk: s.chunk}
}

// page is where one will be that is n bytes long.
func (s *sketch) page(at, n int64, box Range, t moduleType, ordinal int) piece {
	return piece{off: at, size: n, at: box.Off, chunk: s.chunk, ordinal: uint16(ordinal), typ: t}
}

// over starts on a chunk.
func (s *sketch) over(chunk int) {
	s.chunk, s.pieces, s.known = int32(chunk), s.pieces[:0], s.known[:0]
}

// done is what was gathered; the sketch keeps its memory.
func (s *sketch) done() sketch { return sketch{s.chunk, slices.Clone(s.pieces), slices.Clone(s.known)} }

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
	end, at, err := p.behind(done)
	if err != nil {
		return nil, err
	}
	v := p.viewOf(src, sketches, []byte(magicPlain), 0, end, at)
	v.opened = p.opened(done, v.size)
	return v, nil
}

// viewOf is a view of sketches, with bytes that are known before and behind them.
func (p *Plan) viewOf(src io.ReaderAt, sketches []sketch, head []byte, from int64, end []byte, at int64) *View {
	v := &View{plan: p, src: src, known: make([][]byte, 0, len(sketches)+1)}
	n := 2
	for _, s := range sketches {
		n += len(s.pieces)
	}
	v.pieces = make([]piece, 0, n)
	frame := sketch{chunk: int32(len(sketches))}
	v.pieces = append(v.pieces, frame.literal(from, head))
	for _, s := range sketches {
		v.pieces, v.known = append(v.pieces, s.pieces...), append(v.known, s.known)
	}
	v.pieces = append(v.pieces, frame.literal(at, end))
	v.known = append(v.known, frame.known)
	v.size = at + int64(len(end))
	v.read = make([]atomic.Uint32, len(v.pieces))
	return v
}

// Known calls f for the parts of the file, from its beginning to its end: with bytes that are known without reading, or with nil and
// a size for those of a page, which ReadAt must be asked for. What lies between parts is zero. Parts of a group are of one row group.
func (v *View) Known(f func(off, size int64, b []byte, group int)) {
	for i := range v.pieces {
		p := &v.pieces[i]
		var b []byte
		if !p.isPage() {
			b = v.clear(p)
		}
		group := -1
		if int(p.chunk) < len(v.plan.chunks) {
			group = int(v.plan.chunks[p.chunk].at.rowGroup)
		}
		f(p.off, p.size, b, group)
	}
}

// SealedPage is a page as a reader decrypts it by itself: AES-256-GCM, of a nonce of 12 bytes, ciphertext, and a tag of 16, which make up Box.
type SealedPage struct {
	Key []byte // as OpenOptions.Expand returned it
	Box []byte // in memory that nobody else writes to, and that stays as long as the source does
	AAD []byte
}

// SealedPage describes the i-th part that Known told. Its AAD lies in room, if there is enough. It is not ok for what is no page, and for pages that only
// the view can read: whose key was not expanded, or whose ciphertext does not stay.
func (v *View) SealedPage(i int, room []byte) (s SealedPage, ok bool) {
	p := &v.pieces[i]
	src, lends := v.src.(slicer)
	if !p.isPage() || !lends || v.plan.ctr {
		return SealedPage{}, false
	}
	c := &v.plan.chunks[p.chunk]
	if c.key == nil || c.key.apart == nil {
		return SealedPage{}, false
	}
	box := src.Slice(p.at, p.size+int64(v.plan.overhead()))
	if box == nil {
		return SealedPage{}, false
	}
	return SealedPage{c.key.apart, box, v.plan.pageAAD(room, p.typ, c.at, int(p.ordinal))}, true
}

// Marks say of each part that Known told whether it is a page that was authenticated: 1. Who decrypts a page by itself, and compared its tag,
// sets its mark: such pages are sound for Rest.
func (v *View) Marks() []atomic.Uint32 { return v.read }

// ReadPages decrypts those of n parts, from the i-th on, that are pages, one behind the other. b must be as long as they are. It may be
// called concurrently, as ReadAt. On failure b holds nothing of the file.
func (v *View) ReadPages(b []byte, i, n int) error {
	err := v.Err()
	if err == nil {
		err = v.pages(b, i, n)
	}
	if err != nil {
		clear(b)
	}
	return err
}

func (v *View) pages(b []byte, i, n int) error {
	for ; n > 0; i, n = i+1, n-1 {
		p := &v.pieces[i]
		if !p.isPage() {
			continue
		}
		if p.size > int64(len(b)) {
			return io.ErrShortBuffer
		}
		if err := v.page(i, b[:p.size:p.size]); err != nil {
			return v.fail(inColumn(v.column(p), err))
		}
		b = b[p.size:]
	}
	if len(b) > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// clear is a piece that is no page.
func (v *View) clear(p *piece) []byte { return v.known[p.chunk][p.at : p.at+p.size] }

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
func (v *View) ReadAt(b []byte, off int64) (int, error) { return readAt(b, off, v.size, v.fill) }

// readAt reads of a file of a size by fill, which is given what lies within it. After an error b holds nothing of the file.
func readAt(b []byte, off, size int64, fill func(b []byte, off int64) error) (int, error) {
	if off < 0 || off >= size {
		return 0, io.EOF
	}
	n := int(min(int64(len(b)), size-off))
	if err := fill(b[:n], off); err != nil {
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
	if int(p.chunk) == len(v.plan.chunks) {
		return "footer"
	}
	return v.plan.schema.leaves[v.plan.chunks[p.chunk].leaf].dotted
}

// part reads from an offset within a piece.
func (v *View) part(i int, b []byte, from int64) error {
	p := &v.pieces[i]
	if !p.isPage() {
		copy(b, v.clear(p)[from:])
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
	c := &v.plan.chunks[p.chunk]
	box, free, err := v.boxOf(Range{p.at, p.size + int64(v.plan.overhead())})
	if err != nil {
		return err
	}
	defer free()
	var got []byte
	if v.plan.ctr {
		got, err = c.key.openCTR(b[:0:len(b)], box)
	} else {
		var room [64]byte
		got, err = c.key.open(b[:0:len(b)], box, v.plan.pageAAD(room[:0], p.typ, c.at, int(p.ordinal)))
	}
	if err != nil || len(got) != len(b) {
		return tampered("page")
	}
	v.read[i].Store(1)
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
func (v *View) Rest(ctx context.Context) error { return v.rest(ctx, v.plan.workers) }

func (v *View) rest(ctx context.Context, workers int) error {
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			var buf []byte
			defer func() { clear(buf[:cap(buf)]) }()
			for i := next.Add(1) - 1; i < int64(len(v.pieces)); i = next.Add(1) - 1 {
				p := &v.pieces[i]
				if !p.isPage() || v.read[i].Load() == 1 {
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
