package translog

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/cordon-exchange/cordon/statement"
)

// ErrMalformed is wrapped by every error about bytes that are not of their form.
var ErrMalformed = errors.New("translog: malformed")

// ErrProof is wrapped by every error about a proof that does not hold.
var ErrProof = errors.New("translog: does not prove it")

// Kinds of what is committed to.
const (
	KindStatement = "statement" // of the catalog
	KindJob       = "job"
	KindReceipt   = "receipt" // that an ended job left
	KindAnchor    = "anchor"  // a party's own
)

// SaltSize is the length of a commitment's salt, in bytes.
const SaltSize = 32

// Commitment hides what is logged from all who don't have its salt.
type Commitment [sha256.Size]byte

const commitmentLabel = "cordon/log-commitment/v1"

// Commit is the commitment to a digest (docs/spec/log.md, section 2).
func Commit(kind string, salt []byte, d statement.Digest) Commitment {
	return sha256.Sum256(statement.Frame(commitmentLabel, []byte(kind), salt, d.Bytes()))
}

// LeafSize is the length of a leaf, in bytes.
const LeafSize = 1 + 8 + sha256.Size

const leafVersion = 1

// maxTime keeps times exact in JSON, in Unix milliseconds.
const maxTime = 1<<53 - 1

// Leaf is one entry of the log.
type Leaf struct {
	TimeMS     int64 // when the exchange put it in its place
	Commitment Commitment
}

// Bytes of the leaf (docs/spec/log.md, section 2).
func (l Leaf) Bytes() []byte {
	out := binary.BigEndian.AppendUint64(append(make([]byte, 0, LeafSize), leafVersion), uint64(l.TimeMS))
	return append(out, l.Commitment[:]...)
}

// Hash of the leaf in the tree (RFC 6962, section 2.1).
func (l Leaf) Hash() []byte { return rfc6962.DefaultHasher.HashLeaf(l.Bytes()) }

// ParseLeaf reads a leaf.
func ParseLeaf(b []byte) (Leaf, error) {
	var l Leaf
	if len(b) != LeafSize || b[0] != leafVersion {
		return Leaf{}, fmt.Errorf("%w: leaf", ErrMalformed)
	}
	t := binary.BigEndian.Uint64(b[1:9])
	if t == 0 || t > maxTime {
		return Leaf{}, fmt.Errorf("%w: time of a leaf", ErrMalformed)
	}
	l.TimeMS = int64(t)
	copy(l.Commitment[:], b[9:])
	return l, nil
}

// maxProof is more hashes than a tree of 2^53 leaves needs.
const maxProof = 64

// Entry says where the commitment to a digest stands, and proves it.
type Entry struct {
	Kind   string           `json:"kind"`
	Digest statement.Digest `json:"digest"`
	Salt   []byte           `json:"salt"`
	Index  int64            `json:"index"`
	TimeMS int64            `json:"time_ms"`
	Proof  [][]byte         `json:"proof,omitempty"` // to the checkpoint that it is given with
}

// Leaf that the entry says is there.
func (e *Entry) Leaf() Leaf {
	return Leaf{TimeMS: e.TimeMS, Commitment: Commit(e.Kind, e.Salt, e.Digest)}
}

// Verify checks that the entry stands in the tree of a checkpoint.
func (e *Entry) Verify(c Checkpoint) error {
	switch e.Kind {
	case KindStatement, KindJob, KindReceipt, KindAnchor:
	default:
		return fmt.Errorf("%w: kind of an entry", ErrMalformed)
	}
	if !e.Digest.Valid() || len(e.Salt) != SaltSize || e.TimeMS <= 0 || e.TimeMS > maxTime || len(e.Proof) > maxProof {
		return fmt.Errorf("%w: entry", ErrMalformed)
	}
	return VerifyInclusion(e.Leaf(), e.Index, e.Proof, c)
}

// VerifyInclusion checks that a leaf stands at an index of a checkpoint's tree (RFC 9162, section 2.1.3.2).
func VerifyInclusion(l Leaf, index int64, hashes [][]byte, c Checkpoint) error {
	if index < 0 || index >= c.Size {
		return fmt.Errorf("%w: the tree has no such index", ErrProof)
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(index), uint64(c.Size), l.Hash(), hashes, c.Root[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// VerifyConsistency checks that a checkpoint's tree goes on from an older one's (RFC 9162, section 2.1.4.2).
func VerifyConsistency(old, c Checkpoint, hashes [][]byte) error {
	if old.Origin != c.Origin || old.Size > c.Size {
		return fmt.Errorf("%w: not a later checkpoint of one log", ErrProof)
	}
	if err := proof.VerifyConsistency(rfc6962.DefaultHasher, uint64(old.Size), uint64(c.Size), hashes, old.Root[:], c.Root[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}
