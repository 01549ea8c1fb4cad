package pme

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Page types of PageHeader.
const (
	dataPage   = 0
	dictPage   = 2
	dataPageV2 = 3
)

// pageHeader is a parsed PageHeader. It shares bytes with what it was read from.
type pageHeader struct {
	rec          record
	typ          int64
	compressed   int64
	uncompressed int64
	values       int64
}

// parsePageHeader reads a page header from the start of b into scratch, and says how many bytes it took.
func parsePageHeader(scratch record, b []byte) (pageHeader, int, error) {
	rec, n, err := parseRecord(scratch, b)
	if err != nil {
		return pageHeader{}, 0, err
	}
	h := pageHeader{rec: rec}
	if h.typ, err = rec.size(phType, wireI32); err != nil {
		return pageHeader{}, 0, err
	}
	if h.compressed, err = rec.size(phCompressedSize, wireI32); err != nil {
		return pageHeader{}, 0, err
	}
	if h.uncompressed, err = rec.size(phUncompressedSize, wireI32); err != nil {
		return pageHeader{}, 0, err
	}
	h.values, err = h.countValues()
	return h, n, err
}

// countValues reads the number of values from the part of the header that the page's type asks for.
func (h *pageHeader) countValues() (int64, error) {
	var id int16
	switch h.typ {
	case dataPage:
		id = phData
	case dictPage:
		id = phDictionary
	case dataPageV2:
		id = phDataV2
	default:
		return 0, errThrift
	}
	f, ok := h.rec.find(id)
	if !ok || f.wire != wireStruct {
		return 0, errThrift
	}
	var room [12]field
	sub, _, err := parseRecord(room[:0], f.raw)
	if err != nil {
		return 0, err
	}
	return sub.size(dpNumValues, wireI32)
}

// appendTo writes the header for a page that takes size bytes from now on. The checksum goes: it is over the page
// as stored, which has changed, and the tag does its work.
func (h *pageHeader) appendTo(dst []byte, size int) []byte {
	last := int16(0)
	var room [binary.MaxVarintLen64]byte
	for _, f := range h.rec {
		switch f.id {
		case phCRC:
			continue
		case phCompressedSize:
			f.raw = binary.AppendVarint(room[:0], int64(size))
		}
		dst = appendField(dst, last, f)
		last = f.id
	}
	return append(dst, wireStop)
}

// dropStatistics takes the page's statistics out of the header.
func (h *pageHeader) dropStatistics() error {
	for _, d := range [...]struct{ page, statistics int16 }{{phData, dpStatistics}, {phDataV2, dp2Statistics}} {
		page, ok, err := h.rec.nested(d.page)
		if err != nil {
			return malformed("page header")
		}
		if ok && page.has(d.statistics) {
			h.rec = h.rec.with(structField(d.page, page.without(d.statistics)))
		}
	}
	return nil
}

// checksumHolds says whether the page fits the checksum in its header, if there is one.
func (h *pageHeader) checksumHolds(page []byte) bool {
	v, ok, err := h.rec.number(phCRC, wireI32)
	return err == nil && (!ok || uint32(v) == crc32.ChecksumIEEE(page))
}

// plainHeader reads the header of the next page of a plain chunk, whose length is only known by reading it.
func (w *window) plainHeader(scratch record) (h pageHeader, n int, err error) {
	for try := 1 << 10; ; try *= 4 {
		try = int(min(int64(try), w.remaining(), maxPageHeader))
		b, err := w.peek(try)
		if err != nil {
			return pageHeader{}, 0, err
		}
		h, n, err := parsePageHeader(scratch, b)
		if err == nil {
			return h, n, nil
		}
		if err != errShort || int64(try) == min(w.remaining(), maxPageHeader) {
			return pageHeader{}, 0, malformed("page header")
		}
	}
}

// plainPage returns the next page of a plain chunk: its header, and header and page as stored, valid until the next call.
func (w *window) plainPage(scratch record) (h pageHeader, header, page []byte, err error) {
	h, n, err := w.plainHeader(scratch)
	if err != nil {
		return h, nil, nil, err
	}
	size := int64(n) + h.compressed
	if size > w.remaining() || size > math.MaxInt32 {
		return h, nil, nil, malformed("page")
	}
	b, err := w.peek(int(size))
	if err != nil {
		return h, nil, nil, err
	}
	// Reading on may have moved the header.
	if h, n, err = parsePageHeader(scratch, b); err != nil {
		return h, nil, nil, malformed("page header")
	}
	w.skip(len(b))
	return h, b[:n], b[n:], nil
}

// pageAt is where a data page lies in the output: header and page together.
type pageAt struct {
	off  int64
	size int64
}

// rewriteOffsetIndex gives the n-th location of an OffsetIndex the place of the n-th data page.
func rewriteOffsetIndex(plain []byte, pages []pageAt) ([]byte, error) {
	oi, err := wholeRecord(plain)
	if err != nil {
		return nil, malformed("offset index")
	}
	items, ok, err := oi.list(oiLocations, wireStruct)
	if err != nil || !ok || len(items) != len(pages) {
		return nil, malformed("offset index")
	}
	for i, it := range items {
		loc, err := wholeRecord(it)
		if err != nil || !loc.has(plOffset) || !loc.has(plSize) || pages[i].size > math.MaxInt32 {
			return nil, malformed("offset index")
		}
		items[i] = appendRecord(nil, loc.with(i64Field(plOffset, pages[i].off)).with(i32Field(plSize, pages[i].size)))
	}
	return appendRecord(nil, oi.with(listField(oiLocations, wireStruct, items))), nil
}
