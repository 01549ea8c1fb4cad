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

// widen makes the header that appendTo wrote up to atLeast bytes long. As many zeros as it says follow what it returns.
func (h *pageHeader) widen(header []byte, atLeast int) (wide []byte, zeros int) {
	last := h.rec[len(h.rec)-1].id
	n, ok := extensionSize(atLeast - len(header))
	if !ok || last >= phExtension {
		return header, 0
	}
	var room [binary.MaxVarintLen64]byte
	f := field{phExtension, wireBinary, binary.AppendUvarint(room[:0], uint64(n))}
	return appendField(header[:len(header)-1], last, f), n + 1 // the stop at the end is a zero, too
}

// extensionSize is how many bytes a field phExtension holds that takes so much with its head. Some sizes can't be had, nor need be.
func extensionSize(size int) (n int, ok bool) {
	const idSize, short, long = 1 + 3, 1, 2 // wire type and id; a length in so many bytes
	if n = size - idSize - short; n >= 1<<7 {
		n = size - idSize - long
		return n, n >= 1<<7 && n < 1<<14
	}
	return n, n >= 0
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
	f, ok := oi.find(oiLocations)
	if !ok || f.wire != wireList {
		return nil, malformed("offset index")
	}
	wire, count, pos, err := listHeader(f.raw)
	if err != nil || count != len(pages) || wire != wireStruct && count > 0 {
		return nil, malformed("offset index")
	}
	list := appendListHead(make([]byte, 0, len(f.raw)+count*locationGrowth+maxListHead), wireStruct, count)
	var room [usualFields]field
	for _, p := range pages {
		loc, n, err := parseRecord(room[:0], f.raw[pos:])
		if err != nil || !loc.has(plOffset) || !loc.has(plSize) || p.size > math.MaxInt32 {
			return nil, malformed("offset index")
		}
		list, pos = appendLocation(list, loc, p), pos+n
	}
	return appendRecord(make([]byte, 0, len(plain)+cap(list)-len(f.raw)), oi.with(field{oiLocations, wireList, list})), nil
}

// locationGrowth is more than a location may grow when a page takes another place: an offset of a byte becomes one of nine, a size one of five.
const locationGrowth = 16

// appendLocation writes a PageLocation with the page's place.
func appendLocation(dst []byte, loc record, p pageAt) []byte {
	last := int16(0)
	var room [binary.MaxVarintLen64]byte
	for _, f := range loc {
		switch f.id {
		case plOffset:
			f = field{plOffset, wireI64, binary.AppendVarint(room[:0], p.off)}
		case plSize:
			f = field{plSize, wireI32, binary.AppendVarint(room[:0], p.size)}
		}
		dst = appendField(dst, last, f)
		last = f.id
	}
	return append(dst, wireStop)
}
