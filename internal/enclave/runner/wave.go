package runner

import (
	"cmp"
	"errors"
	"slices"

	"github.com/cordon-exchange/cordon/pme"
)

// wave is what the plan needs of some consecutive row groups of a file. It is fetched and dropped as a whole.
type wave struct {
	of     *waved
	before *wave // in the file
	after  *wave
	ranges []pme.Range // with small gaps
	bytes  int64

	// The window's lock guards these.

	came    *arriving // nil: it is not here
	room    []byte    // where it is
	mark    []byte    // of what came the first time; of the fetcher alone, as number
	number  int
	fetched int   // times
	readers int   // who use what is here
	waiting int   // who wait for it
	used    int64 // when last, by the window's count
}

// add makes a range part of the wave.
func (v *wave) add(r pme.Range) {
	if n := len(v.ranges); n > 0 {
		last := &v.ranges[n-1]
		if gap := r.Off - (last.Off + last.Len); gap >= 0 && gap <= worthARange {
			last.Len += gap + r.Len
			v.bytes += gap + r.Len
			return
		}
	}
	v.ranges = append(v.ranges, r)
	v.bytes += r.Len
}

// waved is a file of which the memory holds some waves at a time. It is a source of package pme: reading waits for the wave that is needed.
type waved struct {
	in     *window
	object string
	owner  string // name
	waves  []*wave
	parts  []part // by offset
}

// part is a range that the plan needs, and the wave that has it.
type part struct {
	pme.Range
	in *wave
}

// cutWaves cuts what the plan needs of a source into waves of at most so many bytes, but of one row group at least.
func cutWaves(w *window, s *source, most int64) *waved {
	f := &waved{in: w, object: s.file.Object, owner: s.owner}
	for _, g := range s.plan.RowGroups() {
		if len(g) > 0 {
			f.addGroup(inOrder(g), most)
		}
	}
	slices.SortFunc(f.parts, func(x, y part) int { return cmp.Compare(x.Off, y.Off) })
	return f
}

func (f *waved) addGroup(group []pme.Range, most int64) {
	v := f.waveFor(group, most)
	for _, r := range group {
		v.add(r)
		f.parts = append(f.parts, part{r, v})
	}
}

// waveFor is the wave that a row group goes into: the last one, if there is room in it.
func (f *waved) waveFor(group []pme.Range, most int64) *wave {
	if n := len(f.waves); n > 0 {
		if last := f.waves[n-1]; last.bytes+groupBytes(group)+worthARange <= most {
			return last
		}
	}
	v := &wave{of: f}
	if n := len(f.waves); n > 0 {
		v.before = f.waves[n-1]
		v.before.after = v
	}
	f.waves = append(f.waves, v)
	return v
}

// groupBytes is how much is fetched for the ranges of one row group, which are in order.
func groupBytes(group []pme.Range) int64 {
	var v wave
	for _, r := range group {
		v.add(r)
	}
	return v.bytes
}

// waveOf is the wave that has a range whole; nil if none does.
func (f *waved) waveOf(off, n int64) *wave {
	i, found := slices.BinarySearchFunc(f.parts, off, func(p part, off int64) int { return cmp.Compare(p.Off, off) })
	if !found {
		i--
	}
	if i < 0 || n < 0 || off+n > f.parts[i].Off+f.parts[i].Len {
		return nil
	}
	return f.parts[i].in
}

var errOutside = errors.New("not of the ranges that the plan needs")

// Lend gives bytes that stay as they are until back is called. It waits for their wave, which is fetched if need be.
func (f *waved) Lend(off, n int64) (b []byte, back func(), err error) {
	v := f.waveOf(off, n)
	if v == nil {
		return nil, nil, errOutside
	}
	from, err := f.in.take(v)
	if err != nil {
		return nil, nil, err
	}
	if b = from.Slice(off, n); b == nil {
		f.in.giveBack(v)
		return nil, nil, errOutside
	}
	return b, func() { f.in.giveBack(v) }, nil
}

// ReadAt implements io.ReaderAt.
func (f *waved) ReadAt(b []byte, off int64) (int, error) {
	lent, back, err := f.Lend(off, int64(len(b)))
	if err != nil {
		return 0, err
	}
	defer back()
	return copy(b, lent), nil
}
