package runner

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/internal/enclave/served"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/statement"
)

// opened is all data that is in clear, or will be, by source of the plan.
type opened struct {
	files []*served.File
	views []view      // what the files read as; nil before open
	data  []*arriving // where their ciphertext lies
	waves *window     // where that of the others comes by; nil: nowhere
	keys  *served.Schedules

	late  []*source          // of which the engine may be reading what has come
	under sync.WaitGroup     // what goes on beside it: fetching, and opening what has come
	halt  context.CancelFunc // ends that

	mu      sync.Mutex
	columns map[exposed]int64 // bytes that the engine may read in clear
}

// view is what a file reads as, whole from the start or as it comes.
type view interface {
	io.ReaderAt
	Size() int64
	Opened() *pme.Opened
	Rest(context.Context) error
	Forget()
}

// exposed names one key's data.
type exposed struct {
	offer  statement.Digest
	column string
}

// close takes the files away, what was kept of them in clear, and the memory of their ciphertext. The engine is closed before.
func (o *opened) close() {
	o.stop()
	for _, f := range o.files {
		if f != nil {
			_ = f.Close()
		}
	}
	o.keys.Wipe()
	for _, v := range o.views {
		if v != nil {
			v.Forget()
		}
	}
	for _, a := range o.data {
		a.free()
	}
	o.waves.close()
	o.files, o.views, o.data, o.waves = nil, nil, nil, nil
}

// stop ends the fetching, and the reading of what has not come. Stopping nothing is harmless.
func (o *opened) stop() {
	if o == nil {
		return
	}
	o.waves.end()
	if o.halt != nil {
		o.halt()
	}
	o.under.Wait()
}

func (o *opened) count(offer statement.Digest, column string, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.columns[exposed{offer, column}] += n
}

// maxSources: files and engine share the descriptors of the process.
const maxSources = 900

// source is one data set of the plan on its way into the clear.
type source struct {
	index int
	offer statement.Digest
	owner string // name
	file  statement.File
	plan  *pme.Plan
	tail  *tail
	foot  int64
	data  *arriving
	lacks []pme.Range // of what the plan needs: neither here nor on its way
	late  []*piece    // of data: what nobody has asked for yet
	waves *waved      // instead of data
}

func (r *run) sources() ([]*source, error) {
	if len(r.plan.Sources) > maxSources {
		return nil, failure.New(failure.TooLarge, nil)
	}
	var out []*source
	for i, s := range r.plan.Sources {
		d := statement.Digest(s.Offer)
		o := r.brief.Offers[d].Body()
		if len(o.Files) != 1 {
			return nil, failure.Of(failure.NotSupported, r.brief.Name(o.Owner), nil)
		}
		out = append(out, &source{index: i, offer: d, owner: r.brief.Name(o.Owner), file: o.Files[0]})
	}
	return out, nil
}

// bindFiles makes the files that the engine will read, and locks the engine to them, while owners decide.
func (r *run) bindFiles(ctx context.Context) error {
	sources, err := r.sources()
	if err != nil {
		return err
	}
	if err := r.makeFiles(len(sources)); err != nil {
		return err
	}
	r.engine.bind(ctx, r)
	return nil
}

func (r *run) makeFiles(n int) error {
	o := &opened{columns: map[exposed]int64{}, keys: served.NewSchedules(r.opt.Keys)}
	for range n {
		f, err := served.Create("cordon")
		if err != nil {
			o.close()
			return failure.New(failure.TooLarge, err)
		}
		o.files = append(o.files, f)
	}
	r.opened = o
	return nil
}

// open begins to fetch the columns that the plan reads, of all sources, and makes them readable for the engine, which decrypts what it
// reads when it reads it, and waits for what has not come. settle follows, whatever became of that.
func (r *run) open(ctx context.Context) error {
	sources, err := r.sources()
	if err != nil {
		return err
	}
	for _, s := range sources {
		s.data = r.ahead.take(s.index)
	}
	defer func() {
		for _, s := range sources {
			if s.data != nil {
				r.opened.data = append(r.opened.data, s.data)
			}
		}
	}()
	if err := forEach(sources, func(s *source) error { return r.locate(ctx, s) }); err != nil {
		return err
	}
	if err := r.makeRoom(ctx, sources); err != nil {
		return err
	}
	r.opened.views = make([]view, len(sources))
	return r.serve(ctx, sources)
}

// settle waits for what has not come, and authenticates what the engine has not read: whether data is sound must not depend on what a
// query reads of it, or a host that changes one page could tell from the outcome whether the page was read. So a query that ran out of
// time is settled too, and what did not come is the outcome whatever is wrong with the rest: a host that holds back a part would learn
// by it, or by when the job ends, whether a page that it changed was read before.
func (r *run) settle(ctx context.Context) error {
	if err := r.waveFault(); err != nil {
		return err // whether anybody read what is wrong, or not
	}
	for _, s := range r.opened.late {
		if !s.here() {
			return inTime(ctx, failure.New(failure.Link, errMissing))
		}
	}
	for i, v := range r.opened.views {
		if err := v.Rest(context.WithoutCancel(ctx)); err != nil {
			owner := r.brief.Offers[statement.Digest(r.plan.Sources[i].Offer)].Body().Owner
			return failure.Of(failure.BadData, r.brief.Name(owner), err)
		}
	}
	r.countLate()
	return nil
}

var errMissing = errors.New("an object did not come whole")

// locate opens a source's footer, which says where its columns lie.
func (r *run) locate(ctx context.Context, s *source) error {
	keys := r.keys.sets[s.offer].forFile()
	opt := pme.OpenOptions{
		Keys: keys, AADPrefix: []byte(s.file.AADPrefix), Columns: r.plan.Sources[s.index].Columns,
		Workers: r.workers(len(r.plan.Sources)), PagesOnly: true, HeaderRoom: served.HeaderRead,
		Expand: r.opened.keys.Expand,
	}
	t, err := r.tailOf(ctx, s.offer)
	if err != nil {
		return err
	}
	s.plan, err = pme.NewPlan(t.bytes, s.file.Bytes, opt)
	var short *pme.ShortTailError
	if errors.As(err, &short) {
		if t, err = r.fetchTail(ctx, s.file.Object, short.Need.Off, short.Need.Len); err != nil {
			return err
		}
		s.plan, err = pme.NewPlan(t.bytes, s.file.Bytes, opt)
	}
	if err != nil {
		return failure.Of(failure.BadData, s.owner, err)
	}
	s.foot, s.tail = footerBytes(t.bytes), t
	return nil
}

// footerBytes is the length of a sealed footer, which bounds what of it was decrypted. A Parquet file ends in its footer's
// length and a magic number.
func footerBytes(tail []byte) int64 {
	const trailer = 8
	if len(tail) < trailer {
		return 0
	}
	return int64(binary.LittleEndian.Uint32(tail[len(tail)-trailer:]))
}

// workers per source: processors are shared by the sources that are opened at once.
func (r *run) workers(sources int) int {
	return max(1, runtime.GOMAXPROCS(0)/max(1, sources))
}

// serve begins to fetch all row groups of the columns wanted, whatever the query's constants, and serves them. When ctx ends nobody waits
// for them any more.
func (r *run) serve(ctx context.Context, sources []*source) error {
	fetching, halt := context.WithCancel(ctx)
	r.opened.halt = halt
	var all []wanted
	for _, s := range smallestFirst(sources) {
		if s.data != nil {
			context.AfterFunc(fetching, func() { s.data.fail(fetching.Err()) })
		}
		for _, p := range s.late {
			all = append(all, wanted{s.data, p})
		}
	}
	r.opened.under.Go(func() { r.fetch(fetching, all) })
	for _, s := range sources {
		if s.waves == nil {
			r.opened.late = append(r.opened.late, s)
		}
	}
	return forEach(sources, func(s *source) error {
		r.opened.count(s.offer, statement.FooterKey, s.foot)
		if s.waves == nil {
			return r.serveLate(s)
		}
		return r.serveWaves(ctx, s)
	})
}

// smallestFirst is the order of fetching: the engine reads small tables, which it joins large ones to, first.
func smallestFirst(sources []*source) []*source {
	return slices.SortedStableFunc(slices.Values(sources), func(x, y *source) int { return cmp.Compare(x.file.Bytes, y.file.Bytes) })
}

// serveLate serves a source as it comes.
func (r *run) serveLate(s *source) error {
	v, err := s.plan.LateView(s.data)
	if err != nil {
		return failure.Of(failure.BadData, s.owner, err)
	}
	if v.Rows() != s.file.Rows {
		return failure.Of(failure.BadData, s.owner, errForeign)
	}
	r.countAll(s)
	f := r.opened.files[s.index]
	if err := f.Serve(v, v.Size()); err != nil {
		return failure.New(failure.Internal, err)
	}
	r.opened.views[s.index] = v
	r.opened.under.Go(func() {
		for g := range v.Groups() {
			if f.Await(g) != nil { // settle finds it
				return
			}
		}
	})
	return nil
}

// countLate corrects what was counted for sources that came late, now that page headers tell: at first all of their ciphertext was.
func (r *run) countLate() {
	for _, s := range r.opened.late {
		most := s.plan.ColumnBytes()
		for _, c := range r.opened.views[s.index].Opened().Columns {
			r.opened.count(s.offer, c.Path, c.Bytes-most[c.Path])
		}
	}
	r.opened.late = nil
}

// serveWaves authenticates every page of a source before it serves it.
func (r *run) serveWaves(ctx context.Context, s *source) error {
	v, err := s.plan.SoundView(ctx, s.waves)
	if err != nil {
		r.countAll(s)
		if why := r.waveFault(); why != nil {
			return why
		}
		return failure.Of(failure.BadData, s.owner, err)
	}
	got := v.Opened()
	for _, c := range got.Columns {
		r.opened.count(s.offer, c.Path, c.Bytes)
	}
	if got.Rows != s.file.Rows {
		return failure.Of(failure.BadData, s.owner, errForeign)
	}
	r.opened.views[s.index] = v
	if err := r.opened.files[s.index].Serve(v, v.Size()); err != nil {
		return failure.New(failure.Internal, err)
	}
	return nil
}

// countAll counts all of a source's columns: more than they open to.
func (r *run) countAll(s *source) {
	for column, n := range s.plan.ColumnBytes() {
		r.opened.count(s.offer, column, n)
	}
}

// here waits until all that the columns take has come. It reports whether it did.
func (s *source) here() bool {
	return !slices.ContainsFunc(s.plan.Ranges(), func(r pme.Range) bool { return s.data.Slice(r.Off, r.Len) == nil })
}

// forEach runs f for all of a list, as many at once as there are processors, and returns the first error in the list's order.
func forEach[T any](list []T, f func(T) error) error {
	errs := make([]error, len(list))
	busy := make(slots, max(2, runtime.GOMAXPROCS(0)))
	var all sync.WaitGroup
	for i, s := range list {
		all.Go(func() {
			busy <- struct{}{}
			defer func() { <-busy }()
			errs[i] = f(s)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
