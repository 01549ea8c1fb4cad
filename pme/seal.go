package pme

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"math"
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
	s, err := NewSealer(dst, opt)
	if err != nil {
		return nil, err
	}
	if err := s.Append(ctx, src, size); err != nil {
		return nil, err
	}
	return s.Close()
}

// Sealer seals the row groups of several plain files of one schema into one sealed file, as they come: of each it keeps
// what the footer and the indexes need. After an error it takes nothing more, and what dst received must be discarded. It is
// not for concurrent use.
type Sealer struct {
	opt    SealOptions
	out    *counted
	unique []byte
	aad    fileAAD

	first   *tail // of the first file: what the footer says beside its row groups
	schema  *schema
	foot    *boxKey
	keys    []*boxKey
	sealers []chunkSealer // they keep their buffers

	groups []rowGroup
	rows   int64
	chunks []chunk // all of them, row group by row group
	parts  []sealedParts
	done   []placed
	footer int64 // size of the footer
	failed bool
}

// NewSealer checks the options and begins a file.
func NewSealer(dst io.Writer, opt SealOptions) (*Sealer, error) {
	if err := opt.valid(); err != nil {
		return nil, err
	}
	s := &Sealer{opt: opt, out: &counted{w: dst}, unique: make([]byte, fileUniqueSize)}
	rand.Read(s.unique) // never fails
	s.aad = append(append([]byte(nil), opt.AADPrefix...), s.unique...)
	return s, nil
}

// Append seals the row groups of a plain file behind those before. Its schema, its writer's name and whatever else its footer
// says must be the first one's. The file must not change meanwhile; it is not used when Append has returned.
func (s *Sealer) Append(ctx context.Context, src io.ReaderAt, size int64) error {
	if s.failed {
		return &partError{"sealing has ended", ErrOptions}
	}
	s.failed = true // until it is not
	from := len(s.chunks)
	if err := s.locate(src, size); err != nil {
		return err
	}
	if from == 0 && s.out.n == 0 {
		if err := s.writeHead(); err != nil {
			return err
		}
	}
	if err := s.writeChunks(ctx, src, from); err != nil {
		return err
	}
	s.failed = false
	return nil
}

// Close writes indexes and footer.
func (s *Sealer) Close() (*Sealed, error) {
	if s.failed || s.first == nil {
		return nil, &partError{"sealing has ended, or nothing was appended", ErrOptions}
	}
	s.failed = true
	if err := s.writeParts(); err != nil {
		return nil, err
	}
	if err := s.writeLayout(); err != nil {
		return nil, err
	}
	if err := s.writeFooter(); err != nil {
		return nil, err
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
	r, err := footerRange(end, size)
	if err != nil {
		return nil, nil, err
	}
	// Records share the bytes that they were read from, and those of many files may be kept: no more than the footer.
	t, err := splitTail(bytes.Clone(end[int64(len(end))-r.Len:]), size)
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

// locate reads a file's footer and finds its chunks.
func (s *Sealer) locate(src io.ReaderAt, size int64) error {
	t, sc, err := readPlain(src, size)
	if err != nil {
		return err
	}
	if s.first == nil {
		s.first, s.schema = t, sc
		if err := s.expandKeys(); err != nil {
			return err
		}
	} else if !sameFooter(s.first.meta, t.meta) {
		return malformed("a footer that differs from the first one's")
	}
	groups, rows, err := parseRowGroups(t.meta, len(s.schema.leaves))
	if err != nil {
		return err
	}
	if len(s.groups)+len(groups) > maxRowGroups || rows > math.MaxInt64-s.rows {
		return unsupported("number of row groups")
	}
	return s.locateChunks(t, groups, rows)
}

// sameFooter compares all that two footers say but their row groups and rows.
func sameFooter(a, b record) bool {
	a, b = a.without(fmRowGroups, fmNumRows), b.without(fmRowGroups, fmNumRows)
	return bytes.Equal(appendRecord(nil, a), appendRecord(nil, b))
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
func (s *Sealer) expandKeys() error {
	keys := s.opt.Keys
	if len(keys.Footer) == 0 {
		return inColumn("footer", ErrMissingKey)
	}
	seen := map[string]bool{string(keys.Footer): true}
	var err error
	if s.foot, err = newBoxKey(keys.Footer); err != nil {
		return inColumn("footer", err)
	}
	s.keys = make([]*boxKey, len(s.schema.leaves))
	for i, l := range s.schema.leaves {
		key := keys.Columns[l.dotted]
		if len(key) == 0 {
			return inColumn(l.dotted, ErrMissingKey)
		}
		if seen[string(key)] {
			return inColumn(l.dotted, &partError{"the same as another", ErrKey})
		}
		seen[string(key)] = true
		if s.keys[i], err = newBoxKey(key); err != nil {
			return inColumn(l.dotted, err)
		}
	}
	for path := range keys.Columns {
		if i, ok := s.schema.byPath[path]; !ok || s.schema.nodes[i].leaf < 0 {
			return inColumn(path, &partError{"no such column", ErrKey})
		}
	}
	return nil
}

func (s *Sealer) locateChunks(t *tail, groups []rowGroup, rows int64) error {
	var chunks []chunk
	for g := range groups {
		for l, lf := range s.schema.leaves {
			c, err := locateChunk(&groups[g], lf, place{int16(len(s.groups) + g), int16(l)}, t.start)
			if err != nil {
				return inColumn(lf.dotted, err)
			}
			c.key = s.keys[l]
			chunks = append(chunks, c)
		}
	}
	if _, err := rangesOf(chunks); err != nil {
		return err
	}
	s.groups, s.rows, s.chunks = append(s.groups, groups...), s.rows+rows, append(s.chunks, chunks...)
	s.parts = append(s.parts, make([]sealedParts, len(chunks))...)
	s.done = append(s.done, make([]placed, len(chunks))...)
	return nil
}

func locateChunk(g *rowGroup, l leaf, at place, limit int64) (chunk, error) {
	c := chunk{at: at, leaf: int(at.column)}
	var err error
	if c.rec, err = columnChunk(nil, g.columns[at.column]); err != nil {
		return c, err
	}
	if c.rec.has(ccCrypto) || c.rec.has(ccEncryptedMetaData) {
		return c, ErrAlreadyEncrypted
	}
	var ok bool
	if c.meta, ok, err = c.rec.nested(ccMetaData); err != nil || !ok {
		return c, malformed("column metadata")
	}
	return c, c.locate(l, limit)
}

func (s *Sealer) summary() *Sealed {
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
