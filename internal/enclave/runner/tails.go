package runner

import (
	"context"
	"sync"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/statement"
)

// tails are the last bytes of every object of the contract, fetched while brokers think: the footer lies there, and small
// objects whole. Fetching those of all offers says nothing about the query.
type tails struct {
	wait sync.WaitGroup
	of   map[statement.Digest]*tail
}

type tail struct {
	bytes []byte
	off   int64
	err   error
}

// slots bounds how many ranges are asked for at once.
type slots chan struct{}

const maxSlots = 32

// fetchTails begins to fetch. The total is bounded by the share of memory that data may have.
func (r *run) fetchTails(ctx context.Context) *tails {
	t := &tails{of: map[statement.Digest]*tail{}}
	budget := share(r.limits, dataShare) / 4
	busy := make(slots, maxSlots)
	for d, v := range r.brief.Offers {
		files := v.Body().Files
		off, n := pme.ReadFooterRange(files[0].Bytes)
		if n < 1 || len(files) != 1 || budget < n {
			continue // fetched when it turns out to be needed, or refused then
		}
		budget -= n
		it := &tail{off: off, bytes: make([]byte, n)}
		t.of[d] = it
		t.wait.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			it.err = r.host.Object(ctx, files[0].Object, off, it.bytes, func(int) {})
		})
	}
	return t
}

// tailOf an offer's object, fetched now if it was not before.
func (r *run) tailOf(ctx context.Context, offer statement.Digest) (*tail, error) {
	r.tails.wait.Wait()
	if t := r.tails.of[offer]; t != nil && t.err == nil {
		return t, nil
	}
	f := r.brief.Offers[offer].Body().Files[0]
	off, n := pme.ReadFooterRange(f.Bytes)
	return r.fetchTail(ctx, f.Object, off, n)
}

func (r *run) fetchTail(ctx context.Context, object string, off, n int64) (*tail, error) {
	if n < 1 || n > share(r.limits, dataShare)/4 {
		return nil, failure.New(failure.TooLarge, nil)
	}
	t := &tail{off: off, bytes: make([]byte, n)}
	if err := r.host.Object(ctx, object, off, t.bytes, func(int) {}); err != nil {
		return nil, failure.New(failure.Link, err)
	}
	return t, nil
}
