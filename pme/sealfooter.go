package pme

import (
	"encoding/binary"
	"math"
)

// writeFooter writes crypto metadata, the footer's module, their length and the magic.
func (s *Sealer) writeFooter() error {
	crypto := appendRecord(nil, record{
		structField(fcAlgorithm, record{structField(algGCM, record{
			binaryField(aesFileUnique, s.unique),
			boolField(aesSupplyPrefix, true),
		})}),
		binaryField(fcKeyMetadata, []byte(footerKeyName)),
	})
	meta, err := s.sealedMeta(crypto)
	if err != nil {
		return err
	}
	b := s.foot.seal(crypto, appendRecord(nil, meta), s.aad.footer())
	if len(b) > maxFooter || len(b) > math.MaxInt32 {
		return unsupported("size of the footer")
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	b = append(b, magicEncrypted...)
	s.footer = int64(len(b))
	return s.out.write(b)
}

// sealedMeta is the FileMetaData of the sealed file: the plain file's, with its chunks sealed and the binding added.
func (s *Sealer) sealedMeta(crypto []byte) (record, error) {
	groups := make([][]byte, len(s.groups))
	per := len(s.schema.leaves)
	for g := range groups {
		groups[g] = appendRecord(nil, s.sealedRowGroup(g, g*per, (g+1)*per))
	}
	meta, err := withoutBinding(s.first.meta)
	if err != nil {
		return nil, err
	}
	pairs, _, err := meta.list(fmKeyValue, wireStruct)
	if err != nil {
		return nil, malformed("key-value metadata")
	}
	pairs = append(pairs, appendRecord(nil, record{
		binaryField(kvKey, []byte(bindingKey)),
		binaryField(kvValue, bindingValue(s.out.n, crypto)),
	}))
	return meta.without(fmAlgorithm, fmSigningKey).
		with(i64Field(fmNumRows, s.rows)).
		with(listField(fmRowGroups, wireStruct, groups)).
		with(listField(fmKeyValue, wireStruct, pairs)), nil
}

func (s *Sealer) sealedRowGroup(g, from, to int) record {
	var cols [][]byte
	var compressed, uncompressed int64
	for i := from; i < to; i++ {
		cols = append(cols, appendRecord(nil, s.sealedColumnChunk(i)))
		compressed += s.done[i].compressed
		uncompressed += s.done[i].uncompressed
	}
	return s.groups[g].rec.
		with(listField(rgColumns, wireStruct, cols)).
		with(i64Field(rgTotalByteSize, uncompressed)).
		with(i64Field(rgFileOffset, s.done[from].first())).
		with(i64Field(rgCompressedSize, compressed)).
		with(i16Field(rgOrdinal, int64(g)))
}

// sealedColumnChunk keeps nothing of the column in the footer but where its parts are: its metadata, statistics
// included, is encrypted under the column's key.
func (s *Sealer) sealedColumnChunk(i int) record {
	c, d := &s.chunks[i], &s.done[i]
	l := s.schema.leaves[c.leaf]
	path := make([][]byte, len(l.path))
	for j, name := range l.path {
		path[j] = binaryValue([]byte(name))
	}
	meta := appendRecord(nil, placedMeta(c.meta, d))
	cc := c.rec.without(ccMetaData, ccOffsetIndexOffset, ccOffsetIndexLength, ccColumnIndexOffset, ccColumnIndexLength).
		with(i64Field(ccFileOffset, d.first())).
		with(structField(ccCrypto, record{structField(cryptoColumnKey, record{
			listField(ckPath, wireBinary, path),
			binaryField(ckKeyMetadata, []byte(l.dotted)),
		})})).
		with(binaryField(ccEncryptedMetaData, c.key.seal(nil, meta, s.aad.module(nil, columnMetaModule, c.at))))
	return placedIndexes(cc, d)
}
