package pme

import (
	"context"
	"io"
)

// Range is a part of a file.
type Range struct{ Off, Len int64 }

// Plan is what one opening needs, known from the footer alone. A Plan is immutable and may be run more than once.
type Plan struct {
	ranges []Range
	max    int64
}

// ReadFooterRange says where to read the tail of a file of this size first.
func ReadFooterRange(size int64) (off, n int64) {
	n = min(size, firstTail)
	return size - n, n
}

// NewPlan makes a plan from the last bytes of a file of this size. If the footer is longer than tail, the error is a
// *ShortTailError that says which range to read instead.
func NewPlan(tail []byte, size int64, opt OpenOptions) (*Plan, error) { return nil, ErrUnsupported }

// ReadPlan reads the tail of src and makes a plan.
func ReadPlan(src io.ReaderAt, size int64, opt OpenOptions) (*Plan, error) { return nil, ErrUnsupported }

// Ranges are the parts of the source that Run reads, in order, none adjacent: each read of Run lies within one of them.
func (p *Plan) Ranges() []Range { return append([]Range(nil), p.ranges...) }

// MaxOutput is the room that Run needs at most.
func (p *Plan) MaxOutput() int64 { return p.max }

// Run decrypts into dst, which must have room for MaxOutput bytes (for example a mapped memory file). The head magic and
// the footer are written last; on failure all of dst[:MaxOutput] is zeroed.
func (p *Plan) Run(ctx context.Context, src io.ReaderAt, dst []byte) (*Opened, error) {
	return nil, ErrUnsupported
}

// RunTo is Run with a destination that is not memory. The head magic and the footer are written last; on failure the
// destination holds neither and must be discarded.
func (p *Plan) RunTo(ctx context.Context, src io.ReaderAt, dst io.WriterAt) (*Opened, error) {
	return nil, ErrUnsupported
}
