package rowgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// pageBytes is where a page of texts ends: large enough that what is done for each page costs nothing, and small enough
	// to be taken apart in a core's cache.
	pageBytes = 1 << 20
	// maxStatistic is the longest text that is kept as least or greatest of its column chunk.
	maxStatistic = 64
)

// Group is one encoded row group: a file's magic, its column chunks one behind the other, and where each lies in a file of this row
// group alone. The zero value can be encoded into, again and again: it keeps its memory.
type Group struct {
	Rows   int
	bytes  []byte
	chunks []format.ColumnChunk
}

// Size is how many bytes the encoded row group takes, without a footer.
func (g *Group) Size() int { return len(g.bytes) - len(magic) }

// Wipe overwrites what was encoded.
func (g *Group) Wipe() { clear(g.bytes[:cap(g.bytes)]) }

// Encoder encodes row groups of one table. It keeps its buffers, and is not for concurrent use.
type Encoder struct {
	columns []Column
	zstd    *zstd.Encoder
	dict    dictionary
	raw     []byte // a page before compression
	packed  []byte // what is written at once, and after
	levels  []int32
	scratch []int64
}

// NewEncoder makes one for a table's columns.
func NewEncoder(columns []Column) (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	return &Encoder{columns: columns, zstd: z}, nil
}

// Wipe overwrites the values that are left in buffers.
func (e *Encoder) Wipe() {
	clear(e.raw[:cap(e.raw)])
	clear(e.packed[:cap(e.packed)])
	clear(e.dict.texts.Bytes[:cap(e.dict.texts.Bytes)])
	clear(e.dict.ints[:cap(e.dict.ints)])
	clear(e.scratch[:cap(e.scratch)])
}

// Encode encodes one row group into g, whose memory is used again. There is one Values for each column, of as many rows.
func (e *Encoder) Encode(g *Group, values []*Values) error {
	if len(values) != len(e.columns) || len(values) == 0 {
		return errors.New("rowgroup: a row group has other columns than its table")
	}
	*g = Group{Rows: values[0].Rows, bytes: append(g.bytes[:0], magic...), chunks: make([]format.ColumnChunk, 0, len(values))}
	for i, v := range values {
		c := chunk{e: e, column: &e.columns[i], values: v, group: g, codec: format.Zstd}
		if err := c.encode(); err != nil {
			return fmt.Errorf("rowgroup: column %s: %w", e.columns[i].Name, err)
		}
	}
	return nil
}

// chunk is one column chunk in the making.
type chunk struct {
	e      *Encoder
	column *Column
	values *Values
	group  *Group

	start        int
	data         int // where its data pages begin
	began        bool
	codec        format.CompressionCodec
	uncompressed int64
	encodings    []format.Encoding
	stats        format.Statistics
}

func (c *chunk) encode() error {
	v := c.values
	n, nulls := v.Count(c.column.Kind), 0
	for _, there := range v.Present {
		if !there {
			nulls++
		}
	}
	if v.Rows != c.group.Rows || n+nulls != v.Rows || v.Present != nil && len(v.Present) != v.Rows || nulls > 0 && !c.column.Nullable {
		return errors.New("values do not fill the rows")
	}
	c.start, c.stats.NullCount = len(c.group.bytes), int64(nulls)
	if err := c.pages(n); err != nil {
		return err
	}
	c.group.chunks = append(c.group.chunks, c.meta())
	return nil
}

func (c *chunk) meta() format.ColumnChunk {
	m := format.ColumnMetaData{
		Type: c.column.physical(), Encoding: append(c.encodings, format.RLE), PathInSchema: []string{c.column.Name}, Codec: c.codec,
		NumValues: int64(c.values.Rows), TotalUncompressedSize: c.uncompressed, TotalCompressedSize: int64(len(c.group.bytes) - c.start),
		DataPageOffset: int64(c.data), Statistics: c.stats,
	}
	if c.data > c.start {
		m.DictionaryPageOffset = int64(c.start)
	}
	return format.ColumnChunk{MetaData: m}
}

// pages chooses the encoding.
func (c *chunk) pages(n int) error {
	v := c.values
	switch c.column.Kind {
	case Boolean:
		return c.booleans()
	case Double:
		c.doubleStats()
		if n > 0 && c.e.dict.ofDoubles(v.Doubles, c.e.scratch[:0]) {
			return c.coded(c.e.dict.codes, appendWide(nil, c.e.dict.ints, false), len(c.e.dict.ints))
		}
		return c.page(format.Plain, v.Rows, v.Present, func(b []byte) []byte {
			for _, x := range v.Doubles {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x))
			}
			return b
		})
	case Text:
		return c.texts(n)
	}
	return c.integers()
}

func (c *chunk) integers() error {
	v := c.values
	r := v.Range
	if r == nil {
		r = RangeOf(v.Ints)
	}
	narrow := c.column.narrow()
	if r != nil {
		c.stats.MinValue, c.stats.MaxValue = appendWide(nil, []int64{r.Min}, narrow), appendWide(nil, []int64{r.Max}, narrow)
		if c.e.dict.ofInts(v.Ints, *r) {
			return c.coded(c.e.dict.codes, appendWide(nil, c.e.dict.ints, narrow), len(c.e.dict.ints))
		}
	}
	return c.page(format.DeltaBinaryPacked, v.Rows, v.Present, func(b []byte) []byte { return appendDelta(b, v.Ints, narrow) })
}

// appendWide writes integers in 4 or 8 bytes.
func appendWide(dst []byte, v []int64, narrow bool) []byte {
	for _, x := range v {
		if narrow {
			dst = binary.LittleEndian.AppendUint32(dst, uint32(x))
		} else {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(x))
		}
	}
	return dst
}

func (c *chunk) booleans() error {
	v := c.values
	all, some := true, false
	for _, b := range v.Bools {
		all, some = all && b, some || b
	}
	if len(v.Bools) > 0 {
		c.stats.MinValue, c.stats.MaxValue = []byte{truth(all)}, []byte{truth(some)}
	}
	return c.page(format.Plain, v.Rows, v.Present, func(b []byte) []byte {
		p := packer{dst: b}
		for _, x := range v.Bools {
			p.put(uint64(truth(x)), 1)
		}
		p.flush()
		return p.dst
	})
}

func truth(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// doubleStats leaves zeros out of it: readers may take a bound of 0 for -0 or the other way round.
func (c *chunk) doubleStats() {
	v := c.values.Doubles
	if len(v) == 0 {
		return
	}
	lo, hi := v[0], v[0]
	for _, x := range v {
		lo, hi = min(lo, x), max(hi, x)
	}
	if lo != 0 && hi != 0 {
		c.stats.MinValue = binary.LittleEndian.AppendUint64(nil, math.Float64bits(lo))
		c.stats.MaxValue = binary.LittleEndian.AppendUint64(nil, math.Float64bits(hi))
	}
}

func (c *chunk) texts(n int) error {
	v, d := c.values, &c.e.dict
	words, codes := &v.Dict, v.Codes
	if words.Len() == 0 {
		if n == 0 || !d.ofTexts(&v.Text) {
			c.textStats(&v.Text)
			return c.lengths()
		}
		words, codes = &d.texts, d.codes
	}
	c.textStats(words)
	var page []byte
	for i := range words.Len() {
		page = appendText(page, words.At(i))
	}
	return c.coded(codes, page, words.Len())
}

func appendText(dst, text []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(text))), text...)
}

func (c *chunk) textStats(s *Strings) {
	if s.Len() == 0 {
		return
	}
	lo, hi := s.At(0), s.At(0)
	for i := range s.Len() {
		switch x := s.At(i); {
		case string(x) < string(lo):
			lo = x
		case string(x) > string(hi):
			hi = x
		}
	}
	if len(lo) <= maxStatistic && len(hi) <= maxStatistic {
		c.stats.MinValue, c.stats.MaxValue = append([]byte(nil), lo...), append([]byte(nil), hi...)
	}
}

// lengths writes texts that no dictionary fits, as many to a page as fill it.
func (c *chunk) lengths() error {
	v := c.values
	rows, at := 0, 0 // of the page's first
	for {
		first, from := rows, at
		start := 0
		if at > 0 {
			start = v.Text.Ends[at-1]
		}
		for rows < v.Rows {
			if v.Present == nil || v.Present[rows] {
				if at > from && v.Text.Ends[at]-start > pageBytes {
					break
				}
				at++
			}
			rows++
		}
		var present []bool
		if v.Present != nil {
			present = v.Present[first:rows]
		}
		err := c.page(textEncoding, rows-first, present, func(b []byte) []byte {
			return c.appendTexts(b, v.Text.Ends[from:at], start)
		})
		if err != nil || rows == v.Rows {
			return err
		}
	}
}

// textEncoding of texts that no dictionary fits: all lengths, then all bytes.
const textEncoding = format.DeltaLengthByteArray

func (c *chunk) appendTexts(b []byte, ends []int, start int) []byte {
	lengths, last := c.e.scratch[:0], start
	for _, end := range ends {
		lengths = append(lengths, int64(end-last))
		last = end
	}
	c.e.scratch = lengths
	return append(appendDelta(b, lengths, true), c.values.Text.Bytes[start:last]...)
}

// coded writes a dictionary page and one data page of codes.
func (c *chunk) coded(codes []int32, dictionary []byte, n int) error {
	first := page{raw: dictionary, header: format.PageHeader{
		Type:                 format.DictionaryPage,
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(n), Encoding: format.Plain}),
	}}
	c.encodings = append(c.encodings, format.Plain)
	width := max(1, bits.Len(uint(n-1)))
	return c.write(first, c.dataPage(format.RLEDictionary, c.values.Rows, c.values.Present, func(b []byte) []byte {
		return appendHybrid(append(b, byte(width)), codes, width)
	}))
}

// page is one before compression.
type page struct {
	header format.PageHeader // without its sizes
	raw    []byte
}

// page writes a data page: levels where the column has NULL, and what values appends.
func (c *chunk) page(enc format.Encoding, rows int, present []bool, values func([]byte) []byte) error {
	return c.write(c.dataPage(enc, rows, present, values))
}

// dataPage makes one in the encoder's buffer.
func (c *chunk) dataPage(enc format.Encoding, rows int, present []bool, values func([]byte) []byte) page {
	if len(c.encodings) == 0 || c.encodings[len(c.encodings)-1] != enc {
		c.encodings = append(c.encodings, enc)
	}
	raw, nulls := c.e.raw[:0], int64(0)
	if c.column.Nullable {
		raw, nulls = c.appendLevels(raw, rows, present)
	}
	raw = values(raw)
	c.e.raw = raw
	return page{raw: raw, header: format.PageHeader{
		Type: format.DataPage,
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: int32(rows), Encoding: enc, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
			Statistics: format.Statistics{NullCount: nulls},
		}),
	}}
}

// appendLevels writes a level for each row, their length in front: 1 where there is a value.
func (c *chunk) appendLevels(dst []byte, rows int, present []bool) ([]byte, int64) {
	dst = append(dst, 0, 0, 0, 0)
	from, nulls := len(dst), int64(0)
	if present == nil {
		dst = append(binary.AppendUvarint(dst, uint64(rows)<<1), 1)
	} else {
		levels := c.e.levels[:0]
		for _, there := range present {
			levels = append(levels, int32(truth(there)))
			nulls += int64(1 - truth(there))
		}
		c.e.levels = levels
		dst = appendHybrid(dst, levels, 1)
	}
	binary.LittleEndian.PutUint32(dst[from-4:], uint32(len(dst)-from))
	return dst, nulls
}

// write puts pages behind their headers. It chooses the codec with the first that it writes: a chunk has one.
func (c *chunk) write(pages ...page) error {
	var ends []int
	packed, size := c.e.packed[:0], 0
	for _, p := range pages {
		packed = c.e.zstd.EncodeAll(p.raw, packed)
		ends, size = append(ends, len(packed)), size+len(p.raw)
	}
	c.e.packed = packed
	if len(c.group.bytes) == c.start && !c.worthPacking(size, len(packed)) {
		c.codec = format.Uncompressed
	}
	from := 0
	for i, p := range pages {
		body := packed[from:ends[i]]
		if from = ends[i]; c.codec == format.Uncompressed {
			body = p.raw
		}
		if err := c.put(&p.header, body, len(p.raw)); err != nil {
			return err
		}
	}
	return nil
}

// worthPacking says whether zstd takes enough off whole numbers and codes for what it costs each reader (decision 065). Differences are
// packed in as few bits as the widest of 32 needs: what is left in those few bits is little, and slow to get. Texts are always packed.
func (c *chunk) worthPacking(raw, packed int) bool {
	saved := raw - packed
	switch c.encodings[len(c.encodings)-1] {
	case textEncoding:
		return true
	case format.DeltaBinaryPacked:
		return packed <= raw/leastRatio || saved > c.values.Rows/2
	}
	return saved > raw/leastShare
}

const (
	leastRatio = 8  // of differences: what shrinks so much is also unpacked in no time
	leastShare = 16 // of other pages
)

// put writes a page behind its header.
func (c *chunk) put(h *format.PageHeader, body []byte, raw int) error {
	if raw > math.MaxInt32 || len(body) > math.MaxInt32 {
		return errors.New("a page is too large")
	}
	if h.Type == format.DataPage && !c.began {
		c.data, c.began = len(c.group.bytes), true
	}
	h.UncompressedPageSize, h.CompressedPageSize = int32(raw), int32(len(body))
	header, err := thrift.Marshal(new(thrift.CompactProtocol), h)
	if err != nil {
		return err
	}
	c.group.bytes = append(append(c.group.bytes, header...), body...)
	c.uncompressed += int64(len(header) + raw)
	return nil
}
