package runner

import (
	"cmp"
	"io"
	"slices"
	"sync"

	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
)

// arriving is an object whose needed ranges are on their way: reading waits for the bytes that it needs, so that opening
// begins before the last byte has come. Reads must lie within one range.
type arriving struct {
	object string
	bytes  int64              // fetched, or to be
	rooms  []*memfile.Scratch // for them

	mu     sync.Mutex
	came   *sync.Cond
	pieces []*piece // in the order of their ends
	err    error
}

// piece is one range. Bytes below have are final and may be read without the lock.
type piece struct {
	off   int64
	buf   []byte
	asked int // of the fetcher alone
	have  int
}

func (p *piece) end() int64 { return p.off + int64(len(p.buf)) }

func newArriving(object string) *arriving {
	a := &arriving{object: object}
	a.came = sync.NewCond(&a.mu)
	return a
}

// has adds what is here already.
func (a *arriving) has(t *tail) {
	a.add([]*piece{{off: t.off, buf: t.bytes, have: len(t.bytes)}})
}

// lacks is what of the ranges is neither here nor on its way.
func (a *arriving) lacks(ranges []pme.Range) []pme.Range { return withSmallGaps(a.missing(ranges)) }

// wants makes room for what of the ranges is neither here nor on its way, and returns it for fetching.
func (a *arriving) wants(ranges []pme.Range) ([]*piece, error) {
	ranges = a.lacks(ranges)
	total := sizeOf(ranges)
	if total == 0 {
		return nil, nil
	}
	room, err := memfile.NewScratch(total)
	if err != nil {
		return nil, err
	}
	a.rooms, a.bytes = append(a.rooms, room), a.bytes+total
	mem := room.Bytes()
	var out []*piece
	for _, r := range ranges {
		out = append(out, &piece{off: r.Off, buf: mem[:r.Len:r.Len]})
		mem = mem[r.Len:]
	}
	a.add(out)
	return out, nil
}

// missing are the ranges that no piece has whole.
func (a *arriving) missing(ranges []pme.Range) []pme.Range {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []pme.Range
	for _, r := range ranges {
		if a.pieceOf(r.Off, r.Len) == nil {
			out = append(out, r)
		}
	}
	return out
}

func (a *arriving) add(p []*piece) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pieces = append(a.pieces, p...)
	slices.SortFunc(a.pieces, func(x, y *piece) int { return cmp.Compare(x.end(), y.end()) })
}

// free gives the bytes back. Nobody may use them any more, nor be fetching them.
func (a *arriving) free() {
	if a == nil {
		return
	}
	for _, r := range a.rooms {
		r.Free()
	}
	a.rooms = nil
}

func sizeOf(ranges []pme.Range) int64 {
	var n int64
	for _, r := range ranges {
		n += r.Len
	}
	return n
}

// worthARange: a gap between two ranges that is smaller is fetched with them. A range costs each end some ten microseconds, in
// which twice as many bytes could be moved.
const worthARange = 64 << 10

// withSmallGaps joins ranges over small gaps.
func withSmallGaps(ranges []pme.Range) []pme.Range {
	var out []pme.Range
	for _, r := range ranges {
		if n := len(out); n > 0 {
			if last := &out[n-1]; r.Off-(last.Off+last.Len) <= worthARange {
				last.Len = r.Off + r.Len - last.Off
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// arrived notes that a piece has bytes up to there.
func (a *arriving) arrived(p *piece, have int) {
	a.mu.Lock()
	p.have = have
	a.mu.Unlock()
	a.came.Broadcast()
}

func (a *arriving) fail(err error) {
	a.mu.Lock()
	if a.err == nil {
		a.err = err
	}
	a.mu.Unlock()
	a.came.Broadcast()
}

// whole is nil if all pieces came whole.
func (a *arriving) whole() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.pieces {
		if a.err == nil && p.have < len(p.buf) {
			return io.ErrUnexpectedEOF
		}
	}
	return a.err
}

// ReadAt implements io.ReaderAt.
func (a *arriving) ReadAt(b []byte, off int64) (int, error) {
	lent, err := a.lend(off, int64(len(b)))
	if err != nil {
		return 0, err
	}
	return copy(b, lent), nil
}

// Slice lends bytes for package pme to decrypt from: what has come does not change any more. It is nil where they did not come.
func (a *arriving) Slice(off, n int64) []byte {
	lent, err := a.lend(off, n)
	if err != nil {
		return nil
	}
	return lent
}

// lend waits for bytes.
func (a *arriving) lend(off, n int64) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.pieceOf(off, n)
	if p == nil {
		return nil, io.EOF
	}
	from, to := int(off-p.off), int(off-p.off+n)
	for p.have < to && a.err == nil {
		a.came.Wait()
	}
	if p.have < to {
		return nil, a.err
	}
	return p.buf[from:to:to], nil
}

// pieceOf is a piece that has all of a range; nil if there is none. The caller holds the lock.
func (a *arriving) pieceOf(off, n int64) *piece {
	if n < 0 || off < 0 {
		return nil
	}
	i, _ := slices.BinarySearchFunc(a.pieces, off+n, func(p *piece, end int64) int { return cmp.Compare(p.end(), end) })
	for ; i < len(a.pieces); i++ {
		if p := a.pieces[i]; p.off <= off {
			return p
		}
	}
	return nil
}
