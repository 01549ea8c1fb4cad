package runner

import (
	"context"
	"slices"
	"sync"

	"github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/internal/enclave/link"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/statement"
)

// wanted is a piece to be fetched.
type wanted struct {
	from *arriving
	*piece
}

// fetch fills pieces, of several objects, in their order. What can't be had fails at its object.
func (r *run) fetch(ctx context.Context, all []wanted) {
	for len(all) > 0 {
		ask, n := together(all)
		if err := r.host.Ranges(ctx, ask); err != nil {
			for _, w := range all {
				w.from.fail(err)
			}
			return
		}
		all = all[n:]
	}
}

// askAtOnce is how much is asked for at once: little enough that what turns out to be needed first does not wait long.
const askAtOnce = 16 << 20

// together makes one request of the first pieces, and says how many of them it ends. A piece that is larger goes in parts.
func together(all []wanted) (ask []link.Range, done int) {
	room := askAtOnce
	for _, w := range all {
		if room == 0 || len(ask) == channel.MaxRanges {
			break
		}
		at := w.asked
		n := min(room, len(w.buf)-at)
		ask = append(ask, link.Range{
			Object: w.from.object, Off: w.off + int64(at), Dst: w.buf[at : at+n],
			Arrived: func(have int) { w.from.arrived(w.piece, at+have) },
		})
		room -= n
		if w.asked += n; w.asked < len(w.buf) {
			break
		}
		done++
	}
	return ask, done
}

// ahead is what is fetched while owners decide, by the layouts in which publishers say where columns lie. Nothing vouches for them:
// what the footer says otherwise, once it can be opened, is fetched then, and what a wrong layout cost is time.
type ahead struct {
	stop  context.CancelFunc
	all   sync.WaitGroup
	ready chan struct{}     // closed when of is complete; its pieces may be on their way still
	of    map[int]*arriving // by source
}

// aheadShare is the part of the memory for data that may be fetched by layouts.
const aheadShare = 2

// fetchAhead begins to fetch all row groups of the columns that the plan reads.
func (r *run) fetchAhead(ctx context.Context) *ahead {
	ctx, stop := context.WithCancel(ctx)
	a := &ahead{stop: stop, ready: make(chan struct{}), of: map[int]*arriving{}}
	a.all.Go(func() {
		all := r.expectedPieces(a)
		close(a.ready)
		r.fetch(ctx, all)
	})
	return a
}

// expectedPieces makes room for what the layouts say that the plan needs, as far as there is room.
func (r *run) expectedPieces(a *ahead) []wanted {
	sources, err := r.sources()
	if err != nil {
		return nil // open says so
	}
	room := share(r.limits, dataShare) / aheadShare
	pieces := make([][]wanted, len(sources))
	for _, s := range sources {
		t := r.tails.come(s.offer)
		if t == nil {
			continue
		}
		ranges := r.expectedRanges(s, t)
		if n := sizeOf(withSmallGaps(ranges)); n == 0 || n > room {
			continue
		}
		from := newArriving(s.file.Object)
		from.has(t)
		expected, err := from.wants(ranges)
		if err != nil {
			continue
		}
		room -= from.bytes
		a.of[s.index] = from
		for _, p := range expected {
			pieces[s.index] = append(pieces[s.index], wanted{from, p})
		}
	}
	var all []wanted
	for _, s := range smallestFirst(sources) {
		all = append(all, pieces[s.index]...)
	}
	return all
}

// expectedRanges are where the layout in a tail says that the plan's columns of a source lie. Its columns are those of the offer.
func (r *run) expectedRanges(s *source, t *tail) []pme.Range {
	l := pme.ReadLayout(t.bytes, s.file.Bytes)
	schema := r.brief.Offers[s.offer].Body().Schema
	if l == nil || l.Columns() != len(schema) {
		return nil
	}
	var columns []int
	for _, name := range r.plan.Sources[s.index].Columns {
		columns = append(columns, slices.IndexFunc(schema, func(c statement.Column) bool { return c.Name == name }))
	}
	return l.Ranges(columns)
}

// take is what comes of a source, and the caller's from here on; nil if nothing does.
func (a *ahead) take(source int) *arriving {
	<-a.ready
	from := a.of[source]
	delete(a.of, source)
	return from
}

// close ends the fetching and frees what nobody took. What was taken may be freed once it has returned. Closing nothing is harmless.
func (a *ahead) close() {
	if a == nil {
		return
	}
	a.stop()
	a.all.Wait()
	for _, from := range a.of {
		from.free()
	}
	clear(a.of)
}
