//go:build !windows

package logtree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"
)

const (
	// Tessera's queue hands on what it holds when it is full, and when its first entry is of an age; the two, or two of the second, can
	// overtake each other on the way to whoever gives places (v1.0.4). So it never gets full, and a list is in it before its first entry is
	// of that age. Where it happens all the same, Append says ErrOrder.
	batchSize  = 1 << 14
	batchAge   = 5 * time.Millisecond
	cpInterval = 100 * time.Millisecond // Tessera's least
	cpWait     = 10 * time.Second
	cpLook     = 4 * time.Millisecond
	maxCP      = 4096 // bytes
	emptyTries = 20
	emptyWait  = 10 * time.Millisecond
)

// Tree is an open tree. Reading is safe for concurrent use; appending is not.
type Tree struct {
	dir    string
	signer note.Signer
	lock   *os.File
	add    tessera.AddFn
	end    context.CancelFunc
	size   atomic.Int64
}

// quiet keeps what Tessera logs to itself: what goes wrong there comes back as an error.
var quiet = sync.OnceFunc(func() { klog.SetSlogLogger(slog.New(slog.NewTextHandler(io.Discard, nil))) })

// maxSlots is how many processes can have trees in one folder.
const maxSlots = 64

// slot is a folder below dir that no other process has, the first one: exchanges that share a home have a tree each.
func slot(dir string) (string, *os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	for n := range maxSlots {
		at := filepath.Join(dir, strconv.Itoa(n))
		f, err := os.OpenFile(at+".lock", os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return "", nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return at, f, os.MkdirAll(at, 0o700)
		}
		f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return "", nil, err
		}
	}
	return "", nil, errors.New("logtree: too many processes have trees in this folder")
}

// Open opens a tree below dir that no other process has, or makes an empty one. signer signs its checkpoints.
func Open(ctx context.Context, dir string, signer note.Signer) (*Tree, error) {
	quiet()
	dir, lock, err := slot(dir)
	if err != nil {
		return nil, err
	}
	t := &Tree{dir: dir, signer: signer, lock: lock}
	if err := t.open(ctx); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return t, nil
}

func (t *Tree) open(ctx context.Context) error {
	driver, err := posix.New(ctx, posix.Config{Path: t.dir})
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.WithoutCancel(ctx)) // Tessera's own goroutines end with it
	a, _, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(t.signer).
		WithCheckpointInterval(cpInterval).
		WithCheckpointRepublishInterval(0).
		WithBatching(batchSize, batchAge))
	if err != nil {
		end()
		return err
	}
	size, err := reader.IntegratedSize(ctx)
	if err != nil {
		end()
		return err
	}
	t.add, t.end = a.Add, end
	t.size.Store(int64(size))
	return nil
}

// Reset removes what is in the folder, after ErrOrder, or where it is damaged: the tree is empty then, and wants all its leaves again. Nobody may be appending; who
// reads finds nothing meanwhile. After an error the tree takes nothing until a Reset succeeds.
func (t *Tree) Reset(ctx context.Context) error {
	if err := t.ended(); err != nil {
		return err
	}
	t.size.Store(0)
	if err := emptied(t.dir); err != nil {
		return err
	}
	return t.open(ctx)
}

// emptied removes what is in a folder. Tessera also writes some files without its locks: one that comes while the folder goes makes it stay.
func emptied(dir string) (err error) {
	for range emptyTries {
		if err = os.RemoveAll(dir); err == nil {
			break
		}
		time.Sleep(emptyWait)
	}
	return errors.Join(err, os.MkdirAll(dir, 0o700))
}

// ended stops Tessera. Its goroutines can't be waited for; each holds one of these locks while it writes.
func (t *Tree) ended() error {
	t.end()
	t.add = nil // what were added now would be waited for in vain
	for _, name := range []string{"treeState.lock", "publish.lock", "gcState.lock"} {
		f, err := os.OpenFile(filepath.Join(t.dir, ".state", name), os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the tree. Nobody may be appending.
func (t *Tree) Close() error { return errors.Join(t.ended(), t.lock.Close()) }

// Size is the number of leaves.
func (t *Tree) Size() int64 { return t.size.Load() }

var errEnded = errors.New("logtree: the tree was ended, and has to be reset")

// Append adds leaves behind the first from ones, in this order. It is durable when it returns; after an error, some of the first may be there.
func (t *Tree) Append(ctx context.Context, from int64, leaves [][]byte) error {
	if from != t.Size() {
		return fmt.Errorf("logtree: the tree has %d leaves, not %d", t.Size(), from)
	}
	if t.add == nil {
		return errEnded
	}
	// What was begun is waited for, whoever leaves: nothing may be written to the folder afterwards.
	ctx = context.WithoutCancel(ctx)
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, b := range leaves {
		futures[i] = t.add(ctx, tessera.NewEntry(b))
	}
	var failed error
	there := int64(0)
	for i, f := range futures {
		got, err := f()
		switch {
		case err != nil:
			failed = errors.Join(failed, err)
		case got.Index != uint64(from)+uint64(i) || got.IsDup:
			failed = errors.Join(failed, ErrOrder)
		case failed == nil:
			there++
		}
	}
	t.size.Store(from + there)
	return failed
}

// Checkpoint waits for a signed checkpoint of at least so many leaves.
func (t *Tree) Checkpoint(ctx context.Context, size int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, cpWait)
	defer cancel()
	tick := time.NewTicker(cpLook)
	defer tick.Stop()
	for {
		b, err := os.ReadFile(filepath.Join(t.dir, layout.CheckpointPath))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if n, ok := sizeOf(b); ok && n >= size {
			return b, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("logtree: no checkpoint of %d leaves: %w", size, ctx.Err())
		case <-tick.C:
		}
	}
}

func sizeOf(b []byte) (n int64, ok bool) {
	line := strings.SplitN(string(b[:min(len(b), maxCP)]), "\n", 3)
	if len(line) < 3 {
		return 0, false
	}
	_, err := fmt.Sscanf(line[1], "%d", &n)
	return n, err == nil
}

func (t *Tree) fetch(_ context.Context, level, index uint64, p uint8) ([]byte, error) {
	b, err := t.tile(level, index, p)
	if errors.Is(err, ErrNotFound) {
		err = os.ErrNotExist
	}
	return b, err
}

// Prover makes proofs for the tree of one size, and reads each tile once. It is not safe for concurrent use.
type Prover struct {
	size int64
	t    *Tree
	b    *client.ProofBuilder
}

// Prover for the tree of a size.
func (t *Tree) Prover(size int64) *Prover { return &Prover{size: size, t: t} }

// Inclusion proves that a leaf stands in the tree.
func (p *Prover) Inclusion(ctx context.Context, index int64) (hashes [][]byte, err error) {
	if index < 0 || index >= p.size || p.size > p.t.Size() {
		return nil, ErrNotFound
	}
	if p.b == nil {
		if p.b, err = client.NewProofBuilder(ctx, uint64(p.size), p.t.fetch); err != nil {
			return nil, err
		}
	}
	return p.b.InclusionProof(ctx, uint64(index))
}

// Edge is the right edge of the tree of a size, as translog.ParseRange reads it.
func (t *Tree) Edge(ctx context.Context, size int64) ([][]byte, error) {
	if size <= 0 || size > t.Size() {
		return nil, ErrNotFound
	}
	return client.FetchRangeNodes(ctx, uint64(size), t.fetch)
}

// Root of the tree of a size.
func (t *Tree) Root(ctx context.Context, size int64) (root [hashSize]byte, err error) {
	nodes, err := t.Edge(ctx, size)
	if err != nil {
		return root, err
	}
	r, err := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewRange(0, uint64(size), nodes)
	if err != nil {
		return root, err
	}
	h, err := r.GetRootHash(nil)
	copy(root[:], h)
	return root, err
}
