package pme

import (
	"encoding/binary"
	"errors"
	"io"
)

// Bytes is a source that lies in memory. Opening decrypts from it without copying, so nobody else may be able to write
// to it meanwhile: a tag says nothing about bytes that change after it was checked.
type Bytes []byte

// ReadAt implements io.ReaderAt.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Slice returns n bytes at off without copying, or nil where they are not there.
func (b Bytes) Slice(off, n int64) []byte {
	if off < 0 || n < 0 || off > int64(len(b))-n {
		return nil
	}
	return b[off : off+n : off+n]
}

// slicer is a source that can lend its bytes, as Bytes can. The caller of Run vouches that they do not change.
type slicer interface {
	Slice(off, n int64) []byte
}

// lender is a source that has its bytes only now and then: what it lends stays as it is until it is given back. Lend may wait, but not for
// others to give back what they have.
type lender interface {
	Lend(off, n int64) (b []byte, back func(), err error)
}

// lent is a part of a source until back is called. It reports whether the source lends at all.
func lent(src io.ReaderAt, r Range) (b []byte, back func(), ok bool, err error) {
	switch s := src.(type) {
	case slicer:
		if b = s.Slice(r.Off, r.Len); b == nil {
			return nil, nil, true, malformed("file is shorter than it says")
		}
		return b, func() {}, true, nil
	case lender:
		if b, back, err = s.Lend(r.Off, r.Len); err != nil {
			return nil, nil, true, readError(err)
		}
		return b, back, true, nil
	}
	return nil, nil, false, nil
}

func readError(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("file is shorter than it says")
	}
	return errors.Join(ErrRead, err)
}

// windowSize is how much of a column chunk is read at once, little enough to be decrypted out of the core's cache; a larger
// module makes the window grow to its size.
const windowSize = 512 << 10

// glanceSize is the same where only the heads of modules are looked at.
const glanceSize = 4 << 10

// window walks over a range of a source and keeps a part of it in memory. The buffer is kept from range to range.
type window struct {
	src   io.ReaderAt
	next  int64  // offset of the first byte not read yet
	left  int64  // bytes of the range not read yet
	data  []byte // read and not yet taken
	buf   []byte
	ahead int64 // how much is read at once; 0: windowSize
}

// over starts a walk over r.
func (w *window) over(src io.ReaderAt, r Range) error {
	w.src, w.next, w.left, w.data = src, r.Off, r.Len, nil
	s, ok := src.(slicer)
	if !ok {
		return nil
	}
	if w.data = s.Slice(r.Off, r.Len); w.data == nil && r.Len > 0 {
		return malformed("file is shorter than it says")
	}
	w.next, w.left = r.Off+r.Len, 0
	return nil
}

// remaining is how much of the range has not been taken.
func (w *window) remaining() int64 { return int64(len(w.data)) + w.left }

// peek returns the next n bytes, valid until the next call. n must not be above remaining.
func (w *window) peek(n int) ([]byte, error) {
	if n <= len(w.data) {
		return w.data[:n], nil
	}
	if int64(n) > w.remaining() {
		return nil, malformed("module")
	}
	return w.fill(n)
}

func (w *window) fill(n int) ([]byte, error) {
	ahead := w.ahead
	if ahead == 0 {
		ahead = windowSize
	}
	size := max(n, int(min(ahead, w.remaining())))
	if size > cap(w.buf) {
		grown := make([]byte, size)
		copy(grown, w.data)
		w.buf = grown
	} else {
		copy(w.buf[:cap(w.buf)], w.data)
	}
	have := len(w.data)
	more := int(min(int64(size-have), w.left))
	w.data = w.buf[:have+more]
	if m, err := w.src.ReadAt(w.data[have:], w.next); m != more {
		w.data, w.left = nil, 0
		return nil, readError(err)
	}
	w.next += int64(more)
	w.left -= int64(more)
	return w.data[:n], nil
}

// skip takes n bytes that were peeked.
func (w *window) skip(n int) { w.data = w.data[n:] }

// boxSize says how long the box of the next module is, all of which the range holds.
func (w *window) boxSize() (int64, error) {
	if w.remaining() < lengthSize {
		return 0, tampered("module")
	}
	head, err := w.peek(lengthSize)
	if err != nil {
		return 0, err
	}
	size := int64(binary.LittleEndian.Uint32(head))
	if size > maxModule-lengthSize || size > w.remaining()-lengthSize {
		return 0, tampered("module")
	}
	return size, nil
}

// passModule takes the next module without reading it: where its box lies, and its full size.
func (w *window) passModule() (box Range, n int64, err error) {
	size, err := w.boxSize()
	if err != nil {
		return Range{}, 0, err
	}
	n = lengthSize + size
	at := w.next - int64(len(w.data)) + lengthSize
	if n <= int64(len(w.data)) {
		w.data = w.data[n:]
	} else {
		beyond := n - int64(len(w.data))
		w.data, w.next, w.left = nil, w.next+beyond, w.left-beyond
	}
	return Range{at, size}, n, nil
}

// module returns the next module: its box and its full size. The box is valid until the next call.
func (w *window) module() (box []byte, n int, err error) {
	size, err := w.boxSize()
	if err != nil {
		return nil, 0, err
	}
	b, err := w.peek(lengthSize + int(size))
	if err != nil {
		return nil, 0, err
	}
	w.skip(len(b))
	return b[lengthSize:], len(b), nil
}
