package pme

import (
	"context"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// run opens every chunk, then writes indexes and footer, then the head magic.
func (p *Plan) run(ctx context.Context, src io.ReaderAt, out output) (*Opened, error) {
	if err := p.checkHead(src); err != nil {
		return nil, err
	}
	done, err := p.openChunks(ctx, src, out, nil)
	if err != nil {
		return nil, err
	}
	end, at, err := p.behind(done)
	if err != nil {
		return nil, err
	}
	if err := out.put(end, at); err != nil {
		return nil, err
	}
	if err := out.put([]byte(magicPlain), 0); err != nil {
		return nil, err
	}
	return p.opened(done, at+int64(len(end))), nil
}

// behind is what follows the chunks, indexes and footer, and where.
func (p *Plan) behind(done []placed) (end []byte, at int64, err error) {
	at = magicSize
	if n := len(p.chunks); n > 0 {
		at = p.chunks[n-1].out + done[n-1].used
	}
	end, err = p.plainFooter(placeIndexes(done, at), done)
	return end, at, err
}

// placeIndexes joins the column indexes of all chunks, then their offset indexes, to lie at an offset.
func placeIndexes(done []placed, at int64) []byte {
	var b []byte
	add := func(index []byte) Range {
		b = append(b, index...)
		return Range{at + int64(len(b)-len(index)), int64(len(index))}
	}
	for i := range done {
		done[i].columnIndex = add(done[i].columnBytes)
	}
	for i := range done {
		done[i].offsetIndex = add(done[i].offsetBytes)
	}
	return b
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

// openChunks lends workers to the chunks and returns what became of each. With sketches, one for each chunk, no page is opened.
func (p *Plan) openChunks(ctx context.Context, src io.ReaderAt, out output, sketches []sketch) ([]placed, error) {
	done := make([]placed, len(p.chunks))
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(p.workers, len(p.chunks)) {
		g.Go(func() error {
			o := opener{plan: p, src: src, out: spool{out: out}}
			if sketches != nil {
				o.win.ahead, o.out.plan = glanceSize, new(sketch)
			}
			for i := next.Add(1) - 1; i < int64(len(p.chunks)); i = next.Add(1) - 1 {
				c := &p.chunks[i]
				if sketches != nil {
					o.out.plan.over(int(i))
				}
				var err error
				if done[i], err = o.chunk(gctx, c); err != nil {
					return inColumn(p.schema.leaves[c.leaf].dotted, err)
				}
				if sketches != nil {
					sketches[i] = o.out.plan.done()
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
		res.Columns[at[p.chunks[i].leaf]].Bytes += done[i].used - done[i].padding + done[i].columnIndex.Len + done[i].offsetIndex.Len
	}
	return res
}
