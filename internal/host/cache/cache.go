package cache

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Source is where objects come from: n bytes at off.
type Source func(ctx context.Context, path string, off, n int64) (io.ReadCloser, error)

// Options of a cache. The first two are required.
type Options struct {
	// Dir is the folder, which belongs to the cache alone: what it does not know there is removed.
	Dir string
	// Bytes that may lie there. What was used longest ago goes first.
	Bytes int64
	// Log gets a line when the folder can't be written. Default: none.
	Log *slog.Logger
}

// Cache is open until Close. Its methods may be called concurrently.
type Cache struct {
	dir   string
	limit int64
	log   *slog.Logger
	done  func()
	saves sync.WaitGroup

	mu      sync.Mutex
	entries map[string]*entry // by path
	held    int64             // bytes of blocks that are there or on their way
	clock   int64             // counts uses
	serial  int64             // of file names
}

var (
	errOptions = errors.New("cache: options incomplete")
	errTaken   = errors.New("cache: another host uses this folder")
)

// Open opens the cache in a folder, or makes one. An error means that the folder can't be used: a host does without then.
func Open(o Options) (*Cache, error) {
	if o.Dir == "" || o.Bytes < blockSize {
		return nil, errOptions
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	done, err := lock(filepath.Join(o.Dir, lockName))
	if err != nil {
		return nil, err
	}
	c := &Cache{dir: o.Dir, limit: o.Bytes, log: o.Log, done: done, entries: map[string]*entry{}}
	if err := c.load(); err != nil {
		done()
		return nil, err
	}
	return c, nil
}

// Dir is the folder; empty for no cache.
func (c *Cache) Dir() string {
	if c == nil {
		return ""
	}
	return c.dir
}

// Close waits for what is being written. Nobody may read from the cache any more.
func (c *Cache) Close() error {
	c.saves.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for _, e := range c.entries {
		errs = append(errs, e.file.Close())
	}
	clear(c.entries)
	c.done()
	return errors.Join(errs...)
}

// Object is a part of an object to read.
type Object struct {
	Path   string
	Size   int64 // of all of it
	Off, N int64
	From   Source
}

// Read returns exactly n bytes at off of an object. They come from the folder where they are there, from the source, by way of
// the folder, where they are not, and past the folder where it can't have them. An error is one of the source.
func (c *Cache) Read(ctx context.Context, o Object) (io.ReadCloser, error) {
	if o.Off < 0 || o.N < 1 || o.N > o.Size-o.Off {
		return o.From(ctx, o.Path, o.Off, o.N) // which knows what to say
	}
	e := c.use(o.Path, o.Size)
	if e == nil {
		return o.From(ctx, o.Path, o.Off, o.N)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &part{c: c, e: e, ctx: ctx, cancel: cancel, o: o, at: o.Off, end: o.Off + o.N}
	p.claim()
	if err := p.first(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Has reports whether anything of an object is there.
func (c *Cache) Has(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries[path] != nil
}

// Drop forgets an object, whatever is being read of it.
func (c *Cache) Drop(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[path]; e != nil {
		c.remove(e)
	}
}

// use is the entry of an object, made if there is none, in use until unuse; nil if there can't be one.
func (c *Cache) use(path string, size int64) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[path]
	if e != nil && e.size != size {
		c.remove(e)
		e = nil
	}
	if e == nil {
		if size > c.limit || size > maxBlocks*blockSize {
			return nil
		}
		var err error
		if e, err = c.create(path, size); err != nil {
			c.log.Warn("object not kept", "error", err)
			return nil
		}
		c.entries[path] = e
	}
	c.clock++
	e.users, e.used = e.users+1, c.clock
	return e
}

// unuse ends a use. What came meanwhile is noted for the time after a restart.
func (c *Cache) unuse(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.users--; e.users > 0 {
		return
	}
	switch {
	case e.gone:
		_ = e.file.Close()
	case e.changed():
		e.users++
		c.saves.Go(func() { c.save(e) })
	default:
		now := time.Now()
		_ = os.Chtimes(filepath.Join(c.dir, e.name+mapSuffix), now, now) // load orders by it
	}
}

func (c *Cache) save(e *entry) {
	if err := e.save(c.dir); err != nil {
		c.log.Warn("object not kept over a restart", "error", err)
	}
	c.unuse(e)
}

// remove takes an entry out. Who reads it reads on: its file has no name any more. The caller holds the lock.
func (c *Cache) remove(e *entry) {
	delete(c.entries, e.path)
	e.gone = true
	c.held -= e.room
	_ = os.Remove(filepath.Join(c.dir, e.name+mapSuffix))
	_ = os.Remove(e.file.Name())
	if e.users == 0 {
		_ = e.file.Close()
	}
}

// reserve takes room for n bytes of an entry, if need be from those that nobody uses. It reports whether there is room.
func (c *Cache) reserve(e *entry, n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !e.gone && c.held+n > c.limit {
		oldest := c.oldest()
		if oldest == nil {
			return false
		}
		c.remove(oldest)
	}
	if e.gone {
		return false
	}
	c.held, e.room = c.held+n, e.room+n
	return true
}

// release gives room back.
func (c *Cache) release(e *entry, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !e.gone {
		c.held, e.room = c.held-n, e.room-n
	}
}

// oldest is the entry that was used longest ago and is not in use; nil if there is none. The caller holds the lock.
func (c *Cache) oldest() *entry {
	var found *entry
	for _, e := range c.entries {
		if e.users == 0 && (found == nil || e.used < found.used) {
			found = e
		}
	}
	return found
}
