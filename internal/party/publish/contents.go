package publish

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/statement"
)

// contents digests the rows as queries can tell them apart: the columns that have a role, whatever their order and that of
// the rows. A numbering that publishing added says nothing about a row. Whom it must not deceive is the owner that publishes,
// so adding up the hashes of rows is enough.
type contents struct {
	columns []int // in the table, by name
	header  []byte
	rows    uint64
	sum     [4]uint64
}

func contentsOf(cols []column, p *policy.Policy, numbered string) *contents {
	c := &contents{}
	for i := range cols {
		if cols[i].from != rowID && cols[i].Name != numbered && p.HasRole(cols[i].Name) {
			c.columns = append(c.columns, i)
		}
	}
	slices.SortFunc(c.columns, func(a, b int) int { return cmp.Compare(cols[a].Name, cols[b].Name) })
	for _, i := range c.columns {
		c.header = append(c.header, statement.Frame("column", []byte(cols[i].Name), []byte(cols[i].Type))...)
	}
	return c
}

// add takes part of the rows. It may be called for parts in any order.
func (c *contents) add(p *partSum) {
	carry := uint64(0)
	for i := range c.sum {
		c.sum[i], carry = bits.Add64(c.sum[i], p.sum[i], carry)
	}
	c.rows += p.rows
}

func (c *contents) digest() dataset.Contents {
	var n [40]byte
	binary.BigEndian.PutUint64(n[:], c.rows)
	for i, s := range c.sum {
		binary.BigEndian.PutUint64(n[8+8*i:], s)
	}
	return sha256.Sum256(statement.Frame("cordon/rows/v1", c.header, n[:]))
}

// partSum adds up the hashes of some rows.
type partSum struct {
	rows uint64
	sum  [4]uint64
}

// sumOf hashes each row of a row group: the canonical texts of its cells, each behind its size.
func (c *contents) sumOf(cols []column, values []*rowgroup.Values) *partSum {
	p := &partSum{}
	var cells []*texts
	for _, i := range c.columns {
		cells = append(cells, textsOf(&cols[i], values[i]))
	}
	var row []byte
	for range values[0].Rows {
		row = row[:0]
		for _, t := range cells {
			row = t.append(row)
		}
		p.add(sha256.Sum256(row))
	}
	return p
}

func (p *partSum) add(row [sha256.Size]byte) {
	carry := uint64(0)
	for i := range p.sum {
		p.sum[i], carry = bits.Add64(p.sum[i], binary.BigEndian.Uint64(row[8*i:]), carry)
	}
	p.rows++
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

// unchanged refuses rows that the newest version has already: the other members of a pool would take it for a change.
func unchanged(version string) error {
	return fault.New(fault.Refused, fmt.Sprintf("nothing changed: version %s has the same rows", version),
		"the version that is published serves; --even-if-unchanged publishes it again, under fresh keys or another policy", nil)
}
