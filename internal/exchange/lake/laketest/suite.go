package laketest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
)

// Run runs the suite. open gives an empty lake.
func Run(t *testing.T, open func(t *testing.T) lake.Lake) {
	for name, f := range map[string]func(*testing.T, lake.Lake){
		"round trip":           roundTrip,
		"ranges":               ranges,
		"written once":         writtenOnce,
		"partial is invisible": partialIsInvisible,
		"failed upload":        failedUpload,
		"canceled upload":      canceledUpload,
		"paths":                paths,
		"delete":               deletes,
		"concurrency":          concurrency,
		"large":                large,
		"large at once":        largeAtOnce,
		"folders":              folders,
		"empty":                empty,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func put(t *testing.T, l lake.Lake, path, content string) {
	t.Helper()
	if err := l.Put(t.Context(), path, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func get(ctx context.Context, l lake.Lake, path string, from, length int64) (string, error) {
	r, err := l.Read(ctx, path, from, length)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func roundTrip(t *testing.T, l lake.Lake) {
	big := make([]byte, 3<<20+17)
	for i := range big {
		big[i] = byte(rand.Uint32())
	}
	for _, content := range []string{"x", string(big)} {
		path := "a/b/" + strings.Repeat("f", min(len(content), 9)) + ".parquet"
		put(t, l, path, content)
		n, err := l.Size(t.Context(), path)
		if err != nil || n != int64(len(content)) {
			t.Fatalf("size: %d, %v", n, err)
		}
		got, err := get(t.Context(), l, path, 0, n)
		if err != nil || got != content {
			t.Fatalf("read %d bytes of %d: %v", len(got), n, err)
		}
		var to bytes.Buffer
		r, err := l.Read(t.Context(), path, 0, n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&to, r); err != nil || to.String() != content {
			t.Fatalf("copied %d bytes of %d: %v", to.Len(), n, err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func ranges(t *testing.T, l lake.Lake) {
	put(t, l, "a/b", "0123456789")
	for _, c := range []struct {
		from, length int64
		want         string
		err          error
	}{
		{0, 10, "0123456789", nil}, {3, 4, "3456", nil}, {9, 1, "9", nil}, {10, 0, "", nil}, {0, 0, "", nil},
		{0, 11, "", lake.ErrRange}, {9, 2, "", lake.ErrRange}, {11, 0, "", lake.ErrRange}, {-1, 2, "", lake.ErrRange},
		{2, -1, "", lake.ErrRange}, {5, 1<<63 - 1, "", lake.ErrRange},
	} {
		got, err := get(t.Context(), l, "a/b", c.from, c.length)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%d+%d: got %q, %v", c.from, c.length, got, err)
		}
	}
}

func writtenOnce(t *testing.T, l lake.Lake) {
	put(t, l, "a/b", "first")
	if err := l.Put(t.Context(), "a/b", strings.NewReader("second")); !errors.Is(err, lake.ErrExists) {
		t.Fatalf("second write: %v", err)
	}
	if got, err := get(t.Context(), l, "a/b", 0, 5); got != "first" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
}

// gate gives some bytes, then waits before it gives its end.
type gate struct {
	reached, open chan struct{}
	err           error
	given         bool
}

func newGate(err error) *gate {
	return &gate{reached: make(chan struct{}), open: make(chan struct{}), err: err}
}

func (g *gate) Read(p []byte) (int, error) {
	if !g.given {
		g.given = true
		return copy(p, "partial"), nil
	}
	close(g.reached)
	<-g.open
	return 0, g.err
}

func partialIsInvisible(t *testing.T, l lake.Lake) {
	g := newGate(io.EOF)
	done := make(chan error, 1)
	go func() { done <- l.Put(t.Context(), "a/b", g) }()
	<-g.reached
	if _, err := l.Size(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("size while it is written: %v", err)
	}
	if _, err := l.Read(t.Context(), "a/b", 0, 1); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("read while it is written: %v", err)
	}
	close(g.open)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, err := get(t.Context(), l, "a/b", 0, 7); got != "partial" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
}

func failedUpload(t *testing.T, l lake.Lake) {
	broken := errors.New("broken")
	g := newGate(broken)
	close(g.open)
	if err := l.Put(t.Context(), "a/b", g); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if _, err := l.Size(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Fatalf("size after a failed write: %v", err)
	}
	put(t, l, "a/b", "whole")
}

func canceledUpload(t *testing.T, l lake.Lake) {
	ctx, cancel := context.WithCancel(t.Context())
	g := newGate(io.EOF)
	done := make(chan error, 1)
	go func() { done <- l.Put(ctx, "a/b", g) }()
	<-g.reached
	cancel()
	close(g.open)
	if err := <-done; err == nil {
		t.Fatal("canceled write succeeded")
	}
	if _, err := l.Size(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Fatalf("size after a canceled write: %v", err)
	}
}

func paths(t *testing.T, l lake.Lake) {
	put(t, l, "a/b", "x")
	for _, p := range []string{"", "a", "/a/b", "a//b", "a/../a/b", "../a", "a/.b", "a/b/", "a/B", "a\\b", "a/b\x00", strings.Repeat("a/", 300) + "a"} {
		if err := l.Put(t.Context(), p, strings.NewReader("y")); err == nil {
			t.Errorf("wrote to %q", p)
		}
		if _, err := l.Size(t.Context(), p); !errors.Is(err, lake.ErrNotFound) {
			t.Errorf("size of %q: %v", p, err)
		}
		if _, err := l.Read(t.Context(), p, 0, 1); !errors.Is(err, lake.ErrNotFound) {
			t.Errorf("read of %q: %v", p, err)
		}
		if err := l.Delete(t.Context(), p); !errors.Is(err, lake.ErrNotFound) {
			t.Errorf("delete of %q: %v", p, err)
		}
	}
}

func deletes(t *testing.T, l lake.Lake) {
	put(t, l, "a/b", "0123456789")
	r, err := l.Read(t.Context(), "a/b", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := l.Delete(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); string(b) != "0123456789" || err != nil {
		t.Errorf("reader of a removed object: %q, %v", b, err)
	}
	if err := l.Delete(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("second delete: %v", err)
	}
	put(t, l, "a/b", "new")
}

func concurrency(t *testing.T, l lake.Lake) {
	var wg sync.WaitGroup
	var won atomic.Int32
	for n := range 16 {
		content := strings.Repeat(string(rune('a'+n)), 1000)
		wg.Go(func() {
			switch err := l.Put(t.Context(), "a/b", strings.NewReader(content)); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, lake.ErrExists):
				t.Error(err)
			}
			got, err := get(t.Context(), l, "a/b", 0, 1000)
			if err != nil || strings.Count(got, got[:1]) != 1000 {
				t.Errorf("read %d bytes: %v", len(got), err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 writes of one path succeeded", won.Load())
	}
}

// largeSize is more than implementations send in one piece.
const largeSize = 40<<20 + 17

// pattern gives n bytes that differ by their place and by seed.
type pattern struct {
	n, at int64
	seed  byte
	err   error // instead of io.EOF
}

func (p *pattern) Read(b []byte) (int, error) {
	n := min(int64(len(b)), p.n-p.at)
	for i := range b[:n] {
		b[i] = byteAt(p.at+int64(i), p.seed)
	}
	if p.at += n; p.at < p.n {
		return int(n), nil
	}
	if p.err != nil {
		return int(n), p.err
	}
	return int(n), io.EOF
}

func byteAt(at int64, seed byte) byte { return byte(at>>16) ^ byte(at) ^ seed }

func large(t *testing.T, l lake.Lake) {
	broken := errors.New("broken")
	if err := l.Put(t.Context(), "a/b", &pattern{n: largeSize, err: broken}); !errors.Is(err, broken) {
		t.Fatalf("failed at its end: %v", err)
	}
	if _, err := l.Size(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Fatalf("size after a failed write: %v", err)
	}
	if err := l.Put(t.Context(), "a/b", &pattern{n: largeSize}); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Size(t.Context(), "a/b"); n != largeSize || err != nil {
		t.Fatalf("size: %d, %v", n, err)
	}
	if err := l.Put(t.Context(), "a/b", &pattern{n: largeSize, seed: 1}); !errors.Is(err, lake.ErrExists) {
		t.Fatalf("second write: %v", err)
	}
	for _, c := range []struct{ from, length int64 }{{0, 10}, {largeSize - 5, 5}, {16<<20 - 3, 6}, {7, 33 << 20}} {
		r, err := l.Read(t.Context(), "a/b", c.from, c.length)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if int64(len(b)) != c.length || err != nil {
			t.Fatalf("%d+%d: %d bytes, %v", c.from, c.length, len(b), err)
		}
		for i := range b {
			if b[i] != byteAt(c.from+int64(i), 0) {
				t.Fatalf("%d+%d: byte %d is another", c.from, c.length, i)
			}
		}
	}
	if _, err := l.Read(t.Context(), "a/b", largeSize-5, 6); !errors.Is(err, lake.ErrRange) {
		t.Errorf("a range past the end: %v", err)
	}
}

// meet holds uploads back until all have sent most of what they have: then all end at once.
type meet struct {
	pattern
	all *sync.WaitGroup
	met bool
}

func (m *meet) Read(b []byte) (int, error) {
	if !m.met && m.at > 20<<20 {
		m.met = true
		m.all.Done()
		m.all.Wait()
	}
	return m.pattern.Read(b)
}

func largeAtOnce(t *testing.T, l lake.Lake) {
	const writers = 3
	var all, done sync.WaitGroup
	all.Add(writers)
	var won atomic.Int32
	for n := range writers {
		done.Go(func() {
			err := l.Put(t.Context(), "a/b", &meet{pattern: pattern{n: 24 << 20, seed: byte(n)}, all: &all})
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, lake.ErrExists) {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of %d uploads of one path succeeded", won.Load(), writers)
	}
}

// folders: what other paths begin with is no object.
func folders(t *testing.T, l lake.Lake) {
	put(t, l, "a/b/c", "x")
	if _, err := l.Size(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("size of a folder: %v", err)
	}
	if _, err := l.Read(t.Context(), "a/b", 0, 0); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("read of a folder: %v", err)
	}
	if err := l.Delete(t.Context(), "a/b"); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("delete of a folder: %v", err)
	}
	if got, err := get(t.Context(), l, "a/b/c", 0, 1); got != "x" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func empty(t *testing.T, l lake.Lake) {
	put(t, l, "a/b", "")
	if n, err := l.Size(t.Context(), "a/b"); n != 0 || err != nil {
		t.Errorf("size: %d, %v", n, err)
	}
	if got, err := get(t.Context(), l, "a/b", 0, 0); got != "" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := l.Read(t.Context(), "a/b", 0, 1); !errors.Is(err, lake.ErrRange) {
		t.Errorf("a byte of nothing: %v", err)
	}
	if err := l.Put(t.Context(), "a/b", strings.NewReader("x")); !errors.Is(err, lake.ErrExists) {
		t.Errorf("written over: %v", err)
	}
}
