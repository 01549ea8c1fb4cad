//go:build !linux

package memfile

import "errors"

// File is the same memory without a path: only Linux has files in memory that another library can open by name.
type File struct {
	mem      []byte
	finished bool
}

// Create makes size bytes of memory. The name is not used.
func Create(_ string, size int64) (*File, error) {
	if size <= 0 || int64(int(size)) != size {
		return nil, errors.New("memory file: size out of range")
	}
	return &File{mem: make([]byte, size)}, nil
}

// Bytes is the memory, to write into before Finish and to read from after it.
func (f *File) Bytes() []byte { return f.mem }

// WriteAt writes within the room of the memory.
func (f *File) WriteAt(b []byte, off int64) (int, error) {
	if f.finished || off < 0 || int64(len(b)) > int64(len(f.mem))-off {
		return 0, errors.New("memory file: write outside its room")
	}
	return copy(f.mem[off:], b), nil
}

// Finish cuts the memory to its final size.
func (f *File) Finish(size int64) error {
	if f.finished || size < 0 || size > int64(len(f.mem)) {
		return errors.New("memory file: finished already, or longer than its room")
	}
	f.mem, f.finished = f.mem[:size:size], true
	return nil
}

// Fd is -1: there is no descriptor.
func (f *File) Fd() int { return -1 }

// Path is empty: there is no path.
func (f *File) Path() string { return "" }

// Close zeroes and releases the memory.
func (f *File) Close() error {
	clear(f.mem)
	f.mem, f.finished = nil, true
	return nil
}
