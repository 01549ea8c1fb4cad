package pme

import (
	"cmp"
	"slices"
)

// planner makes a Plan: it opens the footer, then the metadata of the wanted columns.
type planner struct {
	opt  OpenOptions
	tail *tail
	keys map[string]*boxKey // expanded column keys by path
	foot *boxKey
	room record // for a chunk that is only looked at
	p    Plan
}

func (b *planner) plan() (*Plan, error) {
	steps := []func() error{b.openFooter, b.readFooter, b.selectColumns, b.locateChunks, b.collectRanges, b.layOut}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	b.p.workers = workers(b.opt.Workers)
	return &b.p, nil
}

// openFooter authenticates the footer, and with it everything but the pages.
func (b *planner) openFooter() error {
	if len(b.opt.Keys.Footer) == 0 {
		return inColumn("footer", ErrMissingKey)
	}
	var err error
	if b.foot, err = newBoxKey(b.opt.Keys.Footer); err != nil {
		return inColumn("footer", err)
	}
	if b.p.aad, err = b.tail.algorithm.aad(b.opt.AADPrefix); err != nil {
		return err
	}
	b.p.ctr, b.p.encryptedFooter = b.tail.algorithm.ctr, b.tail.encrypted
	b.p.pagesOnly, b.p.headerRoom = b.opt.PagesOnly, b.opt.HeaderRoom
	if b.p.meta, err = b.tail.openFooter(b.foot, b.p.aad); err != nil {
		return err
	}
	return checkBinding(b.p.meta, b.tail)
}

func (b *planner) readFooter() error {
	var err error
	if b.p.schema, err = parseSchema(b.p.meta); err != nil {
		return err
	}
	b.p.groups, b.p.rows, err = parseRowGroups(b.p.meta, len(b.p.schema.leaves))
	return err
}

// selectColumns decides which columns to open, and refuses what the options do not accept.
func (b *planner) selectColumns() error {
	openable, err := b.survey()
	if err != nil {
		return err
	}
	if b.opt.AllWithKeys {
		b.p.want = openable
		if len(openable) == 0 {
			return inColumn("every column", ErrMissingKey)
		}
	} else if err := b.selectNamed(); err != nil {
		return err
	}
	return b.p.schema.whole(b.p.want)
}

func (b *planner) selectNamed() error {
	b.p.want = make(map[int]bool)
	for _, name := range b.opt.Columns {
		leaves := b.p.schema.leavesUnder(name)
		if len(leaves) == 0 {
			return inColumn(name, &partError{"not in the file", ErrColumns})
		}
		for _, l := range leaves {
			b.p.want[l] = true
		}
	}
	return nil
}

// survey looks at the protection of every chunk of the file: it applies the policy to those that will not be opened, and
// says which columns could be.
func (b *planner) survey() (openable map[int]bool, err error) {
	openable = make(map[int]bool)
	for l := range b.p.schema.leaves {
		if openable[l], err = b.surveyColumn(l); err != nil {
			return nil, inColumn(b.p.schema.leaves[l].dotted, err)
		}
		if !openable[l] {
			delete(openable, l)
		}
	}
	return openable, nil
}

func (b *planner) surveyColumn(l int) (openable bool, err error) {
	lf := b.p.schema.leaves[l]
	openable = len(b.p.groups) > 0 || b.haveKey(lf)
	for _, g := range b.p.groups {
		cc, err := columnChunk(b.room, g.columns[l])
		if err != nil {
			return false, err
		}
		b.room = cc
		prot, err := protectionOf(cc, lf)
		if err != nil {
			return false, err
		}
		if err := b.opt.acceptsColumn(prot, false); err != nil {
			return false, err
		}
		openable = openable && b.canOpen(prot, lf)
	}
	return openable, nil
}

func (b *planner) canOpen(p protection, l leaf) bool {
	switch p {
	case footerKeyed:
		return true
	case columnKeyed:
		return b.haveKey(l)
	default:
		return b.opt.Unauthenticated
	}
}

func (b *planner) haveKey(l leaf) bool { return len(b.opt.Keys.Columns[l.dotted]) > 0 }

// locateChunks opens the metadata of every wanted chunk.
func (b *planner) locateChunks() error {
	for g := range b.p.groups {
		for l := range b.p.schema.leaves {
			if !b.p.want[l] {
				continue
			}
			c, err := b.locateChunk(g, l)
			if err != nil {
				return inColumn(b.p.schema.leaves[l].dotted, err)
			}
			b.p.chunks = append(b.p.chunks, c)
		}
	}
	return nil
}

func (b *planner) locateChunk(g, l int) (chunk, error) {
	lf := b.p.schema.leaves[l]
	c := chunk{at: place{int16(g), int16(l)}, leaf: l}
	var err error
	if c.rec, err = columnChunk(nil, b.p.groups[g].columns[l]); err != nil {
		return c, err
	}
	prot, err := protectionOf(c.rec, lf)
	if err != nil {
		return c, err
	}
	if err := b.opt.acceptsColumn(prot, true); err != nil {
		return c, err
	}
	if c.key, err = b.keyFor(prot, lf); err != nil {
		return c, err
	}
	if c.meta, err = b.columnMeta(&c, prot); err != nil {
		return c, err
	}
	if err := c.locate(lf, b.tail.start); err != nil {
		return c, err
	}
	if b.opt.PagesOnly {
		c.pagesOnly()
	}
	return c, nil
}

// keyFor returns the expanded key of a column, nil for a plain one.
func (b *planner) keyFor(p protection, l leaf) (*boxKey, error) {
	switch p {
	case plainColumn:
		return nil, nil
	case footerKeyed:
		return b.foot, nil
	}
	if k := b.keys[l.dotted]; k != nil {
		return k, nil
	}
	if !b.haveKey(l) {
		return nil, ErrMissingKey
	}
	k, err := newBoxKey(b.opt.Keys.Columns[l.dotted])
	if err == nil && b.opt.Expand != nil {
		k.apart = b.opt.Expand(b.opt.Keys.Columns[l.dotted])
	}
	b.keys[l.dotted] = k
	return k, err
}

// columnMeta returns a chunk's ColumnMetaData. Where it is encrypted by itself, that is the one that counts: a plaintext
// footer also has a copy without statistics, for readers that do not know encryption.
func (b *planner) columnMeta(c *chunk, p protection) (record, error) {
	sealed, ok, err := c.rec.binary(ccEncryptedMetaData)
	if err != nil || ok && p == plainColumn {
		return nil, malformed("column metadata")
	}
	if ok {
		plain, err := c.key.openModule(sealed, b.p.aad.module(nil, columnMetaModule, c.at))
		if err != nil {
			return nil, tampered("column metadata")
		}
		meta, err := wholeRecord(plain)
		if err != nil {
			return nil, malformed("column metadata")
		}
		return meta, nil
	}
	meta, ok, err := c.rec.nested(ccMetaData)
	if err != nil || !ok || p == columnKeyed {
		return nil, malformed("column metadata")
	}
	return meta, nil
}

// collectRanges lists what Run will read.
func (b *planner) collectRanges() (err error) {
	b.p.ranges, err = rangesOf(b.p.chunks)
	return err
}

// rangesOf joins the head magic and every part of every chunk into ranges in order, none adjacent. Parts that overlap
// are refused: a small file could otherwise stand for an output of any size.
func rangesOf(chunks []chunk) ([]Range, error) {
	all := []Range{{0, magicSize}}
	for i := range chunks {
		all = append(all, chunks[i].ranges()...)
	}
	slices.SortFunc(all, func(x, y Range) int { return cmp.Compare(x.Off, y.Off) })
	out := all[:1]
	for _, r := range all[1:] {
		last := &out[len(out)-1]
		switch end := last.Off + last.Len; {
		case r.Off < end:
			return nil, malformed("overlapping columns")
		case r.Off == end:
			last.Len += r.Len
		default:
			out = append(out, r)
		}
	}
	return slices.Clip(out), nil
}

// layOut gives every chunk an area of the output that it cannot outgrow. Pages and bloom filters shrink when opened: each
// module loses its nonce and tag, and page headers a checksum and perhaps a byte of their size. Page indexes and footer
// follow behind; of them offset indexes may grow: a location takes at least 7 bytes and gains at most 13.
func (b *planner) layOut() error {
	pos := int64(magicSize)
	behind := int64(len(b.tail.footer)) + trailerSize
	for i := range b.p.chunks {
		c := &b.p.chunks[i]
		c.out = pos
		c.spare = c.mostPadding(int64(b.p.headerRoom))
		c.room = c.pages.Len + c.bloom.Len + c.spare
		pos += c.room
		behind += c.columnIndex.Len + 3*c.offsetIndex.Len
		behind += int64(len(appendRecord(nil, c.meta))) + chunkFooterGrowth
	}
	behind += int64(len(b.p.groups)) * chunkFooterGrowth
	b.p.max = pos + behind
	return nil
}
