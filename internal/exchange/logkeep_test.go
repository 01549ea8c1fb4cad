//go:build !windows

package exchange

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/store"
	"github.com/cordon-exchange/cordon/internal/exchange/store/sqlite"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// keeper keeps a log, step by step.
type keeper struct {
	*testing.T
	*tlog
	dir string
	n   int
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	st, err := sqlite.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	k := &keeper{T: t, dir: t.TempDir()}
	if k.tlog, err = openLog(t.Context(), st, k.dir, time.Millisecond, time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.tree.Close() })
	return k
}

// add queues entries and publishes them.
func (k *keeper) add(n int) {
	k.Helper()
	k.queue(n)
	if _, err := k.step(k.Context()); err != nil {
		k.Fatal(err)
	}
}

func (k *keeper) queue(n int) {
	k.Helper()
	var list []store.LogEntry
	for range n {
		k.n++
		list = append(list, store.LogEntry{Kind: translog.KindStatement, About: statement.Sum(fmt.Appendf(nil, "%d", k.n))})
	}
	if err := k.store.AddUnlogged(k.Context(), list); err != nil {
		k.Fatal(err)
	}
}

// damage changes a byte of each file of which the path has a part.
func (k *keeper) damage(part string, at int) {
	k.Helper()
	n := 0
	err := filepath.WalkDir(k.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(filepath.ToSlash(path), part) {
			return err
		}
		n++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[(at+len(b))%len(b)] ^= 1
		return os.WriteFile(path, b, 0o600)
	})
	if err != nil || n == 0 {
		k.Fatalf("%d files, %v", n, err)
	}
}

// given asks for proofs of all entries and for all leaves, and checks what is given.
func (k *keeper) given() error {
	k.Helper()
	cp, err := k.published(k.Context())
	if err != nil {
		return err
	}
	s, err := k.key.Open(cp.Note)
	if err != nil {
		return err
	}
	list, err := k.store.LogEntries(k.Context(), 0, 1<<16)
	if err != nil {
		k.Fatal(err)
	}
	p, err := k.prover(cp)
	if err != nil {
		return err
	}
	var errs error
	for i := range list {
		proof, err := p.inclusion(k.Context(), &list[i])
		errs = errors.Join(errs, err)
		leaf := translog.Leaf{TimeMS: list[i].TimeMS, Commitment: translog.Commitment(list[i].Commitment)}
		if err == nil {
			if err := translog.VerifyInclusion(leaf, list[i].Index, proof, s.Checkpoint); err != nil {
				k.Fatalf("entry %d: what is given is wrong: %v", i, err)
			}
		}
		b, err := k.leaves(list[i].Index, 1)
		errs = errors.Join(errs, err)
		if err == nil && string(b) != string(leaf.Bytes()) {
			k.Fatalf("leaf %d: what is given is wrong", i)
		}
	}
	return errs
}

// TestDamagedProofs: of a damaged tree nothing wrong is given, and it is built again.
func TestDamagedProofs(t *testing.T) {
	for _, part := range []string{"tile/0/", "tile/1/", "tile/entries/"} {
		t.Run(part, func(t *testing.T) {
			k := newKeeper(t)
			k.add(600)
			if err := k.given(); err != nil {
				t.Fatal(err)
			}
			k.damage(part, 9)
			if err := k.given(); !errors.Is(err, errSpoiled) {
				t.Fatal(err)
			}
			for range 3 {
				_, _ = k.step(t.Context())
			}
			if err := k.given(); err != nil {
				t.Fatal(err)
			}
			k.add(10)
			if err := k.given(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestCheckpointOfAnotherTree: a checkpoint that was signed over something else than the store's entries is not published, whether those
// were hashed when they were appended or are read again.
func TestCheckpointOfAnotherTree(t *testing.T) {
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprint(known), func(t *testing.T) { checkpointOfAnotherTree(t, known) })
	}
}

func checkpointOfAnotherTree(t *testing.T, known bool) {
	k := newKeeper(t)
	k.add(10)
	have, err := k.published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.queue(1)
	b, err := k.place(t.Context())
	if err != nil || len(b.leaves) != 1 {
		t.Fatal(err)
	}
	if k.tail == nil || k.tail.all.Size() != b.from {
		t.Fatal("what is appended is not hashed")
	}
	if known {
		err = hashLeaves(k.tail.all, b.leaves)
	}
	b.leaves[0] = translog.Leaf{TimeMS: 1, Commitment: translog.Commitment{1}}.Bytes() // as a folder that fails would have it
	if err = errors.Join(err, k.tree.Append(t.Context(), b.from, b.leaves)); err != nil {
		t.Fatal(err)
	}
	if _, err := k.publish(t.Context()); !errors.Is(err, errSpoiled) {
		t.Fatal(err)
	}
	if now, err := k.published(t.Context()); err != nil || now.Size != have.Size {
		t.Fatalf("%v, %d entries are published", err, now.Size)
	}
	for range 3 {
		_, _ = k.step(t.Context())
	}
	if now, err := k.published(t.Context()); err != nil || now.Size != have.Size+1 {
		t.Fatalf("%v, %d entries are published", err, now.Size)
	}
}
