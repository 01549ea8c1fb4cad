package served

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/pme"
)

// growingFile is a file of which each group is known when it has come.
type growingFile struct {
	*paged
	areas []pme.Range
	came  []chan error // closed, or told an error
	asked []int        // how often each was asked for
	mu    sync.Mutex
}

func newGrowing(seed uint64, groups int) *growingFile {
	g := &growingFile{paged: newPaged(seed, groups, 5, 3000), asked: make([]int, groups)}
	for i := range groups {
		var a pme.Range
		for _, p := range g.parts {
			if p.group != i {
				continue
			}
			if a.Len == 0 {
				a.Off = p.off
			}
			a.Len = p.off + p.size - a.Off
		}
		g.areas, g.came = append(g.areas, a), append(g.came, make(chan error, 1))
	}
	return g
}

func (g *growingFile) Groups() []pme.Range { return g.areas }

func (g *growingFile) Known(f func(off, size int64, b []byte, group int)) {
	for _, x := range g.parts {
		if x.group < 0 {
			f(x.off, x.size, g.b[x.off:x.off+x.size], -1)
		}
	}
}

func (g *growingFile) ReadAt(b []byte, off int64) (int, error) {
	for i, a := range g.areas {
		if off < a.Off+a.Len && off+int64(len(b)) > a.Off {
			if _, err := g.Group(i); err != nil {
				return 0, err
			}
		}
	}
	return g.paged.ReadAt(b, off)
}

func (g *growingFile) Group(i int) (io.ReaderAt, error) {
	g.mu.Lock()
	g.asked[i]++
	g.mu.Unlock()
	err, more := <-g.came[i]
	if more {
		g.came[i] <- err
		return nil, err
	}
	return &groupOf{g, i}, nil
}

// groupOf has the parts of one group.
type groupOf struct {
	of *growingFile
	i  int
}

func (g *groupOf) parts() (out []part) {
	for _, x := range g.of.parts {
		if x.group == g.i {
			out = append(out, x)
		}
	}
	return out
}

func (g *groupOf) Known(f func(off, size int64, b []byte, group int)) {
	for _, x := range g.parts() {
		var b []byte
		if x.known {
			b = g.of.b[x.off : x.off+x.size]
		}
		f(x.off, x.size, b, x.group)
	}
}

func (g *groupOf) ReadAt(b []byte, off int64) (int, error) { return g.of.paged.ReadAt(b, off) }

func (g *groupOf) ReadPages(b []byte, i, n int) error {
	for _, x := range g.parts()[i : i+n] {
		if !x.known {
			b = b[copy(b, g.of.b[x.off:x.off+x.size]):]
		}
	}
	return nil
}

// What lies outside of groups is answered at once; a read of a group waits until it has come, and for no other group. Each is asked for once.
func TestReadsWaitForTheirGroup(t *testing.T) {
	g := newGrowing(1, 6)
	f := serve(t, g, int64(len(g.b)))
	pread := reading(t, f)
	end := g.parts[len(g.parts)-1]
	if b, err := pread(int(end.size), end.off); err != nil || !bytes.Equal(b, g.b[end.off:]) {
		t.Fatalf("the end: %v", err)
	}
	close(g.came[4])
	read := func(i int) {
		for _, x := range (&groupOf{g, i}).parts() {
			for n := range min(3, x.size) { // whole, and parts of it
				if b, err := pread(int(x.size-n), x.off+n); err != nil || !bytes.Equal(b, g.b[x.off+n:x.off+x.size]) {
					t.Errorf("%d bytes at %d: %v", x.size, x.off, err)
				}
			}
		}
	}
	read(4)
	var all, began sync.WaitGroup
	var done [6]sync.WaitGroup
	for i := range 6 {
		for range 4 {
			began.Add(1)
			done[i].Add(1)
			all.Go(func() { began.Done(); read(i); done[i].Done() })
		}
		all.Go(func() {
			if err := f.Await(i); err != nil {
				t.Error(err)
			}
		})
	}
	began.Wait()
	for _, i := range []int{3, 0, 5, 1, 2} {
		close(g.came[i])
		done[i].Wait()
	}
	all.Wait()
	for i, n := range g.asked {
		if n != 1 {
			t.Errorf("group %d was asked for %d times", i, n)
		}
	}
	whole := g.areas[5].Off + g.areas[5].Len
	if b, err := pread(int(whole), 0); err != nil || !bytes.Equal(b, g.b[:whole]) {
		t.Errorf("of all groups at once: %v", err)
	}
	first := (&groupOf{g, 0}).parts()[1]
	if _, err := pread(int(first.size), first.off); err != nil || kept() == 0 {
		t.Errorf("nothing is kept of the pages behind the one that was read: %v", err)
	}
	f.Close()
	if n := kept(); n != 0 {
		t.Errorf("%d bytes are kept of a file that is closed", n)
	}
}

// A group that does not come fails those who read it, always, and nobody else.
func TestAGroupThatFails(t *testing.T) {
	g := newGrowing(2, 2)
	f := serve(t, g, int64(len(g.b)))
	pread := reading(t, f)
	close(g.came[0])
	g.came[1] <- errSecret
	for i, a := range g.areas {
		for range 2 {
			if _, err := pread(10, a.Off); (err != nil) != (i == 1) {
				t.Errorf("group %d: %v", i, err)
			}
			if err := f.Await(i); errors.Is(err, errSecret) != (i == 1) {
				t.Errorf("group %d: %v", i, err)
			}
		}
	}
	if _, err := pread(int(g.areas[1].Off)+10, 0); err == nil {
		t.Error("a read of both")
	}
}

// Groups that overlap or lie outside the file are refused.
func TestGroupsThatAreNone(t *testing.T) {
	for name, areas := range map[string][]pme.Range{
		"overlap": {{Off: 4, Len: 10}, {Off: 13, Len: 10}}, "out of order": {{Off: 50, Len: 10}, {Off: 4, Len: 10}},
		"behind the end": {{Off: 4, Len: 1 << 40}}, "negative": {{Off: 4, Len: -1}}, "before it": {{Off: -4, Len: 10}},
	} {
		g := newGrowing(3, 2)
		g.areas = areas
		f, err := Create("lies")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Serve(g, int64(len(g.b))); !errors.Is(err, errParts) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}
