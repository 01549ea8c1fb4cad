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

// LateView is a view that can be read before the source has come: its layout follows from the plan alone. The footer is there from the
// start; the page headers of a row group are opened, and checked, when the row group is first asked for. Every column chunk takes all
// of its area, as long as it can be at most: zeros follow its last page, where readers do not get, since metadata says how many values
// there are.
//
// Its methods may be called concurrently.
type LateView struct {
	plan   *Plan
	src    io.ReaderAt
	end    []byte // footer
	at     int64  // where it lies
	groups []*lateGroup
	done   []placed // of each chunk, once its group is open
	left   atomic.Int64
}

// lateGroup is a row group and its area in the plain file.
type lateGroup struct {
	area Range
	once sync.Once
	view *View
	err  error
}

// LateView reads nothing of src. The plan must be of pages only: page indexes say where pages lie. The view keeps plan and source.
func (p *Plan) LateView(src io.ReaderAt) (*LateView, error) {
	if !p.pagesOnly {
		return nil, &partError{"a late view is of pages only", ErrOptions}
	}
	v := &LateView{plan: p, src: src, at: magicSize, groups: make([]*lateGroup, len(p.groups)), done: make([]placed, len(p.chunks))}
	v.left.Store(int64(len(v.groups)))
	whole := make([]placed, len(p.chunks))
	for i := range p.chunks {
		var err error
		if whole[i], err = p.chunks[i].whole(); err != nil {
			return nil, err
		}
	}
	for g := range v.groups {
		chunks := v.chunksOf(g)
		first, last := &chunks[0], &chunks[len(chunks)-1]
		v.at = last.out + last.room
		v.groups[g] = &lateGroup{area: Range{first.out, v.at - first.out}}
	}
	var err error
	v.end, err = p.plainFooter(nil, whole)
	return v, err
}

// whole is a chunk that takes all of its area. Its first page lies where the data pages are said to: that it may be a dictionary page
// is for readers to see, as in files of writers that say nothing of dictionaries. Where the first data page lies, only headers tell.
func (c *chunk) whole() (placed, error) {
	n, err := c.meta.size(cmUncompressedSize, wireI64)
	if err != nil {
		return placed{}, malformed("column metadata")
	}
	return placed{data: c.out, used: c.room, compressed: c.room, uncompressed: n}, nil
}

// chunksOf a row group: one for each column.
func (v *LateView) chunksOf(g int) []chunk {
	n := len(v.plan.chunks) / len(v.groups)
	return v.plan.chunks[g*n : (g+1)*n : (g+1)*n]
}

// Size of the plain file in bytes.
func (v *LateView) Size() int64 { return v.at + int64(len(v.end)) }

// Rows of the file.
func (v *LateView) Rows() int64 { return v.plan.rows }

// Groups are the areas of the row groups in the plain file, in order. What lies outside them is known.
func (v *LateView) Groups() []Range {
	out := make([]Range, len(v.groups))
	for g := range v.groups {
		out[g] = v.groups[g].area
	}
	return out
}

// Known calls f for what is known of the file without any of its row groups, as View.Known does.
func (v *LateView) Known(f func(off, size int64, b []byte, group int)) {
	f(0, magicSize, []byte(magicPlain), -1)
	f(v.at, int64(len(v.end)), v.end, -1)
}

// Group is a row group: a *View that is read at offsets of the whole file. It waits until src has what the group's page headers need.
// What fails once fails always.
func (v *LateView) Group(g int) (io.ReaderAt, error) {
	view, err := v.group(g)
	if err != nil {
		return nil, err
	}
	return view, nil
}

func (v *LateView) group(g int) (*View, error) {
	of := v.groups[g]
	of.once.Do(func() {
		if of.view, of.err = v.open(g); of.err == nil {
			v.left.Add(-1)
		}
	})
	return of.view, of.err
}

func (v *LateView) open(g int) (*View, error) {
	if err := v.plan.checkHead(v.src); err != nil { // it comes first
		return nil, err
	}
	p, area := *v.plan, v.groups[g].area
	p.chunks = v.chunksOf(g)
	sketches := make([]sketch, len(p.chunks))
	done, err := p.openChunks(context.Background(), v.src, output{}, sketches)
	if err != nil {
		return nil, err
	}
	copy(v.done[g*len(done):], done)
	return p.viewOf(v.src, sketches, nil, area.Off, nil, area.Off+area.Len), nil
}

// ReadAt implements io.ReaderAt. It waits for what Group waits for, and fails for good for a row group as a View does.
func (v *LateView) ReadAt(b []byte, off int64) (int, error) { return readAt(b, off, v.Size(), v.fill) }

func (v *LateView) fill(b []byte, off int64) error {
	for len(b) > 0 {
		behind, _ := slices.BinarySearchFunc(v.groups, off+1, func(x *lateGroup, off int64) int { return cmp.Compare(x.area.Off, off) })
		var n int
		switch {
		case off < magicSize:
			n = copy(b, magicPlain[off:])
		case off >= v.at:
			n = copy(b, v.end[off-v.at:])
		default:
			view, err := v.group(behind - 1)
			if err != nil {
				return err
			}
			n = int(min(int64(len(b)), view.size-off))
			if err := view.fill(b[:n], off); err != nil {
				return err
			}
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// Opened describes the file; nil until all row groups are open.
func (v *LateView) Opened() *Opened {
	if v.left.Load() > 0 {
		return nil
	}
	return v.plan.opened(v.done, v.Size())
}

// Rest opens what is not open, and authenticates every page that has not been read, as View.Rest does. It waits for all of the source.
func (v *LateView) Rest(ctx context.Context) error {
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range v.plan.workers {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(v.groups)); i = next.Add(1) - 1 {
				view, err := v.group(int(i))
				if err != nil {
					return err
				}
				if err := view.rest(gctx, 1); err != nil {
					return err
				}
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if len(v.groups) == 0 {
		return v.plan.checkHead(v.src)
	}
	return nil
}

// Forget erases what is kept of pages, and lets no more be read. Nobody may be reading.
func (v *LateView) Forget() {
	for g := range v.groups {
		of := v.groups[g]
		of.once.Do(func() { of.err = errForgotten })
		if of.view != nil {
			of.view.Forget()
		}
	}
}
