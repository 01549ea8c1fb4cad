package pme

import "encoding/binary"

// plainFooter appends the footer of the opened file, with length and tail magic: the schema and the chunks of the opened
// columns only, at their new places, and nothing of encryption.
func (p *Plan) plainFooter(dst []byte, done []placed) ([]byte, error) {
	meta, err := p.plainMeta()
	if err != nil {
		return nil, err
	}
	groups := make([][]byte, len(p.groups))
	per := 0
	if len(groups) > 0 {
		per = len(p.chunks) / len(groups)
	}
	for g := range groups {
		rec, err := p.plainRowGroup(p.groups[g].rec, p.chunks[g*per:(g+1)*per], done[g*per:(g+1)*per])
		if err != nil {
			return nil, err
		}
		groups[g] = appendRecord(nil, rec)
	}
	meta = meta.with(listField(fmRowGroups, wireStruct, groups))
	from := len(dst)
	dst = appendRecord(dst, meta)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(dst)-from))
	return append(dst, magicPlain...), nil
}

// plainMeta is the FileMetaData but for its row groups. Key-value metadata is written about the whole file: where only
// a part is opened it could name what was not granted, or mislead readers about what is there, so it goes.
func (p *Plan) plainMeta() (record, error) {
	meta := p.meta.without(fmAlgorithm, fmSigningKey).
		with(listField(fmSchema, wireStruct, p.schema.prune(p.want)))
	orders, ok, err := meta.list(fmColumnOrders, wireStruct)
	if err != nil || ok && len(orders) != len(p.schema.leaves) {
		return nil, malformed("column orders")
	}
	if ok {
		var keep [][]byte
		for l, o := range orders {
			if p.want[l] {
				keep = append(keep, o)
			}
		}
		meta = meta.with(listField(fmColumnOrders, wireStruct, keep))
	}
	if p.pagesOnly || len(p.want) < len(p.schema.leaves) {
		return meta.without(fmKeyValue), nil
	}
	return withoutBinding(meta)
}

func (p *Plan) plainRowGroup(rec record, chunks []chunk, done []placed) (record, error) {
	cols := make([][]byte, len(chunks))
	var compressed, uncompressed int64
	for i := range chunks {
		cols[i] = appendRecord(nil, plainChunk(&chunks[i], &done[i]))
		compressed += done[i].compressed
		uncompressed += done[i].uncompressed
	}
	out := rec.with(listField(rgColumns, wireStruct, cols), i64Field(rgTotalByteSize, uncompressed), i64Field(rgCompressedSize, compressed))
	if len(chunks) > 0 {
		out = out.with(i64Field(rgFileOffset, done[0].first()))
	}
	if p.pagesOnly {
		return out.without(rgSorting), nil
	}
	return p.plainSorting(out)
}

// plainSorting keeps the leading sorting columns that were opened, under their new ordinals: rows sorted by a, b and c
// are sorted by a, but not by c.
func (p *Plan) plainSorting(rec record) (record, error) {
	items, ok, err := rec.list(rgSorting, wireStruct)
	if err != nil {
		return nil, malformed("sorting columns")
	}
	if !ok {
		return rec, nil
	}
	var keep [][]byte
	for _, it := range items {
		sc, err := wholeRecord(it)
		if err != nil {
			return nil, malformed("sorting columns")
		}
		col, err := sc.size(scColumn, wireI32)
		if err != nil || col >= int64(len(p.schema.leaves)) {
			return nil, malformed("sorting columns")
		}
		if !p.want[int(col)] {
			break
		}
		keep = append(keep, appendRecord(nil, sc.with(i32Field(scColumn, p.newOrdinal(int(col))))))
	}
	if len(keep) == 0 {
		return rec.without(rgSorting), nil
	}
	return rec.with(listField(rgSorting, wireStruct, keep)), nil
}

func (p *Plan) newOrdinal(leaf int) int64 {
	n := int64(0)
	for l := range p.want {
		if l < leaf {
			n++
		}
	}
	return n
}

// first is where the chunk's pages start.
func (d *placed) first() int64 {
	if d.dict > 0 {
		return d.dict
	}
	return d.data
}

// plainChunk is the ColumnChunk of an opened chunk.
func plainChunk(c *chunk, d *placed) record {
	cc := c.rec.without(ccOffsetIndexOffset, ccOffsetIndexLength, ccColumnIndexOffset, ccColumnIndexLength, ccCrypto,
		ccEncryptedMetaData).
		with(i64Field(ccFileOffset, d.first()), structField(ccMetaData, placedMeta(c.meta, d)))
	return placedIndexes(cc, d)
}

// placedMeta is a ColumnMetaData with the places of the chunk's parts in the file that is being written.
func placedMeta(meta record, d *placed) record {
	m := meta.without(cmIndexPageOffset, cmDictPageOffset, cmBloomOffset, cmBloomLength).
		with(i64Field(cmUncompressedSize, d.uncompressed), i64Field(cmCompressedSize, d.compressed), i64Field(cmDataPageOffset, d.data))
	if d.dict > 0 {
		m = m.with(i64Field(cmDictPageOffset, d.dict))
	}
	if d.bloom.Len > 0 {
		m = m.with(i64Field(cmBloomOffset, d.bloom.Off), i32Field(cmBloomLength, d.bloom.Len))
	}
	return m
}

// placedIndexes adds the places of the page indexes to a ColumnChunk.
func placedIndexes(cc record, d *placed) record {
	if d.offsetIndex.Len > 0 {
		cc = cc.with(i64Field(ccOffsetIndexOffset, d.offsetIndex.Off), i32Field(ccOffsetIndexLength, d.offsetIndex.Len))
	}
	if d.columnIndex.Len > 0 {
		cc = cc.with(i64Field(ccColumnIndexOffset, d.columnIndex.Off), i32Field(ccColumnIndexLength, d.columnIndex.Len))
	}
	return cc
}
