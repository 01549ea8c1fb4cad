package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

const (
	blockSize = 64 << 10 // bytes that are fetched, or not, together
	maxBlocks = 1 << 21  // of one object: 128 GiB
)

// States of a block.
const (
	absent byte = iota
	kept        // over a restart, and not looked at since
	coming      // somebody fetches it, or looks at it
	there
)

// entry is one object: a sparse file of its size, and which blocks of it are there.
type entry struct {
	path, name string
	size       int64
	file       *os.File

	// Of the cache, under its lock.
	users int
	used  int64
	room  int64 // reserved for it
	gone  bool

	mu    sync.Mutex
	state []byte
	sums  []uint32      // of blocks that are there or kept
	wake  chan struct{} // closed when a state changes; nil if nobody waits
	dirty bool          // something came since the last save
}

func newEntry(path, name string, size int64, f *os.File) *entry {
	n := (size + blockSize - 1) / blockSize
	return &entry{path: path, name: name, size: size, file: f, state: make([]byte, n), sums: make([]uint32, n)}
}

// create makes an entry with nothing in it. The caller holds the cache's lock.
func (c *Cache) create(path string, size int64) (*entry, error) {
	c.serial++
	sum := sha256.Sum256([]byte(path))
	name := fmt.Sprintf("%s-%d", hex.EncodeToString(sum[:16]), c.serial)
	f, err := os.OpenFile(filepath.Join(c.dir, name+dataSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(size); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return nil, err
	}
	return newEntry(path, name, size, f), nil
}

// run is a row of blocks, from the first to before the end.
type run struct {
	first, end int
	kept       bool
}

// bounds are where a run begins and how long it is.
func (e *entry) bounds(r run) (off, n int64) {
	off = int64(r.first) * blockSize
	return off, min(int64(r.end)*blockSize, e.size) - off
}

// claim takes on the blocks between two offsets that nobody has or fetches: the caller settles them.
func (e *entry) claim(from, to int64) []run {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []run
	for b := int(from / blockSize); int64(b)*blockSize < to; b++ {
		s := e.state[b]
		if s != absent && s != kept {
			continue
		}
		e.state[b] = coming
		if n := len(out); n > 0 && out[n-1].end == b && out[n-1].kept == (s == kept) {
			out[n-1].end++
			continue
		}
		out = append(out, run{b, b + 1, s == kept})
	}
	return out
}

// settle says what became of blocks that were claimed, and tells who waits.
func (e *entry) settle(r run, state byte) {
	if r.first == r.end {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for b := r.first; b < r.end; b++ {
		e.state[b] = state
	}
	e.dirty = e.dirty || state == there
	if e.wake != nil {
		close(e.wake)
		e.wake = nil
	}
}

// wait waits while the block at an offset is coming. It returns up to where bytes are there from that offset on: the offset itself
// if nobody is fetching it.
func (e *entry) wait(ctx context.Context, off, end int64) (int64, error) {
	for {
		to, wake := e.look(off, end)
		if wake == nil {
			return to, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return off, ctx.Err()
		}
	}
}

// look is wait without waiting: it returns what to wait for.
func (e *entry) look(off, end int64) (to int64, wake chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := int(off / blockSize)
	if e.state[b] == coming {
		if e.wake == nil {
			e.wake = make(chan struct{})
		}
		return off, e.wake
	}
	for to = off; to < end && e.state[b] == there; b++ {
		to = min(int64(b+1)*blockSize, end)
	}
	return to, nil
}

// keep writes one block, which the caller has claimed.
func (e *entry) keep(block int, data []byte) error {
	if _, err := e.file.WriteAt(data, int64(block)*blockSize); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sums[block] = sum(data)
	return nil
}

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// changed reports whether there is something to save.
func (e *entry) changed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.dirty
}

// snapshot is what there is to save.
func (e *entry) snapshot() saved {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty = false
	s := saved{Path: e.path, Size: e.size, Have: make([]byte, len(e.state)), Sums: slices.Clone(e.sums)}
	for b, state := range e.state {
		if state == there || state == kept {
			s.Have[b] = 1
		}
	}
	return s
}
