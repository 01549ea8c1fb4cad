package served

// #cgo LDFLAGS: -Wl,--wrap=pread
// #include "served.h"
import "C"

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime/cgo"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File is a file of this process that is answered by a reader. Its methods may not be called concurrently; reading Path may.
type File struct {
	fd       int
	dev, ino uint64
	handle   cgo.Handle
	served   bool
	known    *known
	late     *late // nil: all of it was known from the start
}

// HeaderRead is how much DuckDB reads at once where it looks for a page's header. Of headers at least that long, a read gets no part of
// the page, which comes into DuckDB's memory at once then, with a read of its own.
const HeaderRead = 256

// ErrServe says that no more files can be served.
var ErrServe = errors.New("served file: too many, or served already")

// Create makes a file that has a path, and nothing to read yet. The name shows up in /proc only.
func Create(name string) (*File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // a kernel before 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("served file: create: %w", err)
	}
	return &File{fd: fd}, nil
}

// Serve gives the file its size and the reader of its bytes, which may be called from several threads at once. A short read is a
// failure. If it has a method Known, as pme.View does, what that tells is answered without it. If it has groups, as pme.LateView does, each is
// asked for when it is first read, or by Await. Nobody can write to the file, before or after: it has no memory.
func (f *File) Serve(r io.ReaderAt, size int64) error {
	if f.fd < 0 || f.served || size <= 0 {
		return errors.New("served file: closed, served already, or empty")
	}
	if err := unix.Ftruncate(f.fd, size); err != nil {
		return fmt.Errorf("served file: size: %w", err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("served file: seal: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return fmt.Errorf("served file: stat: %w", err)
	}
	f.dev, f.ino = uint64(st.Dev), st.Ino
	var err error
	if f.known, err = copyOf(r, size); err != nil {
		return err
	}
	if f.late, err = newLate(r, size); err != nil {
		f.known.free()
		return err
	}
	f.handle = cgo.NewHandle(f.late.reader(r))
	if C.cordon_serve(&C.struct_cordon_file{
		dev: C.uint64_t(f.dev), ino: C.uint64_t(f.ino), size: C.int64_t(size), handle: C.uintptr_t(f.handle),
		parts: f.known.parts, count: f.known.count, broken: f.known.state,
		groups: f.late.first(), group_count: f.late.count(),
	}) == 0 {
		f.handle.Delete()
		f.known.free()
		f.late.free()
		return ErrServe
	}
	f.served = true
	return nil
}

// Path names the file within this process, as long as it is open.
func (f *File) Path() string { return "/proc/self/fd/" + strconv.Itoa(f.fd) }

// Await makes a group ready, which reading it does as well: it waits until the reader has it. What fails once fails always. It may be called
// concurrently, and by several, until Close.
func (f *File) Await(group int) error {
	if f.late == nil {
		return nil
	}
	return f.late.await(group)
}

// Close ends it: reads that are under way end first, later ones find zero bytes. Closing twice is harmless. Nobody may be in Await.
func (f *File) Close() error {
	if f.served {
		C.cordon_unserve(C.uint64_t(f.dev), C.uint64_t(f.ino))
		f.handle.Delete()
		f.known.free()
		f.late.free()
		f.served = false
	}
	if f.fd < 0 {
		return nil
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return err
}

//export cordonServedRead
func cordonServedRead(handle C.uintptr_t, buf unsafe.Pointer, n C.size_t, off C.int64_t) C.int64_t {
	if n > math.MaxInt32 {
		n = math.MaxInt32 // a short read: the caller asks for the rest
	}
	r, ok := cgo.Handle(handle).Value().(io.ReaderAt)
	if !ok {
		return -1
	}
	got, err := r.ReadAt(unsafe.Slice((*byte)(buf), int(n)), int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		return -1
	}
	return C.int64_t(got)
}

//export cordonServedPages
func cordonServedPages(handle C.uintptr_t, i, n C.size_t, buf unsafe.Pointer, size C.int64_t) C.int64_t {
	r, ok := cgo.Handle(handle).Value().(knowing)
	if !ok || r.ReadPages(unsafe.Slice((*byte)(buf), int(size)), int(i), int(n)) != nil {
		return -1
	}
	return size
}
