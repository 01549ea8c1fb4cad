package served

// #include <stdlib.h>
// #include "gcm.h"
// #include "runs.h"
// #include "served.h"
import "C"

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/cordon-exchange/cordon/pme"
)

// knowing is a reader that knows some bytes of its file beforehand.
type knowing interface {
	// Known tells all parts of the file in order: with their bytes, or with nil where ReadPages or ReadAt has to be asked. What lies
	// between them is zero. Of one group are pages that the same thread will probably read, soon.
	Known(func(off, size int64, b []byte, group int))
	// ReadPages reads those of n parts, from the i-th on, that have no bytes, one behind the other. They are as long as b.
	ReadPages(b []byte, i, n int) error
}

// sealing is a reader that says how its pages are decrypted.
type sealing interface {
	// SealedPage describes the i-th part; its AAD may lie in room. It is not ok for parts that the reader must be asked for.
	SealedPage(i int, room []byte) (s pme.SealedPage, ok bool)
	// Marks has one for each part, which becomes 1 when its tag was compared.
	Marks() []atomic.Uint32
}

// known is what such a reader told, in memory of C's: calls from DuckDB's threads into Go are dear.
type known struct {
	parts *C.struct_cordon_part
	count C.size_t
	bytes unsafe.Pointer
	size  int // of bytes
	aads  unsafe.Pointer
	state *C.uint32_t
	lent  runtime.Pinner // what C reads and marks of Go's memory
}

var errParts = errors.New("served file: parts out of order, or beyond its end")

// copyOf asks r for what it knows of a file of this size. Nothing is fine.
func copyOf(r io.ReaderAt, size int64) (k *known, err error) {
	k = &known{}
	from, ok := r.(knowing)
	if !ok {
		return k, nil
	}
	n, total, end := 0, 0, int64(0)
	from.Known(func(off, size64 int64, b []byte, _ int) {
		if off < end || size64 < 0 || size64 > size-off || b != nil && int64(len(b)) != size64 {
			err = errParts
			return
		}
		n, total, end = n+1, total+len(b), off+size64
	})
	if err != nil || n == 0 {
		return k, err
	}
	k.count, k.size = C.size_t(n), total
	k.parts = (*C.struct_cordon_part)(C.malloc(C.size_t(n) * C.sizeof_struct_cordon_part))
	k.bytes = C.malloc(C.size_t(total + 1)) // never of nothing
	parts, bytes := unsafe.Slice(k.parts, n), unsafe.Slice((*byte)(k.bytes), total)
	i, at, before := 0, 0, int64(0)
	from.Known(func(off, size64 int64, b []byte, group int) {
		parts[i] = C.struct_cordon_part{off: C.int64_t(off), size: C.int64_t(size64), group: C.int64_t(group), before: C.int64_t(before)}
		if b != nil {
			parts[i].bytes = (*C.uint8_t)(unsafe.Add(k.bytes, at))
			at += copy(bytes[at:], b)
		} else {
			before += size64
		}
		i++
	})
	if from, ok := r.(sealing); ok {
		k.seal(from, parts)
	}
	return k, nil
}

// seal notes how pages are decrypted.
func (k *known) seal(from sealing, parts []C.struct_cordon_part) {
	marks := from.Marks()
	if len(marks) != len(parts) {
		return
	}
	k.lent.Pin(unsafe.SliceData(marks))
	var aads []byte
	room := make([]byte, 0, 256)
	for i := range parts {
		s, ok := from.SealedPage(i, room)
		if !ok || int64(len(s.Box)) != int64(parts[i].size)+C.OVERHEAD || len(s.Key) != ScheduleSize || uintptr(unsafe.Pointer(unsafe.SliceData(s.Key)))%64 != 0 {
			continue
		}
		aads = append(aads, s.AAD...)
		k.lent.Pin(unsafe.SliceData(s.Key))
		k.lent.Pin(unsafe.SliceData(s.Box))
		parts[i].key, parts[i].box = pointer(s.Key), pointer(s.Box)
		parts[i].read = (*C.uint32_t)(unsafe.Pointer(&marks[i]))
		parts[i].aad_size = C.int64_t(len(s.AAD))
	}
	k.state = (*C.uint32_t)(C.calloc(1, C.sizeof_uint32_t))
	k.aads = C.CBytes(aads)
	at := 0
	for i := range parts {
		if parts[i].box != nil {
			parts[i].aad = (*C.uint8_t)(unsafe.Add(k.aads, at))
			at += int(parts[i].aad_size)
		}
	}
}

// kept is how many bytes of files lie in runs, for tests.
func kept() int { return int(C.runs_kept()) }

// free gives the memory back, erased.
func (k *known) free() {
	if k.bytes != nil {
		clear(unsafe.Slice((*byte)(k.bytes), k.size))
	}
	C.free(unsafe.Pointer(k.parts))
	C.free(k.bytes)
	C.free(k.aads)
	C.free(unsafe.Pointer(k.state))
	k.lent.Unpin()
	k.parts, k.count, k.bytes, k.aads, k.state = nil, 0, nil, nil, nil
}
