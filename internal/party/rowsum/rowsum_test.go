package rowsum

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/statement"
)

var (
	key   = bytes.Repeat([]byte{7}, 32)
	prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 127), big.NewInt(1))
)

// cell is a value as the spec sees it: NULL, a number of 64 bits, or a text.
type cell struct {
	null bool
	word uint64
	text string
}

// slowly is docs/spec/keyring.md, section 5, in big integers.
func slowly(columns []Column, rows [][]cell) [16]byte {
	draw := func(label, name string) *big.Int {
		b, err := hkdf.Key(sha256.New, key, nil, string(statement.Frame(label, []byte(name))), 16)
		if err != nil {
			panic(err)
		}
		low, high := binary.BigEndian.Uint64(b)>>4, binary.BigEndian.Uint64(b[8:])>>3
		x := new(big.Int).SetUint64(high)
		return x.Add(x.Lsh(x, 63), new(big.Int).SetUint64(low))
	}
	point, product := draw("cordon/row-point/v2", ""), big.NewInt(1)
	for _, row := range rows {
		sum := new(big.Int).Set(point)
		for i, c := range row {
			f := draw("cordon/row-factor/v2", columns[i].Name)
			words := []*big.Int{new(big.Int).SetUint64(c.word)}
			switch {
			case c.null:
				words[0].Lsh(big.NewInt(1), 64)
			case columns[i].Kind == rowgroup.Text:
				words = nil
				for at := 0; at < len(c.text); at += 7 {
					var b [8]byte
					copy(b[:7], c.text[at:])
					words = append(words, new(big.Int).SetUint64(binary.LittleEndian.Uint64(b[:])))
				}
				words = append(words, big.NewInt(int64(len(c.text))))
			}
			power := big.NewInt(1)
			for _, w := range words {
				power.Mod(power.Mul(power, f), prime)
				sum.Add(sum, w.Mul(w, power))
			}
		}
		product.Mod(product.Mul(product, sum), prime)
	}
	var out [16]byte
	product.FillBytes(out[:])
	return out
}

// valuesOf lays cells out as row groups have them, texts by a dictionary or not.
func valuesOf(columns []Column, rows [][]cell, dictionary, ranges bool) []*rowgroup.Values {
	var out []*rowgroup.Values
	for i, c := range columns {
		v, words := &rowgroup.Values{Rows: len(rows)}, map[string]int32{}
		for _, row := range rows {
			x := row[i]
			if x.null && v.Present == nil {
				v.Present = make([]bool, 0, len(rows))
				for range rows {
					v.Present = append(v.Present, false)
				}
			}
		}
		for r, row := range rows {
			x := row[i]
			if v.Present != nil {
				v.Present[r] = !x.null
			}
			switch {
			case x.null:
			case c.Kind == rowgroup.Boolean:
				v.Bools = append(v.Bools, x.word == 1)
			case c.Kind == rowgroup.Double:
				v.Doubles = append(v.Doubles, math.Float64frombits(x.word))
			case c.Kind != rowgroup.Text:
				v.Ints = append(v.Ints, int64(x.word))
			case dictionary:
				if _, ok := words[x.text]; !ok {
					words[x.text] = int32(v.Dict.Len())
					v.Dict.Append(x.text)
				}
				v.Codes = append(v.Codes, words[x.text])
			default:
				v.Text.Append(x.text)
			}
		}
		if ranges {
			v.Range = rowgroup.RangeOf(v.Ints)
		}
		out = append(out, v)
	}
	return out
}

func sumOf(t *testing.T, columns []Column, values []*rowgroup.Values, rows int) Product {
	t.Helper()
	s, err := New(key, columns)
	if err != nil {
		t.Fatal(err)
	}
	return s.Of(rows, values)
}

var columns = []Column{
	{"flag", rowgroup.Text}, {"count", rowgroup.Int64}, {"cost", rowgroup.Decimal}, {"day", rowgroup.Date}, {"at", rowgroup.Timestamp},
	{"ok", rowgroup.Boolean}, {"share", rowgroup.Double}, {"note", rowgroup.Text}, {"id", rowgroup.Int64}, {"kind", rowgroup.Text}, {"year", rowgroup.Int64},
}

// anyRows are rows with values on the edges of what a word, a text's word and a block hold; half of the columns have NULL.
func anyRows(r *rand.Rand, n int) [][]cell {
	edges := []uint64{0, 1, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	var out [][]cell
	for i := range n {
		number := func() uint64 {
			if r.IntN(4) == 0 {
				return edges[r.IntN(len(edges))]
			}
			return r.Uint64() >> r.IntN(64)
		}
		note := strings.Repeat("\x00é", r.IntN(5))
		for range r.IntN(4) {
			note += strings.Repeat(string(rune('a'+r.IntN(26))), []int{0, 1, 6, 7, 8, 13, 14, 441, 448, 455, 900}[r.IntN(11)])
		}
		row := []cell{
			{text: []string{"A", "N", "R"}[r.IntN(3)]}, {word: number()}, {word: number()}, {word: uint64(8000 + r.IntN(2500))}, {word: number()},
			{word: r.Uint64N(2)}, {word: math.Float64bits(r.NormFloat64())}, {text: note}, {word: uint64(i)}, {text: []string{"", "\x00", "x"}[r.IntN(3)]},
			{word: uint64(int64(r.IntN(7) - 3))},
		}
		for _, c := range []int{1, 3, 5, 6, 7, 9} {
			if r.IntN(5) == 0 {
				row[c] = cell{null: true}
			}
		}
		out = append(out, row)
	}
	return out
}

// TestSpec: the product is what the spec says, however texts lie, whatever is looked up, in any order of rows and columns, and in parts.
func TestSpec(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 3, block - 1, block, 2*block + 7} {
		rows := anyRows(r, n)
		want := slowly(columns, rows)
		for _, dictionary := range []bool{true, false} {
			for _, ranges := range []bool{true, false} {
				if got := sumOf(t, columns, valuesOf(columns, rows, dictionary, ranges), n).Bytes(); got != want {
					t.Fatalf("%d rows, dictionary %v, ranges %v: %x, want %x", n, dictionary, ranges, got, want)
				}
			}
		}
		half := sumOf(t, columns, valuesOf(columns, rows[:n/2], true, true), n/2)
		if got := sumOf(t, columns, valuesOf(columns, rows[n/2:], false, true), n-n/2).Times(half).Bytes(); got != want {
			t.Errorf("%d rows in two parts: %x, want %x", n, got, want)
		}
		r.Shuffle(n, func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if got := sumOf(t, columns, valuesOf(columns, rows, true, true), n).Bytes(); got != want {
			t.Errorf("%d rows in another order: %x, want %x", n, got, want)
		}
		turned := slices.Clone(columns)
		slices.Reverse(turned)
		for i := range rows {
			rows[i] = slices.Clone(rows[i])
			slices.Reverse(rows[i])
		}
		if got := sumOf(t, turned, valuesOf(turned, rows, true, true), n).Bytes(); got != want {
			t.Errorf("%d rows with columns in another order: %x, want %x", n, got, want)
		}
	}
}

// TestTellsApart: tables that differ in one thing, and things that are nearly one.
func TestTellsApart(t *testing.T) {
	a, b := Column{"a", rowgroup.Int64}, Column{"b", rowgroup.Int64}
	text := Column{"t", rowgroup.Text}
	word := func(x ...uint64) (row []cell) {
		for _, x := range x {
			row = append(row, cell{word: x})
		}
		return row
	}
	seen := map[string]string{} // which columns there are, the caller digests too
	for _, c := range []struct {
		name    string
		columns []Column
		rows    [][]cell
	}{
		{"two rows", []Column{a, b}, [][]cell{word(1, 2), word(3, 4)}},
		{"values that swap in a row", []Column{a, b}, [][]cell{word(2, 1), word(3, 4)}},
		{"values that swap between rows", []Column{a, b}, [][]cell{word(1, 4), word(3, 2)}},
		{"one row twice", []Column{a, b}, [][]cell{word(1, 2), word(1, 2)}},
		{"the other row twice", []Column{a, b}, [][]cell{word(3, 4), word(3, 4)}},
		{"once", []Column{a, b}, [][]cell{word(1, 2)}},
		{"zeros", []Column{a, b}, [][]cell{word(0, 0)}},
		{"zeros twice", []Column{a, b}, [][]cell{word(0, 0), word(0, 0)}},
		{"NULL", []Column{a, b}, [][]cell{{{null: true}, {word: 0}}}},
		{"NULL in the other", []Column{a, b}, [][]cell{{{word: 0}, {null: true}}}},
		{"the largest word", []Column{a, b}, [][]cell{word(1<<64-1, 0)}},
		{"a text", []Column{text}, [][]cell{{{text: "abcdefg"}}}},
		{"a text that ends with a zero", []Column{text}, [][]cell{{{text: "abcdefg\x00"}}}},
		{"a text that ends with its length", []Column{text}, [][]cell{{{text: "abcdefg\x07"}}}},
		{"a shorter text", []Column{text}, [][]cell{{{text: "abcdef"}}}},
		{"an empty text", []Column{text}, [][]cell{{{}}}},
		{"a zero", []Column{text}, [][]cell{{{text: "\x00"}}}},
		{"zeros of a word", []Column{text}, [][]cell{{{text: strings.Repeat("\x00", 7)}}}},
		{"a NULL text", []Column{text}, [][]cell{{{null: true}}}},
	} {
		got := sumOf(t, c.columns, valuesOf(c.columns, c.rows, true, true), len(c.rows)).Bytes()
		if want := slowly(c.columns, c.rows); got != want {
			t.Errorf("%s: %x, want %x", c.name, got, want)
		}
		if other, ok := seen[fmt.Sprint(c.columns, got)]; ok {
			t.Errorf("%s is %s", c.name, other)
		}
		seen[fmt.Sprint(c.columns, got)] = c.name
	}
}

// TestField: on the edges, sums and products are those of big integers.
func TestField(t *testing.T) {
	edges := []element{{}, {lo: 1}, {lo: 1<<64 - 1}, {hi: 1}, {1<<64 - 2, top}, {1<<64 - 1, top}, {0, 1 << 63}, {1<<64 - 1, top - 1}, {0, top}}
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		edges = append(edges, element{r.Uint64(), r.Uint64() >> 1})
	}
	number := func(lo, hi uint64) *big.Int {
		x := new(big.Int).SetUint64(hi)
		return x.Add(x.Lsh(x, 64), new(big.Int).SetUint64(lo))
	}
	same := func(what string, got element, want *big.Int) {
		t.Helper()
		want.Mod(want, prime)
		if x := got.exact(); number(x.lo, x.hi).Cmp(want) != 0 || number(got.lo, got.hi).Cmp(new(big.Int).Add(prime, big.NewInt(1))) > 0 {
			t.Fatalf("%s: %x, want %x", what, got, want)
		}
	}
	for _, a := range edges {
		for _, b := range edges {
			x, y := number(a.lo, a.hi), number(b.lo, b.hi)
			same("sum", a.plus(b), new(big.Int).Add(x, y))
			same("product", a.times(b), new(big.Int).Mul(x, y))
		}
	}
	words := []uint64{0, 1, 1 << 63, 1<<64 - 1, 12345}
	for _, f := range []factor{{}, {1, 0}, {0, 1}, {1<<lowBits - 1, 1<<highBits - 1}, {1<<lowBits - 1, 0}, {0, 1<<highBits - 1}, {12345, 67890}} {
		k := new(big.Int).SetUint64(f.high)
		k.Add(k.Lsh(k, 63), new(big.Int).SetUint64(f.low))
		for _, w := range words {
			want := new(big.Int).Mul(k, new(big.Int).SetUint64(w))
			same("word", f.word(w), want)
			sums := []element{{0, 1 << 63}, {}, {1<<64 - 1, top}}
			x := []int64{int64(w), int64(w), int64(w)}
			addFour(sums, &[4]factor{f, f, f, f}, &[4][]int64{x, x, x, x})
			for i, add := range []int64{1, 0, 0} {
				same("four words", sums[i], new(big.Int).Add(new(big.Int).Mul(want, big.NewInt(4)), big.NewInt(add)))
			}
		}
	}
}

// TestKeyed: another key, another product.
func TestKeyed(t *testing.T) {
	rows := anyRows(rand.New(rand.NewPCG(5, 6)), 3)
	values := valuesOf(columns, rows, true, true)
	other, err := New(bytes.Repeat([]byte{8}, 32), columns)
	if err != nil {
		t.Fatal(err)
	}
	if other.Of(3, values).Bytes() == sumOf(t, columns, values, 3).Bytes() {
		t.Error("the key does not matter")
	}
}

// TestWipe: nothing that comes of the rows or of the key is left of a row group's work but its product.
func TestWipe(t *testing.T) {
	rows := anyRows(rand.New(rand.NewPCG(5, 6)), 100)
	s, err := New(key, columns)
	if err != nil {
		t.Fatal(err)
	}
	w := s.begin(valuesOf(columns, rows, true, true))
	w.block(len(rows))
	cursors := slices.Concat(w.few.columns, w.others)
	if len(w.few.columns) == 0 || len(w.others) == 0 || len(w.few.table) < 2 {
		t.Fatal("the rows do not use all there is")
	}
	out := w.out
	w.wipe()
	left := slices.Concat(w.few.table, w.sums[:])
	for _, c := range cursors {
		left = append(left, c.coded...)
		if c.scratch != [block]int64{} {
			t.Error("a column's words are left")
		}
	}
	if i := slices.IndexFunc(left, func(e element) bool { return e != element{} }); i >= 0 {
		t.Errorf("element %d of %d is left", i, len(left))
	}
	if w.few.at != [block]uint32{} || w.factors != [4]factor{} || w.words[0] != nil {
		t.Error("places, factors or words are left")
	}
	if w.out != out {
		t.Error("the product is gone")
	}
}

func BenchmarkOf(b *testing.B) {
	const n = 122880
	r := rand.New(rand.NewPCG(7, 8))
	columns := []Column{
		{"flag", rowgroup.Text}, {"status", rowgroup.Text}, {"quantity", rowgroup.Decimal}, {"price", rowgroup.Decimal}, {"discount", rowgroup.Decimal},
		{"tax", rowgroup.Decimal}, {"day", rowgroup.Date},
	}
	var rows [][]cell
	for range n {
		rows = append(rows, []cell{
			{text: fmt.Sprint(r.IntN(3))}, {text: fmt.Sprint(r.IntN(2))}, {word: 100 * (1 + r.Uint64N(50))}, {word: r.Uint64N(10000000)}, {word: r.Uint64N(11)},
			{word: r.Uint64N(9)}, {word: 8000 + r.Uint64N(2526)},
		})
	}
	values := valuesOf(columns, rows, true, true)
	s, err := New(key, columns)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Of(n, values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
