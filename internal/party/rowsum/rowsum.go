package rowsum

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/statement"
)

// Column is one that is digested. Its place among the others means nothing: its name gives its factor.
type Column struct {
	Name string
	Kind rowgroup.Kind
}

// Sum makes the numbers of rows. It may be used by several at once.
type Sum struct {
	point   element // what each row's number is added to
	columns []column
}

type column struct {
	kind   rowgroup.Kind
	factor factor
	null   element
	powers *[textBlock]factor // of texts: the factor, its square, and so on
	next   element            // the power after those, over the first
}

// New derives a table's factors from a key.
func New(key []byte, columns []Column) (*Sum, error) {
	point, err := derive(key, "cordon/row-point/v2", "")
	if err != nil {
		return nil, err
	}
	s := &Sum{point: point.element()}
	for _, c := range columns {
		f, err := derive(key, "cordon/row-factor/v2", c.Name)
		if err != nil {
			return nil, err
		}
		s.columns = append(s.columns, columnOf(c.Kind, f))
	}
	return s, nil
}

// derive gives one of 2^121 numbers.
func derive(key []byte, label, name string) (factor, error) {
	b, err := hkdf.Key(sha256.New, key, nil, string(statement.Frame(label, []byte(name))), 16)
	if err != nil {
		return factor{}, err
	}
	return factor{binary.BigEndian.Uint64(b) >> (64 - lowBits), binary.BigEndian.Uint64(b[8:]) >> (64 - highBits)}, nil
}

func columnOf(kind rowgroup.Kind, f factor) column {
	c := column{kind: kind, factor: f, null: f.element().times(element{hi: 1})} // NULL is 2^64, which no word is
	if kind != rowgroup.Text {
		return c
	}
	c.powers, c.next = &[textBlock]factor{}, element{lo: 1}
	for i := range c.powers {
		c.next = c.next.times(f.element()).exact()
		c.powers[i] = wide(c.next)
	}
	return c
}

// Product of the numbers of some rows. Products of parts are multiplied, in any order.
type Product struct{ e element }

// One is the product of no rows.
func One() Product { return Product{element{lo: 1}} }

// Times multiplies two.
func (p Product) Times(o Product) Product { return Product{p.e.times(o.e)} }

// Bytes are the product in 16 bytes.
func (p Product) Bytes() [16]byte {
	var b [16]byte
	e := p.e.exact()
	binary.BigEndian.PutUint64(b[:], e.hi)
	binary.BigEndian.PutUint64(b[8:], e.lo)
	return b
}

// block is how many rows are in work at once: little enough to stay in a core's nearest cache.
const block = 256

// Of multiplies the numbers of a row group's rows. There is one Values for each column, of as many rows.
func (s *Sum) Of(rows int, values []*rowgroup.Values) Product {
	w := s.begin(values)
	for from := 0; from < rows; from += block {
		w.block(min(block, rows-from))
	}
	w.wipe()
	return Product{w.out}
}

func (s *Sum) begin(values []*rowgroup.Values) *work {
	w := &work{out: One().e}
	var all []*cursor
	for i, v := range values {
		all = append(all, newCursor(&s.columns[i], v))
	}
	w.few, w.others = chooseFew(s.point, all)
	return w
}

// work is one row group's.
type work struct {
	few     few
	others  []*cursor
	sums    [block]element
	factors [4]factor // of columns of words that wait for each other
	words   [4][]int64
	waiting int
	out     element
}

func (w *work) block(n int) {
	sums := w.sums[:n]
	w.few.begin(sums)
	for _, c := range w.others {
		if c.kind == rowgroup.Text {
			c.texts(sums)
			continue
		}
		w.factors[w.waiting], w.words[w.waiting] = c.factor, c.words(sums)
		if w.waiting++; w.waiting == len(w.words) {
			w.add(sums)
		}
	}
	w.add(sums)
	w.out = w.out.times(product(sums))
}

// add adds the words that wait.
func (w *work) add(sums []element) {
	switch {
	case w.waiting == 1:
		addWords(sums, w.factors[0], w.words[0])
	case w.waiting > 1: // four at once are quicker than two apart
		for i := w.waiting; i < len(w.words); i++ {
			w.factors[i], w.words[i] = factor{}, w.words[0]
		}
		addFour(sums, &w.factors, &w.words)
	}
	w.waiting = 0
}

// wipe erases all that comes of the rows or of the key, but the product.
func (w *work) wipe() {
	for _, c := range slices.Concat(w.few.columns, w.others) {
		clear(c.coded)
		clear(c.scratch[:])
	}
	clear(w.few.table)
	clear(w.few.at[:])
	clear(w.sums[:])
	clear(w.factors[:])
	clear(w.words[:])
}

// cursor goes through a column's rows.
type cursor struct {
	*column
	v       *rowgroup.Values
	row     int
	next    int       // among the values that are there
	coded   []element // the number of each text in the dictionary
	scratch [block]int64
}

func newCursor(c *column, v *rowgroup.Values) *cursor {
	out := &cursor{column: c, v: v}
	if c.kind == rowgroup.Text {
		out.coded = slices.Grow(out.coded, v.Dict.Len()) // at once, so that no copy is left that nobody wipes
		for i := range v.Dict.Len() {
			out.coded = append(out.coded, c.text(v.Dict.At(i)).exact())
		}
	}
	return out
}

// words are the next rows' values, 0 for NULL, for which sums get what NULL is.
func (c *cursor) words(sums []element) []int64 {
	n := len(sums)
	if c.v.Present == nil {
		c.row, c.next = c.row+n, c.next+n
		return c.whole(c.next-n, c.next)
	}
	there := 0
	for _, present := range c.v.Present[c.row : c.row+n] {
		if present {
			there++
		}
	}
	values := c.whole(c.next, c.next+there)
	c.next += there
	out := c.scratch[:n] // which may hold the values: they are moved from the last to the first
	for i := n - 1; i >= 0; i-- {
		if c.v.Present[c.row+i] {
			there--
			out[i] = values[there]
		} else {
			out[i], sums[i] = 0, sums[i].plus(c.null)
		}
	}
	c.row += n
	return out
}

// whole are values as words.
func (c *cursor) whole(from, to int) []int64 {
	out := c.scratch[:to-from]
	switch c.kind {
	case rowgroup.Boolean:
		for i, b := range c.v.Bools[from:to] {
			out[i] = 0
			if b {
				out[i] = 1
			}
		}
	case rowgroup.Double:
		for i, x := range c.v.Doubles[from:to] {
			out[i] = int64(math.Float64bits(x + 0)) // no -0
		}
	default:
		return c.v.Ints[from:to]
	}
	return out
}

// texts adds the next rows' texts.
func (c *cursor) texts(sums []element) {
	if c.v.Present == nil && c.coded != nil {
		codes := c.v.Codes[c.next:][:len(sums)]
		for i := range sums {
			sums[i] = sums[i].plus(c.coded[codes[i]])
		}
		c.row, c.next = c.row+len(sums), c.next+len(sums)
		return
	}
	for i := range sums {
		sums[i] = sums[i].plus(c.nextText())
	}
}

func (c *cursor) nextText() element {
	row, i := c.row, c.next
	c.row++
	if c.v.Present != nil && !c.v.Present[row] {
		return c.null
	}
	c.next++
	if c.coded != nil {
		return c.coded[c.v.Codes[i]]
	}
	return c.text(c.v.Text.At(i))
}
