package pme

import (
	"errors"
	"io"
)

// output is where a plain file comes to be: memory, or something written to at offsets. Its areas are written by different
// goroutines.
type output struct {
	mem []byte      // all of the file, where there is no dst
	dst io.WriterAt // or nil
}

// area is the memory of an area, nil where it is to be written out.
func (o output) area(start, room int64) []byte {
	if o.dst != nil {
		return nil
	}
	return o.mem[start : start+room : start+room]
}

// put writes bytes that are not part of an area.
func (o output) put(b []byte, off int64) error {
	if o.dst != nil {
		return writeAt(o.dst, b, off)
	}
	if n := copy(o.mem[off:], b); n < len(b) {
		return malformed("footer is longer than planned")
	}
	return nil
}

func writeAt(dst io.WriterAt, b []byte, off int64) error {
	if _, err := dst.WriteAt(b, off); err != nil {
		return errors.Join(ErrWrite, err)
	}
	return nil
}

// spoolSize is how much is gathered before it is written out: enough for few calls, little enough to stay in the cache
// of the core that decrypts into it.
const spoolSize = 512 << 10

// spool fills one area after the other, each from its start. What is in memory is decrypted in place; else a buffer
// gathers some of it, and grows to the size of the largest page.
type spool struct {
	out   output
	start int64  // of the area
	room  int64  // of the area
	used  int64  // of the area, including what is in buf
	mem   []byte // the area, where it lies in memory
	buf   []byte
	plan  *sketch // instead of all that: says where things will be, and pages are opened when they are read
}

// over starts on an area.
func (s *spool) over(start, room int64) {
	s.start, s.room, s.used, s.buf = start, room, 0, s.buf[:0]
	if s.plan == nil {
		s.mem = s.out.area(start, room)
	}
}

// next lends n bytes at the end of what was used. They count after add.
func (s *spool) next(n int) ([]byte, error) {
	if int64(n) > s.room-s.used {
		return nil, malformed("column chunk")
	}
	if s.mem != nil {
		return s.mem[s.used : s.used+int64(n) : s.used+int64(n)], nil
	}
	if n > cap(s.buf)-len(s.buf) {
		if err := s.flush(); err != nil {
			return nil, err
		}
		if n > cap(s.buf) {
			s.buf = make([]byte, 0, max(n, spoolSize))
		}
	}
	from := len(s.buf)
	return s.buf[from : from+n : from+n], nil
}

// add makes n lent bytes part of the output.
func (s *spool) add(n int) {
	s.used += int64(n)
	if s.mem == nil {
		s.buf = s.buf[:len(s.buf)+n]
	}
}

// put copies bytes to the end of what was used.
func (s *spool) put(parts ...[]byte) error {
	for _, b := range parts {
		if s.plan != nil {
			if err := s.draw(s.plan.literal(s.at(), b)); err != nil {
				return err
			}
			continue
		}
		dst, err := s.next(len(b))
		if err != nil {
			return err
		}
		s.add(copy(dst, b))
	}
	return nil
}

// zeros puts n of them, at most maxHeaderRoom.
func (s *spool) zeros(n int) error {
	if s.plan == nil {
		var room [maxHeaderRoom]byte
		return s.put(room[:n])
	}
	if int64(n) > s.room-s.used {
		return malformed("column chunk")
	}
	s.used += int64(n) // what lies between pieces is zero
	return nil
}

// draw makes a piece of a sketch the end of what was used.
func (s *spool) draw(p piece) error {
	if p.size > s.room-s.used {
		return malformed("column chunk")
	}
	s.plan.pieces = append(s.plan.pieces, p)
	s.used += p.size
	return nil
}

// at is the offset in the output where the next byte goes.
func (s *spool) at() int64 { return s.start + s.used }

// finish writes out what is left, or zeroes what the area has left, so that the file holds nothing that was in the
// memory before.
func (s *spool) finish() error {
	if s.plan != nil {
		return nil
	}
	if s.mem == nil {
		return s.flush()
	}
	clear(s.mem[s.used:])
	return nil
}

func (s *spool) flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	err := writeAt(s.out.dst, s.buf, s.at()-int64(len(s.buf)))
	s.buf = s.buf[:0]
	return err
}
