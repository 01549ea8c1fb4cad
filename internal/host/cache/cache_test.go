package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lake is a source in memory, whose bytes are a function of where they are.
type lake struct {
	size int64

	mu    sync.Mutex
	asked int64 // bytes
	calls int
	err   error         // what every call answers, while it is set
	cut   int64         // bytes after which a stream breaks off, while it is not 0
	gate  chan struct{} // what streams wait for, once they have given half
}

const (
	path = "owner/data/v1/0.parquet"
	size = 10*blockSize + 1000
)

func content(off int64, b []byte) {
	for i := range b {
		at := off + int64(i)
		b[i] = byte(at ^ at>>8 ^ at>>16)
	}
}

func (l *lake) open(ctx context.Context, _ string, off, n int64) (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return nil, l.err
	}
	l.asked, l.calls = l.asked+n, l.calls+1
	b := make([]byte, n)
	content(off, b)
	if l.cut > 0 && l.cut < n {
		return io.NopCloser(io.MultiReader(bytes.NewReader(b[:l.cut]), broken{})), nil
	}
	if l.gate != nil {
		return io.NopCloser(io.MultiReader(bytes.NewReader(b[:n/2]), &gated{ctx, l.gate}, bytes.NewReader(b[n/2:]))), nil
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

var errBroken = errors.New("the line is cut")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

type gated struct {
	ctx  context.Context
	gate chan struct{}
}

func (g *gated) Read([]byte) (int, error) {
	select {
	case <-g.gate:
		return 0, io.EOF
	case <-g.ctx.Done():
		return 0, g.ctx.Err()
	}
}

func open(t testing.TB, dir string, limit int64) *Cache {
	t.Helper()
	c, err := Open(Options{Dir: dir, Bytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// read reads a range in one of the ways in which a server does.
func read(c *Cache, l *lake, name string, off, n int64) error {
	r, err := c.Read(context.Background(), Object{Path: name, Size: l.size, Off: off, N: n, From: l.open})
	if err != nil {
		return err
	}
	defer r.Close()
	var got bytes.Buffer
	switch off % 3 {
	case 0:
		_, err = io.Copy(struct{ io.Writer }{&got}, r)
	case 1:
		_, err = r.(io.WriterTo).WriteTo(&got)
	default:
		_, err = io.Copy(&got, struct{ io.Reader }{r})
	}
	if err != nil {
		return err
	}
	want := make([]byte, n)
	content(off, want)
	if !bytes.Equal(got.Bytes(), want) {
		return errors.New("other bytes")
	}
	return nil
}

func mustRead(t *testing.T, c *Cache, l *lake, off, n int64) {
	t.Helper()
	if err := read(c, l, path, off, n); err != nil {
		t.Fatalf("%d bytes at %d: %v", n, off, err)
	}
}

// TestAskedOnce: whatever is read, in whatever pieces, comes from the source once.
func TestAskedOnce(t *testing.T) {
	l, c := &lake{size: size}, open(t, t.TempDir(), 1<<30)
	for range 200 {
		off := rand.Int64N(size)
		mustRead(t, c, l, off, 1+rand.Int64N(size-off))
	}
	mustRead(t, c, l, 0, size)
	if l.asked != size {
		t.Errorf("%d bytes asked for, of %d", l.asked, size)
	}
}

// TestManyAtOnce: also when many want the same at the same time.
func TestManyAtOnce(t *testing.T) {
	l, c := &lake{size: size}, open(t, t.TempDir(), 1<<30)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			if err := read(c, l, path, int64(i), size-int64(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if l.asked != size {
		t.Errorf("%d bytes asked for, of %d", l.asked, size)
	}
}

// TestFirstGivesUp: who waits for what another fetches takes over when that one ends.
func TestFirstGivesUp(t *testing.T) {
	l, c := &lake{size: size, gate: make(chan struct{})}, open(t, t.TempDir(), 1<<30)
	ctx, cancel := context.WithCancel(t.Context())
	first, err := c.Read(ctx, Object{Path: path, Size: size, N: size, From: l.open})
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan error, 1)
	go func() { second <- read(c, l, path, 0, size) }()
	time.Sleep(20 * time.Millisecond)
	l.mu.Lock()
	l.gate = nil
	l.mu.Unlock()
	cancel()
	first.Close()
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	if l.calls != 2 || l.asked > size+size/2+blockSize {
		t.Errorf("%d calls for %d bytes", l.calls, l.asked)
	}
}

// TestSourceFails: its error is the reader's, and nothing wrong is kept.
func TestSourceFails(t *testing.T) {
	l, c := &lake{size: size, err: errors.New("no such object")}, open(t, t.TempDir(), 1<<30)
	if err := read(c, l, path, 0, size); !errors.Is(err, l.err) {
		t.Errorf("got %v", err)
	}
	l.err, l.cut = nil, 2*blockSize+5
	if err := read(c, l, path, 0, size); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
	l.cut = 0
	mustRead(t, c, l, 0, size)
	if l.asked != size+size-2*blockSize {
		t.Errorf("%d bytes asked for", l.asked)
	}
}

// TestOverARestart: what was there is there again.
func TestOverARestart(t *testing.T) {
	dir, l := t.TempDir(), &lake{size: size}
	c := open(t, dir, 1<<30)
	mustRead(t, c, l, blockSize, 3*blockSize)
	c.Close()
	c = open(t, dir, 1<<30)
	if !c.Has(path) {
		t.Error("not there")
	}
	mustRead(t, c, l, blockSize, 3*blockSize)
	if l.asked != 3*blockSize {
		t.Errorf("%d bytes asked for", l.asked)
	}
	mustRead(t, c, l, 0, size)
	if l.asked != size {
		t.Errorf("%d bytes asked for", l.asked)
	}
}

func fileOf(t *testing.T, dir, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%v (%v)", found, err)
	}
	return found[0]
}

// TestSpoiledOverARestart: what was spoiled is fetched again, the rest is not.
func TestSpoiledOverARestart(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, dir string)
		again int64 // bytes
	}{
		"a flipped bit": {func(t *testing.T, dir string) {
			flip(t, fileOf(t, dir, dataSuffix), 4*blockSize+7)
		}, blockSize},
		"a truncated file": {func(t *testing.T, dir string) {
			if err := os.Truncate(fileOf(t, dir, dataSuffix), size/2); err != nil {
				t.Fatal(err)
			}
		}, size},
		"a file that is gone": {func(t *testing.T, dir string) { os.Remove(fileOf(t, dir, dataSuffix)) }, size},
		"a map that is gone":  {func(t *testing.T, dir string) { os.Remove(fileOf(t, dir, mapSuffix)) }, size},
		"half a map": {func(t *testing.T, dir string) {
			if err := os.Truncate(fileOf(t, dir, mapSuffix), 100); err != nil {
				t.Fatal(err)
			}
		}, size},
		"a map of another size": {func(t *testing.T, dir string) {
			rewrite(t, fileOf(t, dir, mapSuffix), "\"size\":656360", "\"size\":656361")
		}, size},
		"a map of no object": {func(t *testing.T, dir string) { rewrite(t, fileOf(t, dir, mapSuffix), path, "../../../../etc/passwd0") }, size},
	} {
		t.Run(name, func(t *testing.T) {
			dir, l := t.TempDir(), &lake{size: size}
			first := open(t, dir, 1<<30)
			mustRead(t, first, l, 0, size)
			first.Close()
			c.spoil(t, dir)
			again := open(t, dir, 1<<30)
			mustRead(t, again, l, 0, size)
			if l.asked-size != c.again {
				t.Errorf("%d bytes asked for again, want %d", l.asked-size, c.again)
			}
		})
	}
}

func flip(t *testing.T, file string, at int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{b[0] ^ 1}, at); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, file, from, to string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), from) {
		t.Fatalf("%s (%v)", b[:100], err)
	}
	if err := os.WriteFile(file, bytes.ReplaceAll(b, []byte(from), []byte(to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTruncatedMeanwhile: a file that loses its end while it is read costs a stream, and no reader its bytes.
func TestTruncatedMeanwhile(t *testing.T) {
	dir, l := t.TempDir(), &lake{size: size}
	c := open(t, dir, 1<<30)
	mustRead(t, c, l, 0, size)
	for off := range int64(3) {
		if err := os.Truncate(fileOf(t, dir, dataSuffix), size/2); err != nil {
			t.Fatal(err)
		}
		mustRead(t, c, l, off, size-off)
		if c.Has(path) {
			t.Fatal("it is kept")
		}
		mustRead(t, c, l, 0, size)
	}
}

// TestDropped: who reads an object that is dropped reads on, and the next one reads it anew.
func TestDropped(t *testing.T) {
	l, c := &lake{size: size}, open(t, t.TempDir(), 1<<30)
	mustRead(t, c, l, 0, size)
	r, err := c.Read(t.Context(), Object{Path: path, Size: size, N: size, From: l.open})
	if err != nil {
		t.Fatal(err)
	}
	c.Drop(path)
	if b, err := io.ReadAll(r); err != nil || len(b) != size {
		t.Errorf("%d bytes (%v)", len(b), err)
	}
	r.Close()
	l.asked = 0
	mustRead(t, c, l, 0, size)
	if l.asked != size || c.held != size {
		t.Errorf("%d bytes asked for, %d held", l.asked, c.held)
	}
}

// TestOtherSize: an object that has another size than it had is another object.
func TestOtherSize(t *testing.T) {
	l, c := &lake{size: size}, open(t, t.TempDir(), 1<<30)
	mustRead(t, c, l, 0, size)
	l.size = 2 * size
	mustRead(t, c, l, 0, 2*size)
	if l.asked != 3*size {
		t.Errorf("%d bytes asked for", l.asked)
	}
}

// TestBounded: what was used longest ago goes, also over a restart, and what does not fit is streamed.
func TestBounded(t *testing.T) {
	dir, l := t.TempDir(), &lake{size: 4 * blockSize}
	c := open(t, dir, 10*blockSize)
	all := func(names ...string) {
		t.Helper()
		for _, n := range names {
			if err := read(c, l, n, 0, l.size); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond) // files' times tell them apart
		}
	}
	kept := func() (names []string) {
		for _, n := range []string{"o/a", "o/b", "o/c", "o/d"} {
			if c.Has(n) {
				names = append(names, n)
			}
		}
		return names
	}
	all("o/a", "o/b", "o/a", "o/c")
	if got := kept(); !slices.Equal(got, []string{"o/a", "o/c"}) {
		t.Errorf("%v are kept", got)
	}
	all("o/a")
	c.Close()
	c = open(t, dir, 5*blockSize)
	if got := kept(); !slices.Equal(got, []string{"o/a"}) {
		t.Errorf("%v are kept after a restart with less room", got)
	}
	l.size = 6 * blockSize
	all("o/d")
	if got := kept(); !slices.Equal(got, []string{"o/a"}) {
		t.Errorf("%v are kept after one that does not fit", got)
	}
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
}

// TestInUseStays: what is being read is not put out, and what finds no room beside it is streamed.
func TestInUseStays(t *testing.T) {
	l, c := &lake{size: 4 * blockSize}, open(t, t.TempDir(), 6*blockSize)
	r, err := c.Read(t.Context(), Object{Path: "o/a", Size: l.size, N: l.size, From: l.open})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if err := read(c, l, "o/b", 0, l.size); err != nil {
			t.Fatal(err)
		}
	}
	if !c.Has("o/a") || c.held > 6*blockSize {
		t.Errorf("put out: %v; %d bytes held", !c.Has("o/a"), c.held)
	}
}

// TestFolders: one that can't be used is an error; one that another host uses is not shared; foreign files are not touched.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "precious.data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir, 1<<20)
	if _, err := Open(Options{Dir: dir, Bytes: 1 << 20}); !errors.Is(err, errTaken) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	for _, o := range []Options{{Dir: file, Bytes: 1 << 20}, {Bytes: 1 << 20}, {Dir: t.TempDir()}} {
		if c, err := Open(o); err == nil {
			c.Close()
			t.Errorf("opened %+v", o)
		}
	}
}
