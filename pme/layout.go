package pme

import (
	"encoding/binary"
	"io"
	"math"
)

// Layout says where the pages of every column chunk lie, in clear: a hint, for fetching them before the footer can be opened. Nothing
// authenticates it. What is fetched by it counts only where the footer says the same.
type Layout struct {
	columns int
	chunks  []Range // row group by row group, each within the file and behind the one before
}

// layoutMagic ends a layout, right before the footer.
const layoutMagic = "cordlay1"

const (
	layoutTrailer = 4 + len(layoutMagic)
	maxLayout     = 64 << 20
)

// writeLayout writes the layout, where it is wanted: spec, section 2, "The layout".
func (s *Sealer) writeLayout() error {
	if !s.opt.Layout {
		return nil
	}
	b := binary.AppendUvarint(nil, uint64(len(s.schema.leaves)))
	end := int64(magicSize)
	for i := range s.done {
		d := &s.done[i]
		off := max(end, d.first()) // a chunk without pages is nowhere
		b = binary.AppendUvarint(b, uint64(off-end))
		b = binary.AppendUvarint(b, uint64(d.compressed))
		end = off + d.compressed
	}
	if len(b) > maxLayout {
		return nil // a file does without
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	return s.out.write(append(b, layoutMagic...))
}

// TailRange says where footer and layout lie together, from the last bytes of a file of this size: at least where they begin if the
// layout is as small as Seal makes it.
func TailRange(end []byte, size int64) (Range, error) {
	r, err := footerRange(end, size)
	if err != nil {
		return Range{}, err
	}
	const entries = 8 // a chunk takes a footer more than eight times what it takes a layout
	off := max(0, r.Off-r.Len/entries-firstLayout)
	return Range{Off: off, Len: size - off}, nil
}

// firstLayout is room for the layout of a small file.
const firstLayout = 1 << 10

// ReadLayout takes the layout from the last bytes of a file of this size; nil where there is none, or not all of it, or it is not a
// layout of such a file.
func ReadLayout(tail []byte, size int64) *Layout {
	r, err := footerRange(tail, size)
	start := int64(len(tail)) - r.Len // of the footer, in tail
	if err != nil || start < int64(layoutTrailer) || int64(len(tail)) > size {
		return nil
	}
	rest, trailer := tail[:start-int64(layoutTrailer)], tail[start-int64(layoutTrailer):start]
	n := int(binary.LittleEndian.Uint32(trailer))
	if string(trailer[4:]) != layoutMagic || n > len(rest) || n > maxLayout {
		return nil
	}
	return parseLayout(rest[len(rest)-n:], r.Off)
}

// layoutIn is the layout of a file whose footer starts there, and where it starts; nil and the footer's start if there is none.
func layoutIn(src io.ReaderAt, footer int64) (*Layout, int64, error) {
	const trailer = int64(layoutTrailer)
	if footer < magicSize+trailer {
		return nil, footer, nil
	}
	end, err := readRange(src, Range{footer - trailer, trailer})
	if err != nil {
		return nil, 0, err
	}
	n := int64(binary.LittleEndian.Uint32(end))
	start := footer - trailer - n
	if string(end[4:]) != layoutMagic || n > maxLayout || start < magicSize {
		return nil, footer, nil
	}
	b, err := readRange(src, Range{start, n})
	if err != nil {
		return nil, 0, err
	}
	if l := parseLayout(b, footer); l != nil {
		return l, start, nil
	}
	return nil, footer, nil
}

// parseLayout reads the layout of a file whose footer starts there.
func parseLayout(b []byte, footer int64) *Layout {
	next := func() (int64, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > math.MaxInt64 {
			return 0, false
		}
		b = b[n:]
		return int64(v), true
	}
	columns, ok := next()
	if !ok || columns < 1 || columns > maxColumns {
		return nil
	}
	l := &Layout{columns: int(columns)}
	for end := int64(magicSize); len(b) > 0; {
		gap, ok1 := next()
		length, ok2 := next()
		if !ok1 || !ok2 || gap > footer-end || length > footer-end-gap {
			return nil
		}
		l.chunks = append(l.chunks, Range{end + gap, length})
		end += gap + length
	}
	if len(l.chunks)%l.columns != 0 {
		return nil
	}
	return l
}

// Columns is how many columns the layout is of.
func (l *Layout) Columns() int { return l.columns }

// Ranges are the head magic and where the pages of some columns lie, by their places in the schema: what Plan.Ranges is with PagesOnly.
func (l *Layout) Ranges(columns []int) []Range {
	want := make([]bool, l.columns)
	for _, c := range columns {
		if c >= 0 && c < l.columns {
			want[c] = true
		}
	}
	out := []Range{{0, magicSize}}
	for i, r := range l.chunks {
		if !want[i%l.columns] || r.Len == 0 {
			continue
		}
		if last := &out[len(out)-1]; last.Off+last.Len == r.Off {
			last.Len += r.Len
			continue
		}
		out = append(out, r)
	}
	return out
}
