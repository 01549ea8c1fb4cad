package pme

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
)

// SealOptions say how to seal a plain file.
type SealOptions struct {
	// Keys: the footer's and one for each column of the file, no more, no two alike. Required.
	Keys Keys
	// AADPrefix binds the file to what it is (data set, version, file number). It is not stored. Required.
	AADPrefix []byte
	// Workers is how many column chunks are encrypted, and held in memory, at once. Default: GOMAXPROCS.
	Workers int
	// Layout puts a Layout before the footer: in clear, how many columns and row groups there are, and where. Default: none.
	Layout bool
}

// Sealed describes a sealed file that was written.
type Sealed struct {
	// Size of the sealed file, and of its footer with crypto metadata, length and magic.
	Size, FooterSize int64
	// Rows and RowGroups of the file.
	Rows      int64
	RowGroups int
	// Columns in schema order.
	Columns []SealedColumn
}

// SealedColumn is one column of a sealed file.
type SealedColumn struct {
	// Path is the dotted path in the schema.
	Path string
	// Bytes of the column's pages and indexes in the plain file, and SealedBytes of the same in the sealed one.
	Bytes, SealedBytes int64
	// Physical and Logical name the column's Parquet types; Logical may be empty.
	Physical, Logical string
}

// footerKeyName is the key metadata of the footer key in files that Seal writes. A column's is its dotted path.
const footerKeyName = "footer"

// fileUniqueSize is the length of the random file identifier.
const fileUniqueSize = 16

// Seal encrypts a plain Parquet file: AES_GCM_V1, encrypted footer, every column under its own key, the AAD prefix
// supplied and not stored, names as key metadata. The file must not change meanwhile. On failure what dst received has no
// footer and must be discarded.
func Seal(ctx context.Context, src io.ReaderAt, size int64, dst io.Writer, opt SealOptions) (*Sealed, error) {
	s, err := newSealer(src, size, opt)
	if err != nil {
		return nil, err
	}
	s.out = &counted{w: dst}
	steps := []func(context.Context) error{s.writeHead, s.writeChunks, s.writeParts, s.writeLayout, s.writeFooter}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s.summary(), nil
}

// PlainColumns lists the columns of a plain Parquet file in schema order: the paths for which Seal needs keys.
func PlainColumns(src io.ReaderAt, size int64) ([]string, error) {
	_, sc, err := readPlain(src, size)
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(sc.leaves))
	for i, l := range sc.leaves {
		paths[i] = l.dotted
	}
	return paths, nil
}

// readPlain reads the footer of a plain file.
func readPlain(src io.ReaderAt, size int64) (*tail, *schema, error) {
	end, err := readTail(src, size)
	if err != nil {
		return nil, nil, err
	}
	t, err := splitTail(end, size)
	if err != nil {
		return nil, nil, err
	}
	if t.algorithm != nil {
		return nil, nil, ErrAlreadyEncrypted
	}
	if len(t.signature) > 0 {
		return nil, nil, malformed("footer")
	}
	head, err := readRange(src, Range{0, magicSize})
	if err != nil {
		return nil, nil, err
	}
	if string(head) != magicPlain {
		return nil, nil, malformed("head of the file")
	}
	sc, err := parseSchema(t.meta)
	return t, sc, err
}

// sealer writes one sealed file.
type sealer struct {
	src     io.ReaderAt
	tail    *tail
	schema  *schema
	groups  []rowGroup
	rows    int64
	chunks  []chunk // all of them, row group by row group
	parts   []sealedParts
	done    []placed
	aad     fileAAD
	unique  []byte
	foot    *boxKey
	workers int
	out     *counted
	footer  int64 // size of the footer
	layout  bool
}

func newSealer(src io.ReaderAt, size int64, opt SealOptions) (*sealer, error) {
	if err := opt.valid(); err != nil {
		return nil, err
	}
	s := &sealer{src: src, workers: workers(opt.Workers), layout: opt.Layout}
	var err error
	if s.tail, s.schema, err = readPlain(src, size); err != nil {
		return nil, err
	}
	if s.groups, s.rows, err = parseRowGroups(s.tail.meta, len(s.schema.leaves)); err != nil {
		return nil, err
	}
	keys, err := s.expandKeys(opt.Keys)
	if err != nil {
		return nil, err
	}
	s.unique = make([]byte, fileUniqueSize)
	rand.Read(s.unique) // never fails
	s.aad = append(append([]byte(nil), opt.AADPrefix...), s.unique...)
	return s, s.locateChunks(keys)
}

func (o *SealOptions) valid() error {
	switch {
	case o.Workers < 0 || o.Workers > maxWorkers:
		return &partError{"workers", ErrOptions}
	case len(o.AADPrefix) == 0:
		return &partError{"no AAD prefix", ErrOptions}
	case len(o.AADPrefix) > maxAADPart:
		return &partError{"AAD prefix is too long", ErrOptions}
	}
	return nil
}

// expandKeys checks that there is exactly one key for each column and one for the footer, no two alike.
func (s *sealer) expandKeys(keys Keys) ([]*boxKey, error) {
	if len(keys.Footer) == 0 {
		return nil, inColumn("footer", ErrMissingKey)
	}
	seen := map[string]bool{string(keys.Footer): true}
	var err error
	if s.foot, err = newBoxKey(keys.Footer); err != nil {
		return nil, inColumn("footer", err)
	}
	out := make([]*boxKey, len(s.schema.leaves))
	for i, l := range s.schema.leaves {
		key := keys.Columns[l.dotted]
		if len(key) == 0 {
			return nil, inColumn(l.dotted, ErrMissingKey)
		}
		if seen[string(key)] {
			return nil, inColumn(l.dotted, &partError{"the same as another", ErrKey})
		}
		seen[string(key)] = true
		if out[i], err = newBoxKey(key); err != nil {
			return nil, inColumn(l.dotted, err)
		}
	}
	for path := range keys.Columns {
		if i, ok := s.schema.byPath[path]; !ok || s.schema.nodes[i].leaf < 0 {
			return nil, inColumn(path, &partError{"no such column", ErrKey})
		}
	}
	return out, nil
}

func (s *sealer) locateChunks(keys []*boxKey) error {
	for g := range s.groups {
		for l, lf := range s.schema.leaves {
			c, err := s.locateChunk(g, l)
			if err != nil {
				return inColumn(lf.dotted, err)
			}
			c.key = keys[l]
			s.chunks = append(s.chunks, c)
		}
	}
	s.parts = make([]sealedParts, len(s.chunks))
	s.done = make([]placed, len(s.chunks))
	_, err := rangesOf(s.chunks)
	return err
}

func (s *sealer) locateChunk(g, l int) (chunk, error) {
	c := chunk{at: place{int16(g), int16(l)}, leaf: l}
	var err error
	if c.rec, err = columnChunk(s.groups[g].columns[l]); err != nil {
		return c, err
	}
	if c.rec.has(ccCrypto) || c.rec.has(ccEncryptedMetaData) {
		return c, ErrAlreadyEncrypted
	}
	var ok bool
	if c.meta, ok, err = c.rec.nested(ccMetaData); err != nil || !ok {
		return c, malformed("column metadata")
	}
	return c, c.locate(s.schema.leaves[l], s.tail.start)
}

func (s *sealer) summary() *Sealed {
	res := &Sealed{Size: s.out.n, FooterSize: s.footer, Rows: s.rows, RowGroups: len(s.groups)}
	for _, l := range s.schema.leaves {
		res.Columns = append(res.Columns, SealedColumn{Path: l.dotted, Physical: l.physical, Logical: l.logical})
	}
	for i := range s.chunks {
		c, d := &s.chunks[i], &s.done[i]
		col := &res.Columns[c.leaf]
		for _, r := range c.ranges() {
			col.Bytes += r.Len
		}
		col.SealedBytes += d.compressed + d.bloom.Len + d.columnIndex.Len + d.offsetIndex.Len
	}
	return res
}

// counted counts what was written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) write(b []byte) error {
	n, err := c.w.Write(b)
	c.n += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return errors.Join(ErrWrite, err)
	}
	return nil
}
