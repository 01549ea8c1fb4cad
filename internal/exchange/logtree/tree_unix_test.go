//go:build !windows

package logtree

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/transparency-dev/tessera"
	"golang.org/x/mod/sumdb/note"
)

// newTree opens an empty tree, with a key of its own.
func newTree(t *testing.T) *Tree {
	t.Helper()
	secret, _, err := note.GenerateKey(rand.Reader, "cordon.log/test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Open(t.Context(), t.TempDir(), signer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// TestReset: a tree whose leaves got other places says so, and is the same as any other once it is built again.
func TestReset(t *testing.T) {
	leaves := make([][]byte, 5000)
	for i := range leaves {
		leaves[i] = []byte{byte(i), byte(i >> 8), 40: 0}
	}
	ctx := t.Context()
	want, got := newTree(t), newTree(t)
	if err := want.Append(ctx, 0, leaves); err != nil {
		t.Fatal(err)
	}
	add := got.add
	var held *tessera.Entry
	got.add = func(ctx context.Context, e *tessera.Entry) tessera.IndexFuture { // the first two overtake each other
		if held == nil {
			held = e
			return func() (tessera.Index, error) { return tessera.Index{Index: 1}, nil }
		}
		return add(ctx, e)
	}
	if err := got.Append(ctx, 0, leaves[:2]); !errors.Is(err, ErrOrder) || got.Size() != 0 {
		t.Fatalf("leaves in another order: %v, %d leaves", err, got.Size())
	}
	if err := got.Reset(ctx); err != nil || got.Size() != 0 {
		t.Fatalf("%v, %d leaves", err, got.Size())
	}
	if err := got.Append(ctx, 0, leaves); err != nil {
		t.Fatal(err)
	}
	a, err := want.Root(ctx, int64(len(leaves)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := got.Root(ctx, int64(len(leaves)))
	if err != nil || a != b {
		t.Fatalf("%v, other roots", err)
	}
}

// TestResetFails: a tree that could not be emptied takes nothing, at once, and is whole after the next try.
func TestResetFails(t *testing.T) {
	ctx := t.Context()
	tree := newTree(t)
	dir := tree.dir
	tree.dir = string([]byte{0}) // no name of a folder
	if err := tree.Reset(ctx); err == nil {
		t.Fatal("a folder without a name was emptied")
	}
	leaf := [][]byte{make([]byte, 41)}
	if err := tree.Append(ctx, 0, leaf); !errors.Is(err, errEnded) {
		t.Fatalf("a dead tree takes leaves: %v", err)
	}
	tree.dir = dir
	if err := tree.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tree.Append(ctx, 0, leaf); err != nil {
		t.Fatal(err)
	}
}
