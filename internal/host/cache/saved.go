package cache

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cordon-exchange/cordon/statement"
)

// Names in the folder.
const (
	lockName   = "lock"
	dataSuffix = ".data"
	mapSuffix  = ".map"
	tempSuffix = ".tmp"
)

// ours are the names that the cache gives.
var ours = regexp.MustCompile(`^[0-9a-f]{32}-([0-9]+)\.(data|map|tmp)$`)

// saved says what of an object is there, for the time after a restart. It is written without waiting for the disk: what did not reach
// it does not fit its checksum.
type saved struct {
	Path string   `json:"path"`
	Size int64    `json:"size"`
	Have []byte   `json:"have"` // by block: 1 if it is there
	Sums []uint32 `json:"sums"` // CRC-32C by block
}

func (e *entry) save(dir string) error {
	b, err := json.Marshal(e.snapshot())
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, e.name+tempSuffix)
	if err := os.WriteFile(temp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, e.name+mapSuffix))
}

// load takes over what an earlier host left, and removes what can't be used.
func (c *Cache) load() error {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var found []*entry
	for _, f := range files {
		m := ours.FindStringSubmatch(f.Name())
		if m == nil {
			continue // not ours to touch
		}
		if n, err := strconv.ParseInt(m[1], 10, 64); err == nil {
			c.serial = max(c.serial, n)
		}
		if name, ok := strings.CutSuffix(f.Name(), mapSuffix); ok {
			if e := c.loadEntry(name); e != nil {
				found = append(found, e)
			}
		}
	}
	slices.SortFunc(found, func(x, y *entry) int { return cmp.Compare(x.used, y.used) })
	for _, e := range found {
		if c.entries[e.path] != nil {
			c.remove(c.entries[e.path])
		}
		c.clock++
		e.used, c.entries[e.path] = c.clock, e
		c.held += e.room
	}
	for c.held > c.limit {
		c.remove(c.oldest())
	}
	return c.sweep(files)
}

// loadEntry takes over one object; nil if it can't be used.
func (c *Cache) loadEntry(name string) *entry {
	b, err := os.ReadFile(filepath.Join(c.dir, name+mapSuffix))
	if err != nil {
		return nil
	}
	var s saved
	if json.Unmarshal(b, &s) != nil || !statement.ValidObject(s.Path) || s.Size < 1 || s.Size > maxBlocks*blockSize {
		return nil
	}
	info, err := os.Stat(filepath.Join(c.dir, name+mapSuffix))
	if err != nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(c.dir, name+dataSuffix), os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	e := newEntry(s.Path, name, s.Size, f)
	if data, err := f.Stat(); err != nil || data.Size() != s.Size || len(s.Have) != len(e.state) || len(s.Sums) != len(e.sums) {
		_ = f.Close()
		return nil
	}
	e.used, e.sums = info.ModTime().UnixNano(), s.Sums
	for b, have := range s.Have {
		if have == 1 {
			e.state[b] = kept
			_, n := e.bounds(run{first: b, end: b + 1})
			e.room += n
		}
	}
	return e
}

// sweep removes files of the cache that belong to no entry.
func (c *Cache) sweep(files []os.DirEntry) error {
	known := map[string]bool{}
	for _, e := range c.entries {
		known[e.name+dataSuffix], known[e.name+mapSuffix] = true, true
	}
	for _, f := range files {
		if ours.MatchString(f.Name()) && !known[f.Name()] {
			if err := os.Remove(filepath.Join(c.dir, f.Name())); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	return nil
}
