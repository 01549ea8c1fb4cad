package memfile

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// File is a memory file: first writable and without a reader, then a sealed file without a writer. WriteAt may be called
// concurrently, the other methods may not; reading Path from other threads may.
//
// There are two ways to fill it. WriteAt is the faster one for fresh memory: the kernel takes pages in bulk, where writing
// through Bytes costs a page fault every 4 KiB.
type File struct {
	fd   int
	size int64
	mem  []byte // mapped by Bytes
	done bool
}

// Create makes a memory file with room for size bytes. The name shows up in /proc only.
func Create(name string, size int64) (*File, error) {
	if size <= 0 || int64(int(size)) != size {
		return nil, fmt.Errorf("memory file: size out of range")
	}
	fd, err := create(name)
	if err != nil {
		return nil, fmt.Errorf("memory file: create: %w", err)
	}
	f := &File{fd: fd, size: size}
	if err := unix.Ftruncate(fd, size); err != nil {
		f.Close()
		return nil, fmt.Errorf("memory file: size: %w", err)
	}
	return f, nil
}

// create asks for a file that can never be made executable, and falls back where the kernel is older than that (6.3).
func create(name string) (int, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		return unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// Bytes is all of the file as memory to write into, mapped at the first call. It is nil after Finish and where the kernel
// has no room for it; using the slice after Finish faults.
func (f *File) Bytes() []byte {
	if f.mem != nil || f.done {
		return f.mem
	}
	mem, err := unix.Mmap(f.fd, 0, int(f.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	// Core dumps are off in the enclave; this keeps the columns out of one all the same. Old kernels may refuse.
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	f.mem = mem
	return mem
}

// WriteAt writes within the room of the file.
func (f *File) WriteAt(b []byte, off int64) (n int, err error) {
	if off < 0 || int64(len(b)) > f.size-off {
		return 0, errors.New("memory file: write outside its room")
	}
	for n < len(b) {
		m, err := unix.Pwrite(f.fd, b[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("memory file: write: %w", err)
		}
		n += m
	}
	return n, nil
}

// Finish cuts the file to its final size, takes the mapping away and seals the file against writing, growing, shrinking
// and further seals. After an error the file must be closed.
func (f *File) Finish(size int64) error {
	if f.done || size < 0 || size > f.size {
		return errors.New("memory file: finished already, or longer than its room")
	}
	f.done = true
	if err := f.unmap(); err != nil {
		return fmt.Errorf("memory file: unmap: %w", err)
	}
	if err := unix.Ftruncate(f.fd, size); err != nil {
		return fmt.Errorf("memory file: size: %w", err)
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("memory file: seal: %w", err)
	}
	return nil
}

func (f *File) unmap() error {
	if f.mem == nil {
		return nil
	}
	mem := f.mem
	f.mem = nil
	return unix.Munmap(mem)
}

// Fd is the descriptor, or -1 after Close.
func (f *File) Fd() int { return f.fd }

// Path names the file within this process, as long as it is open.
func (f *File) Path() string { return "/proc/self/fd/" + strconv.Itoa(f.fd) }

// Close releases the memory, unless another descriptor or mapping of it exists. Closing twice is harmless.
func (f *File) Close() error {
	f.done = true
	_ = f.unmap()
	if f.fd < 0 {
		return nil
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return err
}
