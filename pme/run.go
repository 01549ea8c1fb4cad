package pme

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// output is where a plain file comes to be. Areas of different chunks are asked for and written by different goroutines.
type output interface {
	// area lends room for a chunk; scratch is the worker's buffer, to be kept.
	area(scratch *[]byte, off, n int64) []byte
	// write makes the first n bytes of an area part of the file.
	write(area []byte, off int64, n int) error
	// put writes bytes outside areas.
	put(b []byte, off int64) error
}

// memoryOutput decrypts in place.
type memoryOutput []byte

func (m memoryOutput) area(_ *[]byte, off, n int64) []byte { return m[off : off+n : off+n] }

// write zeroes what the chunk left of its area, so that the file holds nothing that was in the memory before.
func (m memoryOutput) write(area []byte, _ int64, n int) error {
	clear(area[n:])
	return nil
}

func (m memoryOutput) put(b []byte, off int64) error {
	if n := copy(m[off:], b); n < len(b) {
		return malformed("footer is longer than planned")
	}
	return nil
}

// writerOutput decrypts into the worker's buffer and writes that out.
type writerOutput struct{ dst io.WriterAt }

func (w *writerOutput) area(scratch *[]byte, _, n int64) []byte {
	if int64(cap(*scratch)) < n {
		*scratch = make([]byte, n)
	}
	return (*scratch)[:n:n]
}

func (w *writerOutput) write(area []byte, off int64, n int) error { return w.put(area[:n], off) }

func (w *writerOutput) put(b []byte, off int64) error {
	if _, err := w.dst.WriteAt(b, off); err != nil {
		return errors.Join(ErrWrite, err)
	}
	return nil
}

// run opens every chunk, then writes the footer, then the head magic.
func (p *Plan) run(ctx context.Context, src io.ReaderAt, out output) (*Opened, error) {
	if err := p.checkHead(src); err != nil {
		return nil, err
	}
	done, err := p.openChunks(ctx, src, out)
	if err != nil {
		return nil, err
	}
	at := int64(magicSize)
	if n := len(p.chunks); n > 0 {
		at = p.chunks[n-1].out + done[n-1].used
	}
	footer, err := p.plainFooter(done)
	if err != nil {
		return nil, err
	}
	if err := out.put(footer, at); err != nil {
		return nil, err
	}
	if err := out.put([]byte(magicPlain), 0); err != nil {
		return nil, err
	}
	return p.opened(done, at+int64(len(footer))), nil
}

// checkHead: the head magic is the one part of a file that neither footer nor modules cover.
func (p *Plan) checkHead(src io.ReaderAt) error {
	head, err := readRange(src, Range{0, magicSize})
	if err != nil {
		return err
	}
	want := magicPlain
	if p.encryptedFooter {
		want = magicEncrypted
	}
	if string(head) != want {
		return tampered("head of the file")
	}
	return nil
}

// openChunks lends workers to the chunks and returns what became of each.
func (p *Plan) openChunks(ctx context.Context, src io.ReaderAt, out output) ([]placed, error) {
	done := make([]placed, len(p.chunks))
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(p.workers, len(p.chunks)) {
		g.Go(func() error {
			o := opener{plan: p, src: src}
			for i := next.Add(1) - 1; i < int64(len(p.chunks)); i = next.Add(1) - 1 {
				c := &p.chunks[i]
				var err error
				if done[i], err = o.chunk(gctx, c, out); err != nil {
					return inColumn(p.schema.leaves[c.leaf].dotted, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return done, ctx.Err()
}

func (p *Plan) opened(done []placed, size int64) *Opened {
	res := &Opened{Size: size, Rows: p.rows, RowGroups: len(p.groups)}
	at := make(map[int]int)
	for l, lf := range p.schema.leaves {
		if p.want[l] {
			at[l] = len(res.Columns)
			res.Columns = append(res.Columns, OpenedColumn{Path: lf.dotted, Physical: lf.physical, Logical: lf.logical})
		}
	}
	for i := range p.chunks {
		res.Columns[at[p.chunks[i].leaf]].Bytes += done[i].used
	}
	return res
}
