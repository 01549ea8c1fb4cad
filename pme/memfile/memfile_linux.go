package memfile

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// File is a memory file: first writable memory without a reader, then a sealed file without a writer.
// Its methods may not be called concurrently; reading Path from other threads may.
type File struct {
	fd  int
	mem []byte
}

// Create makes a memory file of size bytes, mapped for writing. The name shows up in /proc only.
func Create(name string, size int64) (*File, error) {
	if size <= 0 || int64(int(size)) != size {
		return nil, fmt.Errorf("memory file: size out of range")
	}
	fd, err := create(name)
	if err != nil {
		return nil, fmt.Errorf("memory file: create: %w", err)
	}
	f := &File{fd: fd}
	if err := f.mapped(size); err != nil {
		f.Close()
		return nil, err
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

func (f *File) mapped(size int64) error {
	if err := unix.Ftruncate(f.fd, size); err != nil {
		return fmt.Errorf("memory file: size: %w", err)
	}
	mem, err := unix.Mmap(f.fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("memory file: map: %w", err)
	}
	f.mem = mem
	// Core dumps are off in the enclave; this keeps the columns out of one all the same. Old kernels may refuse.
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	return nil
}

// Bytes is the memory to write into. It is nil after Finish, and using the slice after Finish faults.
func (f *File) Bytes() []byte { return f.mem }

// Finish cuts the file to its final size, takes the mapping away and seals the file against writing, growing, shrinking
// and further seals. After an error the file must be closed.
func (f *File) Finish(size int64) error {
	if f.mem == nil || size < 0 || size > int64(len(f.mem)) {
		return fmt.Errorf("memory file: finished already, or longer than its memory")
	}
	err := unix.Munmap(f.mem)
	f.mem = nil
	if err != nil {
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

// Fd is the descriptor, or -1 after Close.
func (f *File) Fd() int { return f.fd }

// Path names the file within this process, as long as it is open.
func (f *File) Path() string { return "/proc/self/fd/" + strconv.Itoa(f.fd) }

// Close releases the memory, unless another descriptor or mapping of it exists. Closing twice is harmless.
func (f *File) Close() error {
	if f.mem != nil {
		clear(f.mem)
		_ = unix.Munmap(f.mem)
		f.mem = nil
	}
	if f.fd < 0 {
		return nil
	}
	err := unix.Close(f.fd)
	f.fd = -1
	return err
}
