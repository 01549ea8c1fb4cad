package publish

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/policy"
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

// add takes the canonical texts of a row's cells; nil is NULL.
func (c *contents) add(cells []*string) {
	h := sha256.New()
	for _, i := range c.columns {
		var size [9]byte
		text := ""
		if cells[i] != nil {
			size[0], text = 1, *cells[i]
			binary.BigEndian.PutUint64(size[1:], uint64(len(text)))
		}
		h.Write(size[:])
		h.Write([]byte(text))
	}
	row, carry := h.Sum(nil), uint64(0)
	for i := range c.sum {
		c.sum[i], carry = bits.Add64(c.sum[i], binary.BigEndian.Uint64(row[8*i:]), carry)
	}
	c.rows++
}

func (c *contents) digest() dataset.Contents {
	var n [40]byte
	binary.BigEndian.PutUint64(n[:], c.rows)
	for i, s := range c.sum {
		binary.BigEndian.PutUint64(n[8+8*i:], s)
	}
	return sha256.Sum256(statement.Frame("cordon/rows/v1", c.header, n[:]))
}

// unchanged refuses rows that the newest version has already: the other members of a pool would take it for a change.
func unchanged(version string) error {
	return fault.New(fault.Refused, fmt.Sprintf("nothing changed: version %s has the same rows", version),
		"the version that is published serves; --even-if-unchanged publishes it again, under fresh keys or another policy", nil)
}
