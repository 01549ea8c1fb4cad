package publish

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/internal/party/rowsum"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// contents digests the rows as queries can tell them apart: the columns that have a role, whatever their order and that of
// the rows. A numbering that publishing added says nothing about a row.
type contents struct {
	key     *dataset.ContentsKey
	columns []int // in the table, by name
	header  []byte
	sum     *rowsum.Sum
	rows    uint64
	product rowsum.Product
	old     oldSum
}

// partSum is of some rows.
type partSum struct {
	rows    uint64
	product rowsum.Product
	old     *oldSum // where a version before was digested in the old way
}

func contentsOf(cols []column, p *policy.Policy, numbered string, key *dataset.ContentsKey) (*contents, error) {
	c := &contents{key: key, product: rowsum.One()}
	for i := range cols {
		if cols[i].from != rowID && cols[i].Name != numbered && p.HasRole(cols[i].Name) {
			c.columns = append(c.columns, i)
		}
	}
	slices.SortFunc(c.columns, func(a, b int) int { return cmp.Compare(cols[a].Name, cols[b].Name) })
	var summed []rowsum.Column
	for _, i := range c.columns {
		c.header = append(c.header, statement.Frame("column", []byte(cols[i].Name), []byte(cols[i].Type))...)
		summed = append(summed, rowsum.Column{Name: cols[i].Name, Kind: cols[i].kind()})
	}
	secret := key.BytesUnsafe()
	defer clear(secret)
	var err error
	c.sum, err = rowsum.New(secret, summed)
	return c, err
}

// sumOf digests a row group.
func (c *contents) sumOf(cols []column, values []*rowgroup.Values) *partSum {
	rows := values[0].Rows
	var digested []*rowgroup.Values
	for _, i := range c.columns {
		digested = append(digested, values[i])
	}
	p := &partSum{rows: uint64(rows), product: c.sum.Of(rows, digested)}
	if c.key.Old() {
		p.old = c.oldSumOf(cols, values)
	}
	return p
}

// add takes part of the rows. It may be called for parts in any order.
func (c *contents) add(p *partSum) {
	c.rows, c.product = c.rows+p.rows, c.product.Times(p.product)
	if p.old != nil {
		c.old.add(p.old)
	}
}

func (c *contents) digest() dataset.Contents {
	out := dataset.Contents{Key: c.key}
	product := c.product.Bytes()
	out.Sum = sha256.Sum256(statement.Frame("cordon/rows/v2", c.header, append(binary.BigEndian.AppendUint64(nil, c.rows), product[:]...)))
	if c.key.Old() {
		out.Old = sha256.Sum256(statement.Frame("cordon/rows/v1", c.header, c.old.bytes(c.rows)))
	}
	return out
}

// unchanged refuses rows that the newest version has already: the other members of a pool would take it for a change.
func unchanged(version string) error {
	return fault.New(fault.Refused, fmt.Sprintf("nothing changed: version %s has the same rows", version),
		"the version that is published serves; --even-if-unchanged publishes it again, under fresh keys or another policy", nil)
}
