package engine

import (
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/privacy"
)

// contribution is what one source gives to one cell, as the scan says and the checks let pass.
type contribution struct {
	source      int
	rows, units int64
	measures    []measured    // by measure of the plan
	aggs        []contributed // by aggregate of a release of a program
}

// measured is a contribution's part for one measure.
type measured struct {
	rows, units int64 // in which the measure is not NULL
	others      int64 // units with a row in which it is
	sum, abs    *big.Int
}

// cells are the groups of the scanned set, in the order of their keys.
type cells struct {
	declared bool // all groups of the declared domains are here, so that the presence of one says nothing
	keys     [][]privacy.Value
	parts    [][]contribution
	index    map[string]int
}

func newCells() *cells { return &cells{index: map[string]int{}} }

// at finds or makes the cell of a key.
func (c *cells) at(key []privacy.Value) int {
	id := identity(key)
	i, ok := c.index[id]
	if !ok {
		i = len(c.keys)
		c.index[id] = i
		c.keys = append(c.keys, slices.Clone(key))
		c.parts = append(c.parts, nil)
	}
	return i
}

// identity frames the parts of a key by length, so that two keys never share one.
func identity(key []privacy.Value) string {
	var b strings.Builder
	for _, v := range key {
		if v.Null {
			b.WriteString("n")
			continue
		}
		b.WriteString(strconv.Itoa(len(v.Text)) + ":" + v.Text)
	}
	return b.String()
}

// add takes a contribution. A source gives one contribution to a cell.
func (c *cells) add(key []privacy.Value, got contribution) error {
	i := c.at(key)
	if len(c.keys) > maxCells {
		return errTooMany
	}
	for _, other := range c.parts[i] {
		if other.source == got.source {
			return errUnexpected
		}
	}
	c.parts[i] = append(c.parts[i], got)
	return nil
}

// declare adds the empty cells of the declared domains, when every dimension has one. Without dimensions there is one cell,
// rows or not.
func (c *cells) declare(dims []policy.Dim) error {
	size := 1
	for _, d := range dims {
		size *= len(domain(d))
		if size == 0 {
			return nil
		}
		if size > maxCells {
			return errTooMany
		}
	}
	c.declared = true
	key := make([]privacy.Value, len(dims))
	c.declareFrom(dims, key, 0)
	return nil
}

func (c *cells) declareFrom(dims []policy.Dim, key []privacy.Value, i int) {
	if i == len(dims) {
		c.at(key)
		return
	}
	for _, v := range domain(dims[i]) {
		key[i] = v
		c.declareFrom(dims, key, i+1)
	}
}

// domain is empty when the dimension has no declared values.
func domain(d policy.Dim) []privacy.Value {
	var out []privacy.Value
	for _, v := range d.Values {
		out = append(out, privacy.Value{Text: v})
	}
	if d.Nullable && len(out) > 0 {
		out = append(out, privacy.Value{Null: true})
	}
	return out
}
