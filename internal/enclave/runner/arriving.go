package runner

import (
	"context"
	"io"
	"sync"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/pme"
)

// arriving is an object whose needed ranges are on their way: reading waits for the bytes that it needs, so that opening
// begins before the last byte has come. Reads must lie within one range.
type arriving struct {
	mu     sync.Mutex
	came   *sync.Cond
	pieces []*piece
	err    error
}

// piece is one range. Bytes below have are final and may be read without the lock.
type piece struct {
	off  int64
	buf  []byte
	have int
}

func newArriving(ranges []pme.Range, tail *tail) *arriving {
	a := &arriving{}
	a.came = sync.NewCond(&a.mu)
	for _, r := range ranges {
		a.pieces = append(a.pieces, newPiece(r, tail))
	}
	return a
}

// newPiece takes what the tail has already.
func newPiece(r pme.Range, tail *tail) *piece {
	if r.Off >= tail.off {
		return &piece{off: r.Off, buf: tail.bytes[r.Off-tail.off:][:r.Len], have: int(r.Len)}
	}
	return &piece{off: r.Off, buf: make([]byte, r.Len)}
}

// fetch fills the pieces, several at once. It returns when all have come or one has failed.
func (a *arriving) fetch(ctx context.Context, host *link.Host, object string, busy slots) {
	var all sync.WaitGroup
	for _, p := range a.pieces {
		if p.have == len(p.buf) {
			continue
		}
		all.Go(func() {
			busy <- struct{}{}
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
