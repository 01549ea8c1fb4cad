package translog

import (
	"crypto/sha256"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Range is a tree of which only the hashes on its right edge are kept: what a witness needs to go on with it, leaf by leaf.
type Range struct{ r *compact.Range }

func factory() *compact.RangeFactory {
	return &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
}

// NewRange is the tree of no leaves.
func NewRange() *Range { return &Range{factory().NewEmptyRange(0)} }

// ParseRange reads what Hashes gave, of a tree of this size.
func ParseRange(size int64, hashes [][]byte) (*Range, error) {
	if size < 0 || size > maxTime || len(hashes) != bits.OnesCount64(uint64(size)) {
		return nil, fmt.Errorf("%w: right edge of a tree", ErrMalformed)
	}
	for _, h := range hashes {
		if len(h) != sha256.Size {
			return nil, fmt.Errorf("%w: right edge of a tree", ErrMalformed)
		}
	}
	r, err := factory().NewRange(0, uint64(size), hashes)
	if err != nil {
		return nil, fmt.Errorf("%w: right edge of a tree", ErrMalformed)
	}
	return &Range{r}, nil
}

// Size is the number of leaves.
func (r *Range) Size() int64 { return int64(r.r.End()) }

// Hashes of the right edge, each of the largest whole subtree that is left.
func (r *Range) Hashes() [][]byte { return r.r.Hashes() }

// Append adds a leaf.
func (r *Range) Append(l Leaf) error { return r.r.Append(l.Hash(), nil) }

// Root of the tree (RFC 6962, section 2.1).
func (r *Range) Root() (root [sha256.Size]byte, err error) {
	if r.Size() == 0 {
		return sha256.Sum256(nil), nil
	}
	h, err := r.r.GetRootHash(nil)
	copy(root[:], h)
	return root, err
}
