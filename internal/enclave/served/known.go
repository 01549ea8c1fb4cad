package served

// #include <stdlib.h>
// #include "runs.h"
// #include "served.h"
import "C"

import (
	"errors"
	"io"
	"unsafe"
)

// knowing is a reader that knows some bytes of its file beforehand.
type knowing interface {
	// Known tells all parts of the file in order: with their bytes, or with nil where ReadPages or ReadAt has to be asked. What lies
	// between them is zero. Of one group are pages that the same thread will probably read, soon.
	Known(func(off, size int64, b []byte, group int))
	// ReadPages reads those of n parts, from the i-th on, that have no bytes, one behind the other. They are as long as b.
	ReadPages(b []byte, i, n int) error
}

// known is what such a reader told, in memory of C's: calls from DuckDB's threads into Go are dear.
type known struct {
	parts *C.struct_cordon_part
	count C.size_t
	bytes unsafe.Pointer
	size  int // of bytes
}

var errParts = errors.New("served file: parts out of order, or beyond its end")

// copyOf asks r for what it knows of a file of this size. Nothing is fine.
func copyOf(r io.ReaderAt, size int64) (k known, err error) {
	from, ok := r.(knowing)
	if !ok {
		return known{}, nil
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
		return known{}, err
	}
	k = known{count: C.size_t(n), size: total}
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
	return k, nil
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
	*k = known{}
}
