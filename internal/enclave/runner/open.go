package runner

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/pme"
	"github.com/cordon-exchange/cordon/pme/memfile"
	"github.com/cordon-exchange/cordon/statement"
)

// memoryFile is where one source's columns are opened into.
type memoryFile = memfile.File

// opened is all data that is in clear, or will be, by source of the plan.
type opened struct {
	files []*memoryFile
	room  []int64 // of each

	stopPopulating context.CancelFunc
	populating     sync.WaitGroup

	mu      sync.Mutex
	columns map[exposed]int64 // decrypted bytes
}

// exposed names one key's data.
type exposed struct {
	offer  statement.Digest
	column string
}

func (o *opened) close() {
	o.settle()
	for _, f := range o.files {
		if f != nil {
			_ = f.Close()
		}
	}
	o.files = nil
}

func (o *opened) count(offer statement.Digest, column string, n int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.columns[exposed{offer, column}] += n
}

const (
	maxSources = 900     // files and engine share the descriptors of the process
	slack      = 1 << 20 // a plain footer can be larger than the sealed one was
)

// source is one data set of the plan on its way into the clear.
type source struct {
	index int
	offer statement.Digest
	owner string // name
	file  statement.File
	plan  *pme.Plan
	foot  int64
	data  *arriving
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

// bindEarly makes the memory files and locks the engine to them while owners decide, where the sealed sizes say that
// everything fits. Otherwise open does so when it knows what the columns need.
func (e *pendingEngine) bindEarly(ctx context.Context, r *run) {
	sources, err := r.sources()
	if err != nil {
		return // open says so
	}
	var sizes []int64
	var total int64
	for _, s := range sources {
		sizes = append(sizes, s.file.Bytes+slack)
		total += s.file.Bytes + slack
	}
	if total > share(r.limits, dataShare) {
		return
	}
	if r.makeFiles(sizes) == nil {
		e.bind(ctx, r)
		r.opened.populate(ctx, r.expected(sources))
	}
}

// expected is what the opened columns of each source may take: their part of the sealed file, as if all were alike. How
// large each is says the footer, which is sealed.
func (r *run) expected(sources []*source) []int64 {
	var out []int64
	for _, s := range sources {
		columns := len(r.brief.Offers[s.offer].Body().Schema)
		out = append(out, s.file.Bytes/int64(max(1, columns))*int64(len(r.plan.Sources[s.index].Columns)))
	}
	return out
}

// worthPopulating: below this, writing out is quicker than mapping.
const worthPopulating = 1 << 20

// populate begins to put memory under the files, in time in which there is nothing to write yet.
func (o *opened) populate(ctx context.Context, sizes []int64) {
	ctx, o.stopPopulating = context.WithCancel(ctx)
	o.populating.Go(func() {
		for i, f := range o.files {
			if sizes[i] >= worthPopulating {
				f.Populate(ctx, sizes[i])
			}
		}
	})
}

// settle ends populating: from here on the files may be used.
func (o *opened) settle() {
	if o.stopPopulating != nil {
		o.stopPopulating()
	}
	o.populating.Wait()
}

func (r *run) makeFiles(sizes []int64) error {
	o := &opened{room: sizes, columns: map[exposed]int64{}}
	for _, n := range sizes {
		f, err := memfile.Create("cordon", n)
		if err != nil {
			o.close()
			return failure.New(failure.TooLarge, err)
		}
		o.files = append(o.files, f)
	}
	r.opened = o
	return nil
}

// open decrypts the columns that the plan reads, of all sources, into memory files that nobody can write to any more.
func (r *run) open(ctx context.Context) error {
	sources, err := r.sources()
	if err != nil {
		return err
	}
	defer func() {
		for _, s := range sources {
			s.data.free()
		}
	}()
	if err := each(sources, func(s *source) error { return r.locate(ctx, s) }); err != nil {
		return err
	}
	if err := r.fits(sources); err != nil {
		return err
	}
	if r.opened != nil {
		r.opened.settle()
	}
	if r.opened == nil {
		var sizes []int64
		for _, s := range sources {
			sizes = append(sizes, s.plan.MaxOutput())
		}
		if err := r.makeFiles(sizes); err != nil {
			return err
		}
		r.engine.bind(ctx, r)
	}
	return r.decrypt(ctx, sources)
}

// locate opens a source's footer, which says where its columns lie.
func (r *run) locate(ctx context.Context, s *source) error {
	keys := r.keys.sets[s.offer].forFile()
	opt := pme.OpenOptions{
		Keys: keys, AADPrefix: []byte(s.file.AADPrefix), Columns: r.plan.Sources[s.index].Columns,
		Workers: r.workers(len(r.plan.Sources)), PagesOnly: true,
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
	s.foot = footerBytes(t.bytes)
	if s.data, err = newArriving(s.plan.Ranges(), t); err != nil {
		return failure.Of(failure.TooLarge, s.owner, err)
	}
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

// fits refuses what the job's class has no room for, before anything is fetched.
func (r *run) fits(sources []*source) error {
	var total int64
	for _, s := range sources {
		n := s.plan.MaxOutput()
		if r.opened != nil && n > r.opened.room[s.index] {
			return failure.Of(failure.TooLarge, s.owner, nil)
		}
		total += n + s.data.bytes
	}
	if total > share(r.limits, dataShare) {
		return failure.New(failure.TooLarge, nil)
	}
	return nil
}

// decrypt fetches all row groups of the columns wanted, whatever the query's constants, and opens them as they come.
func (r *run) decrypt(ctx context.Context, sources []*source) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	busy := make(slots, maxSlots)
	var fetching sync.WaitGroup
	defer fetching.Wait()
	for _, s := range sources {
		data := s.data
		fetching.Go(func() { data.fetch(ctx, r.host, s.file.Object, busy) })
	}
	err := each(sources, func(s *source) error { return r.decryptOne(ctx, s) })
	if err != nil {
		cancel()
	}
	return err
}

func (r *run) decryptOne(ctx context.Context, s *source) error {
	f := r.opened.files[s.index]
	got, err := s.plan.RunTo(ctx, s.data, f)
	if err != nil {
		if s.data.failed() {
			return failure.New(failure.Link, err)
		}
		return failure.Of(failure.BadData, s.owner, err)
	}
	r.opened.count(s.offer, statement.FooterKey, s.foot)
	for _, c := range got.Columns {
		r.opened.count(s.offer, c.Path, c.Bytes)
	}
	if got.Rows != s.file.Rows {
		return failure.Of(failure.BadData, s.owner, errForeign)
	}
	if err := f.Finish(got.Size); err != nil {
		return failure.New(failure.Internal, err)
	}
	return nil
}

// each runs f for all sources, as many at once as there are processors, and returns the first error in the order of sources.
func each(sources []*source, f func(*source) error) error {
	errs := make([]error, len(sources))
	busy := make(slots, max(2, runtime.GOMAXPROCS(0)))
	var all sync.WaitGroup
	for i, s := range sources {
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
