package publish

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/result"
)

// oldSum adds up the SHA-256 of each row, as versions were digested once (cordon/rows/v1). Rows that somebody else chose could
// deceive it; what an owner published under it is still compared with.
type oldSum [4]uint64

func (s *oldSum) add(o *oldSum) {
	carry := uint64(0)
	for i := range s {
		s[i], carry = bits.Add64(s[i], o[i], carry)
	}
}

func (s *oldSum) bytes(rows uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, rows)
	for _, x := range s {
		b = binary.BigEndian.AppendUint64(b, x)
	}
	return b
}

// oldSumOf hashes each row of a row group: the canonical texts of its cells, each behind its size.
func (c *contents) oldSumOf(cols []column, values []*rowgroup.Values) *oldSum {
	var cells []*texts
	for _, i := range c.columns {
		cells = append(cells, textsOf(&cols[i], values[i]))
	}
	sum := &oldSum{}
	var row []byte
	for range values[0].Rows {
		row = row[:0]
		for _, t := range cells {
			row = t.append(row)
		}
		hash, one := sha256.Sum256(row), oldSum{}
		for i := range one {
			one[i] = binary.BigEndian.Uint64(hash[8*i:])
		}
		sum.add(&one)
	}
	return sum
}

// texts gives a column's cells one after the other, as they are hashed: 1 and the size in 8 bytes, then the canonical text; for
// NULL nine zeros.
type texts struct {
	v     *rowgroup.Values
	kind  rowgroup.Kind
	scale int
	row   int
	next  int // among the values that are there

	least int64    // of whole numbers that are near to each other:
	known [][]byte // the framed text of each, once it was made
}

// nearby is how many framed texts of a column are kept.
const nearby = 1 << 13

func textsOf(c *column, v *rowgroup.Values) *texts {
	_, scale, _ := result.Type(c.Type).Decimal()
	t := &texts{v: v, kind: c.kind(), scale: scale}
	if v.Range != nil {
		if span := uint64(v.Range.Max) - uint64(v.Range.Min); span < nearby {
			t.least, t.known = v.Range.Min, make([][]byte, span+1)
		}
	}
	return t
}

// append adds the next cell.
func (t *texts) append(dst []byte) []byte {
	row, i := t.row, t.next
	t.row++
	if t.v.Present != nil && !t.v.Present[row] {
		return append(dst, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
	t.next++
	if t.known == nil {
		return t.frame(dst, i)
	}
	at := t.v.Ints[i] - t.least
	if t.known[at] == nil {
		t.known[at] = t.frame(nil, i)
	}
	return append(dst, t.known[at]...)
}

func (t *texts) frame(dst []byte, i int) []byte {
	from := len(dst)
	dst = append(dst, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = t.text(dst, i)
	binary.BigEndian.PutUint64(dst[from+1:], uint64(len(dst)-from-9))
	return dst
}

// text is the canonical text of the i-th value that is there.
func (t *texts) text(dst []byte, i int) []byte {
	switch t.kind {
	case rowgroup.Boolean:
		return strconv.AppendBool(dst, t.v.Bools[i])
	case rowgroup.Int64, rowgroup.Decimal:
		return appendDecimal(dst, t.v.Ints[i], t.scale)
	case rowgroup.Date:
		return append(dst, result.FormatDate(time.Unix(t.v.Ints[i]*86400, 0))...)
	case rowgroup.Timestamp:
		return append(dst, timestampText(t.v.Ints[i])...)
	case rowgroup.Double:
		s, _ := result.FormatDouble(t.v.Doubles[i])
		return append(dst, s...)
	}
	return append(dst, t.v.At(i)...)
}
