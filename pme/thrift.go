package pme

import (
	"encoding/binary"
	"errors"
	"math"
)

// Parquet's structures are in Thrift's compact protocol. This file reads and writes them one level at a time and keeps
// every value it does not change as the bytes it came in, so that what this version does not know survives, and what is
// read re-encodes to the same bytes.
//
// A generated or reflective codec will not do here: it loses unknown fields, parquet-go's writes a null count of zero
// where a file has no statistics (readers would believe it), allocates what a list claims before reading it, and follows
// nesting as deep as the input likes.
//
// Accepted is one encoding per value only: fields in ascending order, shortest field and list headers, shortest varints.

// The wire types of the compact protocol.
const (
	wireStop   = 0
	wireTrue   = 1
	wireFalse  = 2
	wireByte   = 3
	wireI16    = 4
	wireI32    = 5
	wireI64    = 6
	wireDouble = 7
	wireBinary = 8
	wireList   = 9
	wireSet    = 10
	wireMap    = 11
	wireStruct = 12
	wireUUID   = 13
)

// errShort: the bytes end within a value. It becomes ErrMalformed unless more bytes can be read.
var errShort = errors.New("truncated structure")

// errThrift is any other fault of encoding.
var errThrift = errors.New("invalid structure")

// field is one field of a structure: its id, its wire type and the bytes of its value (none for booleans).
type field struct {
	id   int16
	wire byte
	raw  []byte
}

// record is one structure: its fields in ascending order of ids. Records share bytes with what they were read from.
type record []field

// usualFields is more than most structures have.
const usualFields = 12

// parseRecord reads one structure from the start of b into dst[:0] and says how many bytes it took.
func parseRecord(dst record, b []byte) (record, int, error) {
	if dst = dst[:0]; cap(dst) == 0 {
		dst = make(record, 0, usualFields)
	}
	pos, last := 0, int16(0)
	for {
		id, wire, n, err := fieldHeader(b[pos:], last)
		if err != nil {
			return nil, 0, err
		}
		pos += n
		if wire == wireStop {
			return dst, pos, nil
		}
		n, err = skipValue(b[pos:], wire, false, 1)
		if err != nil {
			return nil, 0, err
		}
		dst = append(dst, field{id, wire, b[pos : pos+n : pos+n]})
		pos, last = pos+n, id
	}
}

// wholeRecord reads a structure that must fill b.
func wholeRecord(b []byte) (record, error) { return wholeRecordIn(nil, b) }

// wholeRecordIn is wholeRecord with a record to read it into.
func wholeRecordIn(dst record, b []byte) (record, error) {
	r, n, err := parseRecord(dst, b)
	if err == nil && n != len(b) {
		return nil, errThrift
	}
	return r, err
}

// fieldHeader reads the header of the field that follows the field called last.
func fieldHeader(b []byte, last int16) (id int16, wire byte, n int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, errShort
	}
	wire = b[0] & 0x0f
	if b[0] == wireStop {
		return 0, wireStop, 1, nil
	}
	if wire == wireStop || wire > wireUUID {
		return 0, 0, 0, errThrift
	}
	if delta := int(b[0] >> 4); delta > 0 {
		if int(last)+delta > math.MaxInt16 {
			return 0, 0, 0, errThrift
		}
		return last + int16(delta), wire, 1, nil
	}
	v, n, err := zigzag(b[1:], 16)
	if err != nil {
		return 0, 0, 0, err
	}
	if v-int64(last) <= 15 { // has a shorter form, or does not ascend
		return 0, 0, 0, errThrift
	}
	return int16(v), wire, 1 + n, nil
}

// skipValue measures a value. Booleans take a byte in containers and none in fields.
func skipValue(b []byte, wire byte, inList bool, depth int) (int, error) {
	if depth > maxNesting {
		return 0, errThrift
	}
	switch wire {
	case wireTrue, wireFalse:
		if inList {
			return fixed(b, 1)
		}
		return 0, nil
	case wireByte:
		return fixed(b, 1)
	case wireI16:
		return varintLen(b, 16)
	case wireI32:
		return varintLen(b, 32)
	case wireI64:
		return varintLen(b, 64)
	case wireDouble:
		return fixed(b, 8)
	case wireUUID:
		return fixed(b, 16)
	case wireBinary:
		size, n, err := length(b)
		if err != nil {
			return 0, err
		}
		m, err := fixed(b[n:], size)
		return n + m, err
	case wireList, wireSet:
		return skipList(b, depth)
	case wireMap:
		return skipMap(b, depth)
	case wireStruct:
		return skipStruct(b, depth)
	}
	return 0, errThrift
}

func fixed(b []byte, n int) (int, error) {
	if len(b) < n {
		return 0, errShort
	}
	return n, nil
}

func skipList(b []byte, depth int) (int, error) {
	wire, count, pos, err := listHeader(b)
	if err != nil {
		return 0, err
	}
	for range count {
		n, err := skipValue(b[pos:], wire, true, depth+1)
		if err != nil {
			return 0, err
		}
		pos += n
	}
	return pos, nil
}

func skipMap(b []byte, depth int) (int, error) {
	count, pos, err := length(b)
	if err != nil || count == 0 {
		return pos, err
	}
	if len(b) == pos {
		return 0, errShort
	}
	key, value := b[pos]>>4, b[pos]&0x0f
	pos++
	for range count {
		for _, wire := range [2]byte{key, value} {
			n, err := skipValue(b[pos:], wire, true, depth+1)
			if err != nil {
				return 0, err
			}
			pos += n
		}
	}
	return pos, nil
}

func skipStruct(b []byte, depth int) (int, error) {
	pos, last := 0, int16(0)
	for {
		id, wire, n, err := fieldHeader(b[pos:], last)
		if err != nil {
			return 0, err
		}
		pos += n
		if wire == wireStop {
			return pos, nil
		}
		n, err = skipValue(b[pos:], wire, false, depth+1)
		if err != nil {
			return 0, err
		}
		pos, last = pos+n, id
	}
}

// listHeader reads element type and count. Every element takes at least one byte, so a count above the bytes at hand is
// refused before anything is allocated for it.
func listHeader(b []byte) (wire byte, count, n int, err error) {
	if len(b) == 0 {
		return 0, 0, 0, errShort
	}
	wire, count, n = b[0]&0x0f, int(b[0]>>4), 1
	if wire == wireStop || wire > wireUUID {
		return 0, 0, 0, errThrift
	}
	if count == 15 {
		size, m, err := length(b[1:])
		if err != nil {
			return 0, 0, 0, err
		}
		if size < 15 {
			return 0, 0, 0, errThrift
		}
		count, n = size, 1+m
	}
	if count > len(b)-n {
		return 0, 0, 0, errShort
	}
	return wire, count, n, nil
}

// length reads a length or count.
func length(b []byte) (size, n int, err error) {
	u, n, err := uvarint(b, 5)
	if err != nil {
		return 0, 0, err
	}
	if u > math.MaxInt32 {
		return 0, 0, errThrift
	}
	return int(u), n, nil
}

// uvarint reads a varint of at most most bytes in its shortest form.
func uvarint(b []byte, most int) (uint64, int, error) {
	u, n := binary.Uvarint(b[:min(len(b), most)])
	switch {
	case n > 0 && (n == 1 || b[n-1] != 0):
		return u, n, nil
	case n == 0 && len(b) < most:
		return 0, 0, errShort
	}
	return 0, 0, errThrift
}

// zigzag reads a signed integer of 16, 32 or 64 bits.
func zigzag(b []byte, bits int) (int64, int, error) {
	u, n, err := uvarint(b, (bits+6)/7)
	if err != nil {
		return 0, 0, err
	}
	if bits < 64 && u>>bits != 0 {
		return 0, 0, errThrift
	}
	return int64(u>>1) ^ -int64(u&1), n, nil
}

// varintLen measures what zigzag would read.
func varintLen(b []byte, bits int) (int, error) {
	most := (bits + 6) / 7
	for i, c := range b[:min(len(b), most)] {
		if c < 0x80 {
			if i > 0 && c == 0 || i == most-1 && c>>(bits-7*i) != 0 {
				return 0, errThrift
			}
			return i + 1, nil
		}
	}
	if len(b) < most {
		return 0, errShort
	}
	return 0, errThrift
}

// appendRecord writes r.
func appendRecord(dst []byte, r record) []byte {
	last := int16(0)
	for _, f := range r {
		dst = appendField(dst, last, f)
		last = f.id
	}
	return append(dst, wireStop)
}

// appendField writes the field that follows the field called last.
func appendField(dst []byte, last int16, f field) []byte {
	if delta := int(f.id) - int(last); delta >= 1 && delta <= 15 {
		dst = append(dst, byte(delta)<<4|f.wire)
	} else {
		dst = binary.AppendVarint(append(dst, f.wire), int64(f.id))
	}
	return append(dst, f.raw...)
}

// maxListHead is more than what comes before a list's items.
const maxListHead = 1 + binary.MaxVarintLen32

// appendListHead writes what comes before that many items.
func appendListHead(dst []byte, wire byte, n int) []byte {
	if n < 15 {
		return append(dst, byte(n)<<4|wire)
	}
	return binary.AppendUvarint(append(dst, 0xf0|wire), uint64(n))
}

// appendList writes a list of encoded items.
func appendList(dst []byte, wire byte, items [][]byte) []byte {
	dst = appendListHead(dst, wire, len(items))
	for _, it := range items {
		dst = append(dst, it...)
	}
	return dst
}
