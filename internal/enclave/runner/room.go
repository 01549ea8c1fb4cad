package runner

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/internal/enclave/failure"
	"github.com/cordon-exchange/cordon/pme"
)

// makeRoom divides the memory for data among the sources. What does not fit goes through a window in waves, or is refused before more is
// fetched: what the sources need follows from the plan and from their footers.
func (r *run) makeRoom(ctx context.Context, sources []*source) error {
	if longest := longestFile(sources); longest > r.limits.MemoryBytes { // the kernel lets no file of this process be longer
		return failure.Sized(failure.TooLarge, longest, r.limits.MemoryBytes)
	}
	for _, s := range sources {
		s.look()
	}
	if r.needed(sources) > r.dataRoom() && slices.ContainsFunc(sources, (*source).misled) {
		r.startOver(sources)
	}
	if r.needed(sources) <= r.dataRoom() {
		return keep(sources)
	}
	if r.plan.Tick() > 0 { // when waves are fetched tells how far a query is
		return failure.Sized(failure.TooLarge, r.needed(sources), r.dataRoom())
	}
	d := r.divide(sources)
	if !d.fits() && slices.ContainsFunc(sources, (*source).aheadAtAll) {
		r.startOver(sources)
		d = r.divide(sources)
	}
	if !d.fits() {
		return failure.Sized(failure.TooLarge, d.least(), r.dataRoom())
	}
	if err := keep(d.whole); err != nil {
		return err
	}
	return r.openWindow(ctx, d)
}

// longestFile is the length of the longest file that a source may become. It has no memory, and still a limit.
func longestFile(sources []*source) (n int64) {
	for _, s := range sources {
		n = max(n, s.plan.MaxOutput())
	}
	return n
}

// dataRoom is how many bytes of ciphertext the job may have in memory.
func (r *run) dataRoom() int64 { return share(r.limits, dataShare) }

// look sees what of a source is here or on its way.
func (s *source) look() {
	if s.data == nil {
		s.data = newArriving(s.file.Object)
	}
	s.data.has(s.tail)
	s.lacks = s.data.lacks(s.plan.Ranges())
}

// needs is what a source takes whole.
func (s *source) needs() int64 { return s.data.bytes + sizeOf(s.lacks) }

func (r *run) needed(sources []*source) (n int64) {
	for _, s := range sources {
		n += s.needs()
	}
	return n
}

// misled reports whether more was fetched than the source's columns take.
func (s *source) misled() bool {
	return s.data.bytes > sizeOf(withSmallGaps(s.plan.Ranges()))
}

func (s *source) aheadAtAll() bool { return s.data.bytes > 0 }

// startOver gives up what was fetched by layouts.
func (r *run) startOver(sources []*source) {
	r.ahead.close()
	for _, s := range sources {
		s.data.free()
		s.data = nil
		s.look()
	}
}

// keep makes room for all of some sources.
func keep(sources []*source) (err error) {
	for _, s := range sources {
		if s.late, err = s.data.wants(s.plan.Ranges()); err != nil {
			return failure.Of(failure.TooLarge, s.owner, err)
		}
	}
	return nil
}

// division of the memory for data: sources that are kept whole, and a window for the others.
type division struct {
	whole, others []*source
	room          int64 // all there is
	kept          int64 // of it for those that are whole
	largest       int64 // row group of the others
	rooms         int64 // waves that are here at once
	threads       int64 // of the engine
}

// spareRooms: beside the row groups that the engine's threads are at, one that comes next, and one that is passed by.
const spareRooms = 2

// smallShare: as much of the memory, at most, goes to sources that are small enough to be kept.
const smallShare = 4

// fineness: the window has about as many waves or more, if row groups are small.
const fineness = 16

// divide keeps what was fetched whole, and what is small. The engine's threads are at one row group each, whichever file it is of: a window
// with fewer rooms would fetch them over and over.
func (r *run) divide(sources []*source) *division {
	d := &division{room: r.dataRoom(), threads: r.limits.Threads}
	small := d.room / smallShare / int64(len(sources))
	for _, s := range sources {
		if len(s.lacks) == 0 || s.needs() <= small {
			d.whole, d.kept = append(d.whole, s), d.kept+s.needs()
			continue
		}
		d.others, d.kept = append(d.others, s), d.kept+s.data.bytes
		for _, g := range s.plan.RowGroups() {
			d.largest = max(d.largest, groupBytes(inOrder(g)))
		}
	}
	d.rooms = d.left() / max(1, d.wave())
	return d
}

func (d *division) left() int64 { return d.room - d.kept }

// wave is the size of waves.
func (d *division) wave() int64 { return max(d.largest, min(askAtOnce, d.left()/fineness)) }

func (d *division) fits() bool {
	return d.rooms >= d.threads+spareRooms && !slices.ContainsFunc(d.others, (*source).aheadAtAll)
}

// least is what the sources need at once.
func (d *division) least() int64 { return d.kept + (d.threads+spareRooms)*d.largest }

// openWindow opens the window of a division.
func (r *run) openWindow(ctx context.Context, d *division) error {
	w, err := newWindow(int(d.rooms), d.wave(), r.fetch)
	if err != nil {
		return failure.New(failure.TooLarge, err)
	}
	r.opened.waves = w
	w.start(ctx)
	for _, s := range d.others {
		s.waves = cutWaves(w, s, d.wave())
		s.data = nil
	}
	return nil
}

// waveFault is why the window gives nothing more, as a failure of the job; nil if it does, or is none.
func (r *run) waveFault() error {
	err := r.opened.waves.failed()
	var known *failure.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded):
		return failure.New(failure.TimedOut, err)
	}
	return failure.New(failure.Link, err)
}

// inOrder sorts ranges by where they lie.
func inOrder(ranges []pme.Range) []pme.Range {
	slices.SortFunc(ranges, func(x, y pme.Range) int { return cmp.Compare(x.Off, y.Off) })
	return ranges
}
