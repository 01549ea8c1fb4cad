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
