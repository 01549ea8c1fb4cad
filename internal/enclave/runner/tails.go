package runner

import (
	"context"
	"sync"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/statement"
)

// tails are the last bytes of every object of the contract, fetched while brokers think: footer and layout lie there, and small
// objects whole. Fetching those of all offers says nothing about the query.
type tails struct {
	wait sync.WaitGroup
	of   map[statement.Digest]*tail

	mu   sync.Mutex
	room int64 // for more of them
}

type tail struct {
	bytes []byte
	off   int64
	err   error
}

// slots bounds how much goes on at once.
type slots chan struct{}

const maxSlots = 32

// tailShare is the part of the memory for data that tails may take.
const tailShare = 4

// fetchTails begins to fetch. The total is bounded by the share of memory that data may have.
func (r *run) fetchTails(ctx context.Context) *tails {
	t := &tails{of: map[statement.Digest]*tail{}, room: share(r.limits, dataShare) / tailShare}
	busy := make(slots, maxSlots)
	for d, v := range r.brief.Offers {
		files := v.Body().Files
		off, n := pme.ReadFooterRange(files[0].Bytes)
		if n < 1 || len(files) != 1 || !t.take(n) {
			continue // fetched when it turns out to be needed, or refused then
		}
		it := &tail{off: off, bytes: make([]byte, n)}
		t.of[d] = it
		t.wait.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			it.err = r.fetchWhole(ctx, t, it, files[0])
		})
	}
	return t
}

// take reports whether there is room for n more bytes.
func (t *tails) take(n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n > t.room {
		return false
	}
	t.room -= n
	return true
}

// fetchWhole fetches a tail, and once more if the file says that footer and layout are longer: both are wanted before the keys are here.
func (r *run) fetchWhole(ctx context.Context, t *tails, it *tail, f statement.File) error {
	if err := r.host.Range(ctx, link.Range{Object: f.Object, Off: it.off, Dst: it.bytes}); err != nil {
		return err
	}
	need, err := pme.TailRange(it.bytes, f.Bytes)
	if err != nil || need.Off >= it.off || !t.take(need.Len) {
		return nil // whoever opens the footer says what is wrong with it
	}
	longer := make([]byte, need.Len)
	if err := r.host.Range(ctx, link.Range{Object: f.Object, Off: need.Off, Dst: longer}); err != nil {
		return err
	}
	it.bytes, it.off = longer, need.Off
	return nil
}

// tailOf an offer's object, fetched now if it was not before.
func (r *run) tailOf(ctx context.Context, offer statement.Digest) (*tail, error) {
	if t := r.tails.come(offer); t != nil {
		return t, nil
	}
	f := r.brief.Offers[offer].Body().Files[0]
	off, n := pme.ReadFooterRange(f.Bytes)
	return r.fetchTail(ctx, f.Object, off, n)
}

// come is the tail of an offer's object, if it came.
func (t *tails) come(offer statement.Digest) *tail {
	t.wait.Wait()
	if it := t.of[offer]; it != nil && it.err == nil {
		return it
	}
	return nil
}

func (r *run) fetchTail(ctx context.Context, object string, off, n int64) (*tail, error) {
	if room := r.dataRoom() / tailShare; n < 1 || n > room {
		return nil, failure.Sized(failure.TooLarge, n, room)
	}
	t := &tail{off: off, bytes: make([]byte, n)}
	if err := r.host.Range(ctx, link.Range{Object: object, Off: off, Dst: t.bytes}); err != nil {
		return nil, failure.New(failure.Link, err)
	}
	return t, nil
}
