package runner

import (
	"context"
	"io"
	"sync"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
)

// arriving is an object whose needed ranges are on their way: reading waits for the bytes that it needs, so that opening
// begins before the last byte has come. Reads must lie within one range.
type arriving struct {
	mu     sync.Mutex
	came   *sync.Cond
	pieces []*piece
	err    error
	bytes  int64            // to be fetched
	room   *memfile.Scratch // for them
}

// piece is one range. Bytes below have are final and may be read without the lock.
type piece struct {
	off  int64
	buf  []byte
	have int
}

// newArriving takes what the tail has already, and makes room for the rest.
func newArriving(ranges []pme.Range, tail *tail) (*arriving, error) {
	a := &arriving{}
	a.came = sync.NewCond(&a.mu)
	ranges = withSmallGaps(ranges, tail.off)
	for _, r := range ranges {
		if r.Off < tail.off {
			a.bytes += r.Len
		}
	}
	var room []byte
	if a.bytes > 0 {
		var err error
		if a.room, err = memfile.NewScratch(a.bytes); err != nil {
			return nil, err
		}
		room = a.room.Bytes()
	}
	for _, r := range ranges {
		p := &piece{off: r.Off}
		if r.Off >= tail.off {
			p.buf, p.have = tail.bytes[r.Off-tail.off:][:r.Len], int(r.Len)
		} else {
			p.buf, room = room[:r.Len:r.Len], room[r.Len:]
		}
		a.pieces = append(a.pieces, p)
	}
	return a, nil
}

// free gives the bytes back. Nobody may use them any more.
func (a *arriving) free() {
	if a != nil && a.room != nil {
		a.room.Free()
	}
}

// worthARequest: a gap between two ranges that is smaller is fetched with them. A request costs signatures and some hundred
// microseconds at each end.
const worthARequest = 64 << 10

// withSmallGaps joins ranges over small gaps, but none across limit.
func withSmallGaps(ranges []pme.Range, limit int64) []pme.Range {
	var out []pme.Range
	for _, r := range ranges {
		if n := len(out); n > 0 && r.Off < limit {
			if last := &out[n-1]; r.Off-(last.Off+last.Len) <= worthARequest {
				last.Len = r.Off + r.Len - last.Off
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// fetch fills the pieces, several at once. It returns when all have come or one has failed.
func (a *arriving) fetch(ctx context.Context, host *link.Host, object string, busy slots) {
	var all sync.WaitGroup
	for _, p := range a.pieces {
		if p.have == len(p.buf) {
			continue
		}
		busy <- struct{}{} // in order: what is opened first comes first
		all.Go(func() {
			defer func() { <-busy }()
			if err := a.fill(ctx, host, object, p); err != nil {
				a.fail(err)
			}
		})
	}
	all.Wait()
}

// fill asks for one range in as few requests as their bound allows.
func (a *arriving) fill(ctx context.Context, host *link.Host, object string, p *piece) error {
	for at := 0; at < len(p.buf); {
		part := p.buf[at:min(len(p.buf), at+channel.MaxRange)]
		err := host.Object(ctx, object, p.off+int64(at), part, func(n int) {
			a.mu.Lock()
			p.have = at + n
			a.mu.Unlock()
			a.came.Broadcast()
		})
		if err != nil {
			return err
		}
		at += len(part)
	}
	return nil
}

func (a *arriving) fail(err error) {
	a.mu.Lock()
	if a.err == nil {
		a.err = err
	}
	a.mu.Unlock()
	a.came.Broadcast()
}

// failed reports whether the host did not deliver.
func (a *arriving) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
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
	p := a.pieceOf(off, n)
	if p == nil {
		return nil, io.EOF
	}
	from, to := int(off-p.off), int(off-p.off+n)
	a.mu.Lock()
	defer a.mu.Unlock()
	for p.have < to && a.err == nil {
		a.came.Wait()
	}
	if p.have < to {
		return nil, a.err
	}
	return p.buf[from:to:to], nil
}

func (a *arriving) pieceOf(off, n int64) *piece {
	for _, p := range a.pieces {
		if off >= p.off && n >= 0 && off+n <= p.off+int64(len(p.buf)) {
			return p
		}
	}
	return nil
}
