package logtree

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/cordon-exchange/cordon/translog"
)

// ErrNotFound says that the tree has no such tile or leaf.
var ErrNotFound = errors.New("logtree: not there")

// ErrOrder says that leaves got other places than the next ones: what is in the folder is not this log any more.
var ErrOrder = errors.New("logtree: Tessera gave another index than the next one")

const (
	width     = layout.TileWidth
	hashSize  = 32
	entrySize = 2 + translog.LeafSize // in a bundle: its length as two bytes, then the leaf
)

// whole reads a tile or bundle of which a number of items is wanted. A tree that has grown further has it as a wider one, which begins
// with the same bytes: tiles only ever grow.
func (t *Tree) whole(path string, items, size int) ([]byte, error) {
	for _, name := range t.wider(path, items) {
		b, err := os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(name)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(b) < items*size {
			return nil, errors.New("logtree: a tile is shorter than its name says")
		}
		return b[:items*size], nil
	}
	return nil, ErrNotFound
}

// wider are the files that hold so many items of a tile, the narrowest first.
func (t *Tree) wider(path string, items int) []string {
	var out []string
	if items < width {
		out = append(out, path+".p/"+strconv.Itoa(items))
		list, _ := os.ReadDir(filepath.Join(t.dir, filepath.FromSlash(path+".p"))) // none: then the whole tile is there, or nothing
		best := width
		for _, e := range list {
			if n, err := strconv.Atoi(e.Name()); err == nil && n > items && n < best {
				best = n
			}
		}
		if best < width {
			out = append(out, path+".p/"+strconv.Itoa(best))
		}
	}
	return append(out, path)
}

// tile is what Tessera's client asks for. p is 0 for a whole one.
func (t *Tree) tile(level, index uint64, p uint8) ([]byte, error) {
	items := int(p)
	if items == 0 {
		items = width
	}
	return t.whole(layout.TilePath(level, index, 0), items, hashSize)
}

// Leaves returns n leaves from one on, one behind the other.
func (t *Tree) Leaves(from, n int64) ([]byte, error) {
	if size := t.Size(); from < 0 || n < 0 || from+n > size {
		return nil, ErrNotFound
	}
	out := make([]byte, 0, n*translog.LeafSize)
	for n > 0 {
		bundle, first := from/width, from%width
		take := min(n, width-first)
		b, err := t.whole(layout.EntriesPath(uint64(bundle), 0), int(first+take), entrySize)
		if err != nil {
			return nil, err
		}
		for b = b[first*entrySize:]; len(b) > 0; b = b[entrySize:] {
			if b[0] != 0 || b[1] != translog.LeafSize {
				return nil, errors.New("logtree: an entry is not of a leaf's size")
			}
			out = append(out, b[2:entrySize]...)
		}
		from, n = from+take, n-take
	}
	return out, nil
}

var tilePath = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9]|[1-5][0-9]|6[0-3]|entries)/(x[0-9]{3}/){0,5}[0-9]{3}(\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$`)
})

// File returns a tile or bundle by its path below tile/ (C2SP tlog-tiles).
func (t *Tree) File(path string) ([]byte, error) {
	if !tilePath().MatchString(path) {
		return nil, ErrNotFound
	}
	size := hashSize
	if strings.HasPrefix(path, "entries/") {
		size = entrySize
	}
	items := width
	if base, p, ok := strings.Cut(path, ".p/"); ok {
		path = base
		var err error
		if items, err = strconv.Atoi(p); err != nil {
			return nil, ErrNotFound
		}
	}
	return t.whole("tile/"+path, items, size)
}
