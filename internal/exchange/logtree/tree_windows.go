package logtree

import (
	"context"
	"errors"

	"golang.org/x/mod/sumdb/note"
)

// ErrSystem says that the tree is not kept on Windows, which Tessera's files are not made for.
var ErrSystem = errors.New("logtree: not on Windows")

// Tree can't be opened on Windows.
type Tree struct{ dir string }

// Open refuses.
func Open(context.Context, string, note.Signer) (*Tree, error) { return nil, ErrSystem }

// Close does nothing.
func (t *Tree) Close() error { return nil }

// Size is 0.
func (t *Tree) Size() int64 { return 0 }

// Reset is not there on Windows.
func (t *Tree) Reset(context.Context) error { return ErrSystem }

// Append refuses.
func (t *Tree) Append(context.Context, int64, [][]byte) error { return ErrSystem }

// Checkpoint refuses.
func (t *Tree) Checkpoint(context.Context, int64) ([]byte, error) { return nil, ErrSystem }

// Prover proves nothing.
type Prover struct{}

// Prover of nothing.
func (t *Tree) Prover(int64) *Prover { return &Prover{} }

// Inclusion refuses.
func (*Prover) Inclusion(context.Context, int64) ([][]byte, error) { return nil, ErrSystem }

// Edge refuses.
func (t *Tree) Edge(context.Context, int64) ([][]byte, error) { return nil, ErrSystem }

// Root refuses.
func (t *Tree) Root(context.Context, int64) ([hashSize]byte, error) {
	return [hashSize]byte{}, ErrSystem
}
