package pme

import (
	"bytes"
	"context"
	"io"
)

// placed is what became of a chunk: where its parts lie in the output, by offsets into the whole file. Its page indexes
// are kept until all chunks are done: there are readers that want those of all chunks in one piece.
type placed struct {
	used         int64 // of the chunk's area
	padding      int64 // of that
	dict, data   int64 // offsets of dictionary page (0: none) and first data page
	compressed   int64
	uncompressed int64
	bloom        Range
	columnIndex  Range
	offsetIndex  Range
	columnBytes  []byte
	offsetBytes  []byte
}

// opener opens chunks one after the other and keeps its buffers between them.
type opener struct {
	plan *Plan
	src  io.ReaderAt

	win     window
	sound   sound
	out     spool
	aad     []byte
	header  []byte // page header in clear
	rewrite []byte // page header as it will be
	fields  record

	c      *chunk
	values int64
	pages  []pageAt
	done   placed
}

// chunk opens one chunk into its area.
func (o *opener) chunk(ctx context.Context, c *chunk) (placed, error) {
	o.c, o.values, o.pages, o.done = c, 0, o.pages[:0], placed{}
	o.out.over(c.out, c.room)
	if err := o.allPages(ctx); err != nil {
		return placed{}, err
	}
	for _, step := range [...]func() error{o.bloom, o.columnIndex, o.offsetIndex} {
		if err := step(); err != nil {
			return placed{}, err
		}
	}
	o.done.used = o.out.used
	return o.done, o.out.finish()
}

// allPages opens the pages, which must fill the chunk and hold the values that its metadata promises.
func (o *opener) allPages(ctx context.Context) error {
	if err := o.win.over(o.src, o.c.pages); err != nil {
		return err
	}
	if o.c.dict {
		o.done.dict = o.out.at()
		if err := o.page(dictHeaderModule, dictPageModule, 0); err != nil {
			return err
		}
	}
	o.done.data = o.out.at()
	for o.win.remaining() > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(o.pages) == maxPages {
			return unsupported("number of pages")
		}
		start := o.out.at()
		if err := o.page(dataHeaderModule, dataPageModule, len(o.pages)); err != nil {
			return err
		}
		o.pages = append(o.pages, pageAt{start, o.out.at() - start})
	}
	if o.values != o.c.values {
		return malformed("number of values")
	}
	o.done.compressed = o.out.used
	return nil
}

// page opens the next page with its header.
func (o *opener) page(header, body moduleType, ordinal int) error {
	if o.c.key == nil {
		return o.plainPage(header == dictHeaderModule)
	}
	box, _, err := o.win.module()
	if err != nil {
		return err
	}
	if len(box) > maxPageHeader {
		return unsupported("size of a page header")
	}
	if o.header, err = o.c.key.open(o.header[:0], box, o.pageAAD(header, ordinal)); err != nil {
		return tampered("page header")
	}
	h, n, err := parsePageHeader(o.fields, o.header)
	if err != nil || n != len(o.header) || (h.typ == dictPage) != (header == dictHeaderModule) {
		return malformed("page header")
	}
	o.fields = h.rec
	return o.body(&h, body, ordinal)
}

// body opens the page that belongs to a header, which says how long the page's module is.
func (o *opener) body(h *pageHeader, t moduleType, ordinal int) error {
	if o.out.plan != nil {
		return o.promise(h, t, ordinal)
	}
	box, n, err := o.win.module()
	if err != nil {
		return err
	}
	if int64(n) != h.compressed {
		return tampered("page")
	}
	plain := o.plan.plainSize(len(box))
	if plain < 0 {
		return tampered("page")
	}
	if err := o.putHeader(h, plain); err != nil {
		return err
	}
	dst, err := o.out.next(plain)
	if err != nil {
		return err
	}
	if o.plan.ctr {
		_, err = o.c.key.openCTR(dst[:0], box)
	} else {
		_, err = o.c.key.open(dst[:0], box, o.pageAAD(t, ordinal))
	}
	if err != nil {
		return tampered("page")
	}
	o.out.add(plain)
	return nil
}

// promise notes where a page lies that will be opened when it is read.
func (o *opener) promise(h *pageHeader, t moduleType, ordinal int) error {
	box, n, err := o.win.passModule()
	if err != nil {
		return err
	}
	plain := o.plan.plainSize(int(box.Len))
	if n != h.compressed || plain < 0 {
		return tampered("page")
	}
	if err := o.sound.page(o, box, t, ordinal); err != nil {
		return err
	}
	if err := o.putHeader(h, plain); err != nil {
		return err
	}
	return o.out.draw(o.out.plan.page(o.out.at(), int64(plain), box, t, ordinal))
}

// plainPage copies a page that is not encrypted.
func (o *opener) plainPage(dict bool) error {
	h, header, page, err := o.win.plainPage(o.fields)
	if err != nil {
		return err
	}
	if (h.typ == dictPage) != dict {
		return malformed("page header")
	}
	o.fields = h.rec
	o.count(&h, len(header))
	return o.out.put(header, page)
}

func (o *opener) putHeader(h *pageHeader, plain int) error {
	if o.plan.pagesOnly {
		if err := h.dropStatistics(); err != nil {
			return err
		}
	}
	o.rewrite = h.appendTo(o.rewrite[:0], plain)
	n, zeros := len(o.rewrite), 0
	if o.done.padding+int64(o.plan.headerRoom) <= o.c.spare {
		o.rewrite, zeros = h.widen(o.rewrite, o.plan.headerRoom)
	}
	o.count(h, len(o.rewrite)+zeros)
	o.done.padding += int64(len(o.rewrite) + zeros - n)
	if err := o.out.put(o.rewrite); err != nil {
		return err
	}
	return o.out.zeros(zeros)
}

func (o *opener) count(h *pageHeader, header int) {
	if h.typ != dictPage {
		o.values += h.values
	}
	o.done.uncompressed += h.uncompressed + int64(header)
}

func (o *opener) pageAAD(t moduleType, ordinal int) []byte {
	o.aad = o.plan.pageAAD(o.aad, t, o.c.at, ordinal)
	return o.aad
}

// index opens one module that is alone of its type; nil where there is none.
func (o *opener) index(r Range, t moduleType) ([]byte, error) {
	if r.Len == 0 {
		return nil, nil
	}
	if err := o.win.over(o.src, r); err != nil {
		return nil, err
	}
	b, err := o.win.peek(int(r.Len))
	if err != nil {
		return nil, err
	}
	if o.c.key == nil {
		return bytes.Clone(b), nil
	}
	o.aad = o.plan.aad.module(o.aad, t, o.c.at)
	if b, err = o.c.key.openModule(b, o.aad); err != nil {
		return nil, tampered("index")
	}
	return b, nil
}

func (o *opener) columnIndex() (err error) {
	b, err := o.index(o.c.columnIndex, columnIndexModule)
	if err != nil || b == nil {
		return err
	}
	if _, err := wholeRecord(b); err != nil {
		return malformed("column index")
	}
	o.done.columnBytes = b
	return nil
}

func (o *opener) offsetIndex() (err error) {
	b, err := o.index(o.c.offsetIndex, offsetIndexModule)
	if err != nil || b == nil {
		return err
	}
	o.done.offsetBytes, err = rewriteOffsetIndex(b, o.pages)
	return err
}

// bloom opens a bloom filter: two modules, header and bitset, that fill its range.
func (o *opener) bloom() error {
	r := o.c.bloom
	if r.Len == 0 {
		return nil
	}
	if err := o.win.over(o.src, r); err != nil {
		return err
	}
	start := o.out.at()
	if err := o.bloomParts(); err != nil {
		return err
	}
	o.done.bloom = Range{start, o.out.at() - start}
	return nil
}

func (o *opener) bloomParts() error {
	var b []byte
	var err error
	if o.c.key == nil {
		if b, err = o.win.peek(int(o.c.bloom.Len)); err != nil {
			return err
		}
	} else if b, err = o.openBloom(); err != nil {
		return err
	}
	header, n, err := parseRecord(nil, b)
	if err != nil {
		return malformed("bloom filter")
	}
	if bits, err := header.size(bfNumBytes, wireI32); err != nil || bits != int64(len(b)-n) {
		return malformed("bloom filter")
	}
	return o.out.put(b)
}

func (o *opener) openBloom() (b []byte, err error) {
	for _, t := range [...]moduleType{bloomHeaderModule, bloomBitsetModule} {
		box, _, err := o.win.module()
		if err != nil {
			return nil, err
		}
		o.aad = o.plan.aad.module(o.aad, t, o.c.at)
		if b, err = o.c.key.open(b, box, o.aad); err != nil {
			return nil, tampered("bloom filter")
		}
	}
	if o.win.remaining() > 0 {
		return nil, tampered("bloom filter")
	}
	return b, nil
}
