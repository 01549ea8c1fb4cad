package rowgroup

import (
	"math"
	"unsafe"
)

// Bounds of dictionaries. Whole numbers past so many are smaller and as quick to read as differences.
const (
	maxIntDict   = 1 << 12
	maxTextDict  = 1 << 16
	maxDictBytes = 1 << 20
	tryText      = 1 << 13 // texts that may all differ before a dictionary is given up
	tableRange   = 1 << 16 // whole numbers this near to each other are looked up in a table
)

// dictionary is what a column's dictionary page and its codes are made of. Its buffers are kept from one to the next.
type dictionary struct {
	codes []int32
	ints  []int64 // values, by code
	texts Strings // the same for texts

	table   []int32
	numbers map[int64]int32
	words   map[string]int32
}

// ofInts codes whole numbers; false if there are too many different ones.
func (d *dictionary) ofInts(v []int64, r Range) bool {
	d.codes, d.ints = d.codes[:0], d.ints[:0]
	if span := uint64(r.Max) - uint64(r.Min); span < tableRange {
		return d.byTable(v, r.Min, int(span)+1)
	}
	if d.numbers == nil {
		d.numbers = map[int64]int32{}
	}
	clear(d.numbers)
	for _, x := range v {
		code, ok := d.numbers[x]
		if !ok {
			if len(d.ints) == maxIntDict {
				return false
			}
			code = int32(len(d.ints))
			d.numbers[x], d.ints = code, append(d.ints, x)
		}
		d.codes = append(d.codes, code)
	}
	return true
}

// byTable holds code+1 for each value between the least and the greatest.
func (d *dictionary) byTable(v []int64, least int64, span int) bool {
	if cap(d.table) < span {
		d.table = make([]int32, tableRange)
	}
	table := d.table[:span]
	clear(table)
	for _, x := range v {
		code := table[x-least]
		if code == 0 {
			if len(d.ints) == maxIntDict {
				return false
			}
			d.ints = append(d.ints, x)
			code = int32(len(d.ints))
			table[x-least] = code
		}
		d.codes = append(d.codes, code-1)
	}
	return true
}

// ofDoubles codes them by their bits, kept in ints.
func (d *dictionary) ofDoubles(v []float64, scratch []int64) bool {
	for _, x := range v {
		scratch = append(scratch, int64(math.Float64bits(x)))
	}
	return d.ofInts(scratch, Range{math.MinInt64, math.MaxInt64})
}

// ofTexts codes texts; false if most are different or the dictionary becomes large.
func (d *dictionary) ofTexts(s *Strings) bool {
	d.codes, d.texts = d.codes[:0], Strings{d.texts.Bytes[:0], d.texts.Ends[:0]}
	if d.words == nil {
		d.words = map[string]int32{}
	}
	defer clear(d.words) // its keys are views of s, whose bytes are used again
	from := 0
	for i, end := range s.Ends {
		word := view(s.Bytes[from:end])
		from = end
		code, ok := d.words[word]
		if !ok {
			n := d.texts.Len()
			if n == maxTextDict || n >= tryText && 2*n > i || len(d.texts.Bytes)+len(word) > maxDictBytes {
				return false
			}
			code = int32(n)
			d.words[word] = code // a view: good as long as s is
			d.texts.Append(word)
		}
		d.codes = append(d.codes, code)
	}
	return true
}

// view is bytes as text without a copy, for as long as they stay as they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
