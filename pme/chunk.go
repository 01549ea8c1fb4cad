package pme

// chunk is one column chunk: one column in one row group.
type chunk struct {
	at   place
	leaf int
	rec  record  // ColumnChunk
	meta record  // its ColumnMetaData, in clear
	key  *boxKey // nil: the chunk is plain

	pages       Range // dictionary page and data pages
	dict        bool  // the first page is a dictionary page
	values      int64
	columnIndex Range // Len 0: there is none
	offsetIndex Range
	bloom       Range

	out, room int64 // where its area lies in the output, and how long it is at most
	spare     int64 // of the room, for padding
}

// rowGroup is a row group with its column chunks still encoded.
type rowGroup struct {
	rec     record
	columns [][]byte
	rows    int64
}

// parseRowGroups reads the row groups of a FileMetaData. The number of columns and rows must add up.
func parseRowGroups(meta record, columns int) (groups []rowGroup, rows int64, err error) {
	items, ok, err := meta.list(fmRowGroups, wireStruct)
	if err != nil || !ok || len(items) > maxRowGroups {
		return nil, 0, malformed("row groups")
	}
	rows, err = meta.size(fmNumRows, wireI64)
	if err != nil {
		return nil, 0, malformed("number of rows")
	}
	left := rows
	groups = make([]rowGroup, len(items))
	for i, it := range items {
		if groups[i], err = parseRowGroup(it, i); err != nil {
			return nil, 0, err
		}
		if left -= groups[i].rows; left < 0 || len(groups[i].columns) != columns {
			return nil, 0, malformed("row group")
		}
	}
	if left != 0 {
		return nil, 0, malformed("number of rows")
	}
	return groups, rows, nil
}

func parseRowGroup(b []byte, i int) (rowGroup, error) {
	rec, err := wholeRecord(b)
	if err != nil {
		return rowGroup{}, malformed("row group")
	}
	cols, ok, err := rec.list(rgColumns, wireStruct)
	if err != nil || !ok {
		return rowGroup{}, malformed("row group")
	}
	rows, err := rec.size(rgNumRows, wireI64)
	if err != nil {
		return rowGroup{}, malformed("row group")
	}
	if ordinal, ok, err := rec.number(rgOrdinal, wireI16); err != nil || ok && ordinal != int64(i) {
		return rowGroup{}, malformed("row group ordinal")
	}
	return rowGroup{rec: rec, columns: cols, rows: rows}, nil
}

// locate reads from the column metadata where the chunk's parts lie: all of them between the head magic and limit.
func (c *chunk) locate(l leaf, limit int64) error {
	if same, err := c.meta.isStrings(cmPath, l.path); err != nil || !same {
		return malformed("column path")
	}
	var err error
	if typ, err := c.meta.size(cmType, wireI32); err != nil || typ != l.typ {
		return malformed("column type")
	}
	if c.values, err = c.meta.size(cmNumValues, wireI64); err != nil {
		return malformed("column metadata")
	}
	if err := c.locatePages(); err != nil {
		return err
	}
	if err := c.locateIndexes(); err != nil {
		return err
	}
	for _, r := range c.ranges() {
		if r.Off < magicSize || r.Off > limit || r.Len > limit-r.Off {
			return malformed("offset outside the file")
		}
	}
	return nil
}

func (c *chunk) locatePages() error {
	data, err := c.meta.size(cmDataPageOffset, wireI64)
	if err != nil {
		return malformed("column metadata")
	}
	dict, err := c.meta.optional(cmDictPageOffset, wireI64)
	if err != nil {
		return malformed("column metadata")
	}
	n, err := c.meta.size(cmCompressedSize, wireI64)
	if err != nil {
		return malformed("column metadata")
	}
	c.pages = Range{data, n}
	// Some writers put zero where there is no dictionary, and some the offset of the first data page; a chunk without
	// values may have a dictionary and no data page.
	if dict > 0 && (data == 0 || dict < data) {
		c.pages.Off, c.dict = dict, true
		if data-dict > n {
			return malformed("offset of the data pages")
		}
	}
	return nil
}

// pagesOnly forgets all but what is needed to read the pages. What the format may yet add to the metadata goes too.
func (c *chunk) pagesOnly() {
	c.columnIndex, c.offsetIndex, c.bloom = Range{}, Range{}, Range{}
	c.meta = c.meta.keep(cmType, cmEncodings, cmPath, cmCodec, cmNumValues, cmUncompressedSize, cmCompressedSize, cmDataPageOffset, cmDictPageOffset)
}

func (c *chunk) locateIndexes() error {
	var err error
	if c.columnIndex, err = part(c.rec, ccColumnIndexOffset, ccColumnIndexLength); err != nil {
		return err
	}
	if c.offsetIndex, err = part(c.rec, ccOffsetIndexOffset, ccOffsetIndexLength); err != nil {
		return err
	}
	// Writers before format version 2.10 leave the length out. Without it the range is unknown; a bloom filter only
	// ever saves work, so it is left behind then.
	c.bloom, err = part(c.meta, cmBloomOffset, cmBloomLength)
	return err
}

// part reads an offset and a length; both must be there and positive, or the part is not there.
func part(r record, off, n int16) (Range, error) {
	o, err := r.optional(off, wireI64)
	if err != nil {
		return Range{}, malformed("offset")
	}
	l, err := r.optional(n, wireI32)
	if err != nil {
		return Range{}, malformed("offset")
	}
	if o == 0 || l == 0 {
		return Range{}, nil
	}
	return Range{o, l}, nil
}

// mostPadding bounds what is added to headers, so that a file of many small pages does not get several times as long: an eighth of the
// pages, and that of paddedPages pages.
func (c *chunk) mostPadding(headerRoom int64) int64 {
	return min(c.mostPages()*headerRoom, c.pages.Len/8+paddedPages*headerRoom)
}

// mostPages is how many pages of this key the chunk has room for, dictionary included.
func (c *chunk) mostPages() int64 { return min(c.pages.Len/(gcmOverhead+ctrOverhead), maxPages+1) }

// ranges lists the parts of the source that belong to the chunk.
func (c *chunk) ranges() []Range {
	out := make([]Range, 0, 4)
	for _, r := range [...]Range{c.pages, c.bloom, c.columnIndex, c.offsetIndex} {
		if r.Len > 0 {
			out = append(out, r)
		}
	}
	return out
}

// protection is what the format does to one column chunk.
type protection int

const (
	plainColumn protection = iota
	footerKeyed
	columnKeyed
)

// protectionOf reads the crypto metadata of a ColumnChunk. The path in it must be the column's.
func protectionOf(cc record, l leaf) (protection, error) {
	var room [2]field
	union, ok, err := cc.nestedIn(room[:0], ccCrypto)
	if err != nil {
		return 0, malformed("crypto metadata")
	}
	if !ok {
		return plainColumn, nil
	}
	if len(union) != 1 {
		return 0, malformed("crypto metadata")
	}
	switch union[0].id {
	case cryptoFooterKey:
		return footerKeyed, nil
	case cryptoColumnKey:
		var room [2]field
		ck, _, err := union.nestedIn(room[:0], cryptoColumnKey)
		if err != nil {
			return 0, malformed("crypto metadata")
		}
		if same, err := ck.isStrings(ckPath, l.path); err != nil || !same {
			return 0, malformed("crypto metadata")
		}
		return columnKeyed, nil
	}
	return 0, unsupported("crypto metadata")
}

// columnChunk parses the record of a chunk into dst. Data in other files is not followed.
func columnChunk(dst record, b []byte) (record, error) {
	cc, err := wholeRecordIn(dst, b)
	if err != nil {
		return nil, malformed("column chunk")
	}
	if cc.has(ccFilePath) {
		return nil, unsupported("data in another file")
	}
	return cc, nil
}
