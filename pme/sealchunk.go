package pme

import (
	"context"
	"io"
	"math"

	"golang.org/x/sync/errgroup"
)

// sealedParts are the parts of a chunk that follow the row groups in the file, sealed; empty where there is none.
type sealedParts struct {
	bloom, columnIndex []byte
	offsetIndex        []byte // plain until the chunk's place is known
}

// sealedChunk is a chunk's modules with places relative to their start.
type sealedChunk struct {
	bytes []byte
	place placed
	pages []pageAt
	parts sealedParts
}

// chunkSealer seals chunks one after the other and keeps its buffers between them.
type chunkSealer struct {
	src    io.ReaderAt
	aad    fileAAD
	win    window
	header []byte
	fields record
	out    sealedChunk
	values int64
}

func (s *Sealer) writeHead() error { return s.out.write([]byte(magicEncrypted)) }

// writeChunks seals the chunks that were added last, as many at once as there are workers, and writes them in order.
func (s *Sealer) writeChunks(ctx context.Context, src io.ReaderAt, from int) error {
	for len(s.sealers) < min(workers(s.opt.Workers), len(s.chunks)-from) {
		s.sealers = append(s.sealers, chunkSealer{aad: s.aad})
	}
	for i := range s.sealers {
		s.sealers[i].src = src
	}
	for ; from < len(s.chunks); from += len(s.sealers) {
		batch := s.chunks[from:min(from+len(s.sealers), len(s.chunks))]
		if err := s.sealBatch(ctx, batch); err != nil {
			return err
		}
		for i := range batch {
			if err := s.place(from+i, &s.sealers[i].out); err != nil {
				return inColumn(s.schema.leaves[batch[i].leaf].dotted, err)
			}
		}
	}
	return nil
}

func (s *Sealer) sealBatch(ctx context.Context, batch []chunk) error {
	g, gctx := errgroup.WithContext(ctx)
	for i := range batch {
		g.Go(func() error {
			return inColumn(s.schema.leaves[batch[i].leaf].dotted, s.sealers[i].chunk(gctx, &batch[i]))
		})
	}
	return g.Wait()
}

// place writes a sealed chunk and turns its relative places into offsets of the file.
func (s *Sealer) place(i int, c *sealedChunk) error {
	start := s.out.n
	d := c.place
	d.data += start
	if s.chunks[i].dict {
		d.dict += start
	}
	for j := range c.pages {
		c.pages[j].off += start
	}
	if c.parts.offsetIndex != nil {
		oi, err := rewriteOffsetIndex(c.parts.offsetIndex, c.pages)
		if err != nil {
			return err
		}
		c.parts.offsetIndex = s.chunks[i].key.seal(nil, oi, s.aad.module(nil, offsetIndexModule, s.chunks[i].at))
	}
	s.done[i], s.parts[i] = d, c.parts
	return s.out.write(c.bytes)
}

// chunk seals one chunk into s.out.
func (s *chunkSealer) chunk(ctx context.Context, c *chunk) error {
	s.out = sealedChunk{bytes: s.out.bytes[:0], pages: s.out.pages[:0]}
	s.values = 0
	if err := s.win.over(s.src, c.pages); err != nil {
		return err
	}
	c.dict = false // a page says itself what it is
	for s.win.remaining() > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.page(c); err != nil {
			return err
		}
	}
	if len(s.out.pages) == 0 {
		s.out.place.data = int64(len(s.out.bytes))
	}
	if s.values != c.values {
		return malformed("number of values")
	}
	s.out.place.compressed = int64(len(s.out.bytes))
	return s.sealParts(c)
}

// page seals the next page with its header. A page that does not fit its checksum is refused: sealing would vouch for it.
func (s *chunkSealer) page(c *chunk) error {
	h, _, page, err := s.win.plainPage(s.fields)
	if err != nil {
		return err
	}
	s.fields = h.rec
	if !h.checksumHolds(page) {
		return malformed("page checksum")
	}
	if int64(len(page))+gcmOverhead > math.MaxInt32 {
		return unsupported("size of a page")
	}
	start := len(s.out.bytes)
	if h.typ == dictPage {
		return s.dictPage(c, &h, page)
	}
	n := len(s.out.pages)
	if n == maxPages {
		return unsupported("number of pages")
	}
	if n == 0 {
		s.out.place.data = int64(start)
	}
	s.values += h.values
	s.seal(c, &h, page, s.aad.page(nil, dataHeaderModule, c.at, n), s.aad.page(nil, dataPageModule, c.at, n))
	s.out.pages = append(s.out.pages, pageAt{int64(start), int64(len(s.out.bytes) - start)})
	return nil
}

// dictPage seals the dictionary, which must be the first page and the only one of its kind.
func (s *chunkSealer) dictPage(c *chunk, h *pageHeader, page []byte) error {
	if len(s.out.bytes) > 0 {
		return malformed("dictionary page")
	}
	c.dict = true
	s.seal(c, h, page, s.aad.module(nil, dictHeaderModule, c.at), s.aad.module(nil, dictPageModule, c.at))
	return nil
}

// seal appends the modules of a header and its page. The header names the size of the page's module.
func (s *chunkSealer) seal(c *chunk, h *pageHeader, page, headerAAD, pageAAD []byte) {
	s.header = h.appendTo(s.header[:0], len(page)+gcmOverhead)
	s.out.bytes = c.key.seal(s.out.bytes, s.header, headerAAD)
	s.out.bytes = c.key.seal(s.out.bytes, page, pageAAD)
	s.out.place.uncompressed += h.uncompressed + int64(len(s.header)+gcmOverhead)
}

// sealParts seals bloom filter and column index, and reads the offset index, which needs the chunk's place first.
func (s *chunkSealer) sealParts(c *chunk) error {
	var err error
	if s.out.parts.bloom, err = s.bloom(c); err != nil {
		return err
	}
	ci, err := s.record(c.columnIndex, "column index")
	if err != nil {
		return err
	}
	if ci != nil {
		s.out.parts.columnIndex = c.key.seal(nil, ci, s.aad.module(nil, columnIndexModule, c.at))
	}
	s.out.parts.offsetIndex, err = s.record(c.offsetIndex, "offset index")
	return err
}

// record reads a structure that must fill a range; nil if there is none.
func (s *chunkSealer) record(r Range, what string) ([]byte, error) {
	if r.Len == 0 {
		return nil, nil
	}
	b, err := readRange(s.src, r)
	if err != nil {
		return nil, err
	}
	if _, err := wholeRecord(b); err != nil {
		return nil, malformed(what)
	}
	return b, nil
}

func (s *chunkSealer) bloom(c *chunk) ([]byte, error) {
	if c.bloom.Len == 0 {
		return nil, nil
	}
	b, err := readRange(s.src, c.bloom)
	if err != nil {
		return nil, err
	}
	header, n, err := parseRecord(nil, b)
	if err != nil {
		return nil, malformed("bloom filter")
	}
	if bits, err := header.size(bfNumBytes, wireI32); err != nil || bits != int64(len(b)-n) {
		return nil, malformed("bloom filter")
	}
	out := c.key.seal(nil, b[:n], s.aad.module(nil, bloomHeaderModule, c.at))
	return c.key.seal(out, b[n:], s.aad.module(nil, bloomBitsetModule, c.at)), nil
}

// writeParts writes bloom filters, column indexes and offset indexes, each kind together as other writers do.
func (s *Sealer) writeParts() error {
	kinds := []func(i int) ([]byte, *Range){
		func(i int) ([]byte, *Range) { return s.parts[i].bloom, &s.done[i].bloom },
		func(i int) ([]byte, *Range) { return s.parts[i].columnIndex, &s.done[i].columnIndex },
		func(i int) ([]byte, *Range) { return s.parts[i].offsetIndex, &s.done[i].offsetIndex },
	}
	for _, kind := range kinds {
		for i := range s.chunks {
			b, at := kind(i)
			if len(b) > math.MaxInt32 {
				return unsupported("size of an index")
			}
			*at = Range{s.out.n, int64(len(b))}
			if err := s.out.write(b); err != nil {
				return err
			}
		}
	}
	return nil
}
