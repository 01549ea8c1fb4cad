package served

// #include <stdlib.h>
// #include "served.h"
import "C"

import (
	"io"
	"runtime/cgo"
	"sync"
	"unsafe"

	"github.com/cordon-exchange/cordon/pme"
)

// growing is a reader that knows groups of its file late.
type growing interface {
	io.ReaderAt
	// Groups are their areas, in order. What Known tells lies outside them.
	Groups() []pme.Range
	// Group waits until a group can be read, and returns what reads it by offsets of the whole file.
	Group(g int) (io.ReaderAt, error)
}

// late is what became of a file's groups. What C reads of them is in its memory.
type late struct {
	growing
	groups []lateGroup
	c      []C.struct_cordon_group
}

type lateGroup struct {
	once  sync.Once
	known *known // nil: it is not open
	err   error
}

// newLate prepares for the groups of a reader; nil if it has none.
func newLate(r io.ReaderAt, size int64) (*late, error) {
	from, ok := r.(growing)
	if !ok {
		return nil, nil
	}
	areas := from.Groups()
	end := int64(0)
	for _, a := range areas {
		if a.Off < end || a.Len < 0 || a.Len > size-a.Off {
			return nil, errParts
		}
		end = a.Off + a.Len
	}
	if len(areas) == 0 {
		return nil, nil
	}
	l := &late{growing: from, groups: make([]lateGroup, len(areas))}
	mem := (*C.struct_cordon_group)(C.calloc(C.size_t(len(areas)), C.sizeof_struct_cordon_group))
	l.c = unsafe.Slice(mem, len(areas))
	for g, a := range areas {
		l.c[g].off, l.c[g].file.size = C.int64_t(a.Off), C.int64_t(a.Off+a.Len)
	}
	return l, nil
}

// reader is what C's handle stands for: l if r has groups.
func (l *late) reader(r io.ReaderAt) io.ReaderAt {
	if l == nil {
		return r
	}
	return l
}

func (l *late) first() *C.struct_cordon_group {
	if l == nil {
		return nil
	}
	return &l.c[0]
}

func (l *late) count() C.size_t {
	if l == nil {
		return 0
	}
	return C.size_t(len(l.c))
}

// await makes a group ready.
func (l *late) await(g int) error {
	of := &l.groups[g]
	of.once.Do(func() { of.err = l.open(g) })
	return of.err
}

func (l *late) open(g int) error {
	view, err := l.Group(g)
	if err != nil {
		return err
	}
	file := &l.c[g].file
	of := &l.groups[g]
	if of.known, err = copyOf(view, int64(file.size)); err != nil {
		return err
	}
	file.handle = C.uintptr_t(cgo.NewHandle(view))
	file.parts, file.count, file.broken = of.known.parts, of.known.count, of.known.state
	C.cordon_ready(&l.c[g])
	return nil
}

// free gives all of it back, erased. Nobody reads, nor awaits.
func (l *late) free() {
	if l == nil {
		return
	}
	for g := range l.groups {
		if l.c[g].ready != 0 {
			cgo.Handle(l.c[g].file.handle).Delete()
		}
		if k := l.groups[g].known; k != nil {
			k.free()
		}
	}
	C.free(unsafe.Pointer(&l.c[0]))
	l.groups, l.c = nil, nil
}

//export cordonServedAwait
func cordonServedAwait(handle C.uintptr_t, group C.size_t) C.int {
	l, ok := cgo.Handle(handle).Value().(*late)
	if !ok || l.await(int(group)) != nil {
		return -1
	}
	return 0
}
