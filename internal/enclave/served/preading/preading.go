// Package preading reads files as DuckDB does, for tests of package served.
//
// Sees in clear: what a test serves. Never sees: anything of a job.
// Trusts: the linker, which puts package served in the way of pread.
// If it fails: a test fails. If it is wrong: a test tests something else.
package preading

// #define _GNU_SOURCE
// #include <stdlib.h>
// #include <string.h>
// #include <unistd.h>
import "C"

import "unsafe"

// Pread reads at an offset, through the C library's function.
func Pread(fd int, b []byte, off int64) (int, error) {
	buf := C.malloc(C.size_t(len(b) + 1))
	defer C.free(buf)
	C.memset(buf, 0xaa, C.size_t(len(b)+1))
	n, err := C.pread(C.int(fd), buf, C.size_t(len(b)), C.off_t(off))
	copy(b, unsafe.Slice((*byte)(buf), len(b)))
	if n < 0 {
		return 0, err
	}
	return int(n), nil
}
