package memfile_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/cordon-exchange/cordon/pme/memfile"
)

func create(t *testing.T, size int64) *memfile.File {
	t.Helper()
	f, err := memfile.Create("test", size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestBothWays: what is written by either way is what is there.
func TestBothWays(t *testing.T) {
	f := create(t, 10000)
	if n, err := f.WriteAt([]byte("written"), 5000); n != 7 || err != nil {
		t.Fatal(n, err)
	}
	copy(f.Bytes(), "mapped")
	if got := f.Bytes()[5000:5007]; string(got) != "written" || len(f.Bytes()) != 10000 {
		t.Errorf("%q in %d bytes", got, len(f.Bytes()))
	}
}

func TestSizes(t *testing.T) {
	for _, size := range []int64{0, -1} {
		if f, err := memfile.Create("test", size); err == nil {
			f.Close()
			t.Errorf("made %d bytes", size)
		}
	}
	f := create(t, 100)
	for _, off := range []int64{-1, 98, 1 << 62} {
		if _, err := f.WriteAt([]byte("abc"), off); err == nil {
			t.Errorf("wrote at %d", off)
		}
	}
	for _, size := range []int64{-1, 101} {
		if err := f.Finish(size); err == nil {
			t.Errorf("finished with %d bytes", size)
		}
	}
}

// TestFinished: afterwards nothing can be written, and Finish works once.
func TestFinished(t *testing.T) {
	f := create(t, 100)
	if _, err := f.WriteAt(bytes.Repeat([]byte{7}, 100), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(60); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 0); err == nil {
		t.Error("wrote after Finish")
	}
	if err := f.Finish(50); err == nil {
		t.Error("finished twice")
	}
	if f.Path() == "" {
		return // no paths on this system
	}
	b, err := os.ReadFile(f.Path())
	if err != nil || !bytes.Equal(b, bytes.Repeat([]byte{7}, 60)) {
		t.Errorf("reads %v: %v", b, err)
	}
}

func TestClose(t *testing.T) {
	f := create(t, 100)
	path := f.Path()
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if f.Fd() != -1 || f.Bytes() != nil || f.Finish(1) == nil {
		t.Error("usable after Close")
	}
	if _, err := os.ReadFile(path); path != "" && err == nil {
		t.Error("path reads after Close")
	}
}

func TestScratch(t *testing.T) {
	for _, n := range []int64{0, -1} {
		if _, err := memfile.NewScratch(n); err == nil {
			t.Errorf("made %d bytes", n)
		}
	}
	s, err := memfile.NewScratch(5 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if b := s.Bytes(); len(b) != 5<<20 || b[0] != 0 || b[5<<20-1] != 0 {
		t.Errorf("%d bytes", len(b))
	}
	s.Bytes()[5<<20-1] = 1
	s.Free()
	s.Free()
	if s.Bytes() != nil {
		t.Error("there after Free")
	}
}
