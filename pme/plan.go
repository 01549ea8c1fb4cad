package pme

import (
	"context"
	"io"
	"runtime"
	"slices"
)

// Range is a part of a file.
type Range struct{ Off, Len int64 }

// Plan is what one opening needs, known from the footer alone. A Plan holds expanded keys and may be run more than once,
// also concurrently.
type Plan struct {
	encryptedFooter bool
	ctr             bool
	pagesOnly       bool
	headerRoom      int
	aad             fileAAD
	meta            record // FileMetaData
	schema          *schema
	want            map[int]bool // leaves to open
	groups          []rowGroup
	chunks          []chunk // row group by row group, in the order of the schema
	rows            int64
	ranges          []Range
	max             int64
	workers         int
	sound           bool // views authenticate every page first
}

// ReadFooterRange says where to read the tail of a file of this size first.
func ReadFooterRange(size int64) (off, n int64) {
	n = max(0, min(size, firstTail))
	return size - n, n
}

// ReadPlan reads the tail of src and makes a plan.
func ReadPlan(src io.ReaderAt, size int64, opt OpenOptions) (*Plan, error) {
	end, err := readTail(src, size)
	if err != nil {
		return nil, err
	}
	return NewPlan(end, size, opt)
}

// NewPlan makes a plan from the last bytes of a file of this size. If the footer is longer than tail, the error is a
// *ShortTailError that says which range to read instead. The plan keeps references into tail.
func NewPlan(tail []byte, size int64, opt OpenOptions) (*Plan, error) {
	if err := opt.valid(); err != nil {
		return nil, err
	}
	t, err := splitTail(tail, size)
	if err != nil {
		return nil, err
	}
	if err := opt.acceptsFile(t); err != nil {
		return nil, err
	}
	b := planner{opt: opt, tail: t, keys: make(map[string]*boxKey)}
	return b.plan()
}

// Ranges are the parts of the source that Run reads, in order, none adjacent: each read of Run lies within one of them.
func (p *Plan) Ranges() []Range { return slices.Clone(p.ranges) }

// RowGroups are the parts of the source that belong to each row group, in the order of the columns: what Ranges joins. The head magic
// belongs to the first.
func (p *Plan) RowGroups() [][]Range {
	out := make([][]Range, len(p.groups))
	if len(out) > 0 {
		out[0] = []Range{{0, magicSize}}
	}
	for i := range p.chunks {
		c := &p.chunks[i]
		out[c.at.rowGroup] = append(out[c.at.rowGroup], c.ranges()...)
	}
	return out
}

// ColumnBytes is how much of the source belongs to each column to be opened: what opening it decrypts at most.
func (p *Plan) ColumnBytes() map[string]int64 {
	out := make(map[string]int64)
	for i := range p.chunks {
		c := &p.chunks[i]
		for _, r := range c.ranges() {
			out[p.schema.leaves[c.leaf].dotted] += r.Len
		}
	}
	return out
}

// MaxOutput is the room that Run needs at most.
func (p *Plan) MaxOutput() int64 { return p.max }

// Run decrypts into dst, which must have room for MaxOutput bytes (for example a mapped memory file). The footer and then
// the head magic are written last; on failure all of dst[:MaxOutput] is zeroed. If src has a method Slice, as Bytes does,
// Run decrypts from what it lends.
func (p *Plan) Run(ctx context.Context, src io.ReaderAt, dst []byte) (*Opened, error) {
	if int64(len(dst)) < p.max {
		return nil, &partError{"destination is too small", ErrOptions}
	}
	dst = dst[:p.max]
	res, err := p.run(ctx, src, output{mem: dst})
	if err != nil {
		clear(dst)
		return nil, err
	}
	return res, nil
}

// RunTo is Run with a destination that is not mapped memory, empty at the start. WriteAt is called concurrently, as
// io.WriterAt has it, for parts that do not overlap. The footer and then the head magic are written last; on failure the
// destination holds neither and must be discarded.
func (p *Plan) RunTo(ctx context.Context, src io.ReaderAt, dst io.WriterAt) (*Opened, error) {
	return p.run(ctx, src, output{dst: dst})
}

// valid checks the options against each other.
func (o *OpenOptions) valid() error {
	if o.Workers < 0 || o.Workers > maxWorkers {
		return &partError{"workers", ErrOptions}
	}
	if o.HeaderRoom < 0 || o.HeaderRoom > maxHeaderRoom {
		return &partError{"room for headers", ErrOptions}
	}
	if len(o.AADPrefix) > maxAADPart {
		return &partError{"AAD prefix is too long", ErrOptions}
	}
	if o.AllWithKeys && len(o.Columns) > 0 {
		return &partError{"both Columns and AllWithKeys", ErrOptions}
	}
	if o.PagesOnly && o.Unauthenticated {
		return &partError{"both PagesOnly and Unauthenticated", ErrOptions}
	}
	if !o.AllWithKeys && len(o.Columns) == 0 {
		return &partError{"none named", ErrColumns}
	}
	return nil
}

// acceptsFile is the first half of the policy of acceptance: what the end of the file says about the whole. The second
// half, acceptsColumn, looks at each column once the footer is authenticated.
func (o *OpenOptions) acceptsFile(t *tail) error {
	switch {
	case t.algorithm == nil:
		return ErrNotEncrypted
	case o.Unauthenticated:
		return nil
	case t.algorithm.ctr:
		return &partError{"AES_GCM_CTR_V1", ErrUnauthenticated}
	case !t.encrypted && !o.PlaintextParts:
		return &partError{"plaintext footer", ErrUnauthenticated}
	}
	return nil
}

// acceptsColumn: plain columns may be neither in a file nor among those opened, unless the options say so.
func (o *OpenOptions) acceptsColumn(p protection, wanted bool) error {
	if p != plainColumn || o.Unauthenticated || o.PlaintextParts && !wanted {
		return nil
	}
	return &partError{"plain column", ErrUnauthenticated}
}

func workers(n int) int {
	if n > 0 {
		return n
	}
	return min(runtime.GOMAXPROCS(0), maxWorkers)
}
