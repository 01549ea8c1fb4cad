package publish

import (
	"context"
	"errors"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/rowgroup"
	"github.com/cordon-exchange/cordon/internal/party/tabular"
)

// pipeline reads a table, checks, converts and encodes several row groups at once, and gives them away in order. Of the first
// row that is refused it tells, however far others were. No more row groups are in memory than there are workers, and two.
type pipeline struct {
	scan *scan
	src  tabular.Reader
	out  func(*rowgroup.Group) error // nil: check only
	tell func(Progress)

	need     []int // columns of the file
	contents *contents
	unique   int // the column whose values are, -1: none
	seen     *uniques
	outside  []int64 // of each column, values that were kept beyond its clamp
	rows     int64
}

func newPipeline(s *scan, src tabular.Reader, out func(*rowgroup.Group) error, tell func(Progress)) (*pipeline, error) {
	p := &pipeline{
		scan: s, src: src, out: out, tell: tell, need: s.sel.files(), unique: -1, outside: make([]int64, len(s.cols)),
	}
	var err error
	if s.request.contentsKey == nil {
		if s.request.contentsKey, err = dataset.NewContentsKey(); err != nil {
			return nil, err
		}
	}
	if p.contents, err = contentsOf(s.cols, s.policy, s.request.numbered, s.request.contentsKey); err != nil {
		return nil, err
	}
	for i := range s.cols {
		if s.cols[i].unique {
			p.unique, p.seen = i, newUniques()
		}
	}
	return p, nil
}

// job is one row group on its way.
type job struct {
	bench  *bench
	pieces []piece
	first  int64 // number of its first row among the published, from 1
	rows   int
	size   int64
	read   int64 // bytes of the file, once its rows were read

	done chan struct{}
	err  error
	bad  int // the row that err is about: all before it are good
	sum  *partSum
}

// piece is rows of a batch, from one up to and without another.
type piece struct {
	batch    *tabular.Batch
	from, to int
}

// bench is what a worker needs for a row group. It goes from one row group to the next, with its memory.
type bench struct {
	converters []*converter
	values     []*rowgroup.Values
	encoder    *rowgroup.Encoder
	group      rowgroup.Group
}

func (p *pipeline) newBench() (*bench, error) {
	b := &bench{}
	for i := range p.scan.cols {
		c := &p.scan.cols[i]
		place := rowID
		if c.from != rowID {
			place = p.scan.sel.place(c.from)
		}
		b.converters, b.values = append(b.converters, newConverter(c, place)), append(b.values, &rowgroup.Values{})
	}
	var err error
	b.encoder, err = rowgroup.NewEncoder(p.scan.stored())
	return b, err
}

// wipe overwrites the owner's values.
func (b *bench) wipe() {
	for _, v := range b.values {
		v.Wipe()
	}
	b.encoder.Wipe()
	b.group.Wipe()
}

func (p *pipeline) run(ctx context.Context) error {
	workers := runtime.GOMAXPROCS(0)
	benches := make(chan *bench, workers+1)
	for range cap(benches) {
		b, err := p.newBench()
		if err != nil {
			return internal(err)
		}
		defer b.wipe()
		benches <- b
	}
	jobs, ordered := make(chan *job), make(chan *job, cap(benches))
	g, ctx := errgroup.WithContext(ctx)
	var read error // what ended reading: told if nothing is wrong with the rows before it
	g.Go(func() error {
		defer close(ordered)
		defer close(jobs)
		read = p.dispatch(ctx, func(j *job) error { return p.give(ctx, j, benches, jobs, ordered) })
		return nil
	})
	for range workers {
		g.Go(func() error {
			for j := range jobs {
				p.work(j)
				close(j.done)
			}
			return nil
		})
	}
	g.Go(func() error { return p.collect(ordered, benches) })
	if err := g.Wait(); err != nil {
		return err
	}
	return read
}

// give waits for a bench and gives a job to a worker. Benches are dealt out in the order of the jobs, and come back in it: the
// next job to be collected always has one.
func (p *pipeline) give(ctx context.Context, j *job, benches chan *bench, jobs, ordered chan<- *job) error {
	select {
	case j.bench = <-benches:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	}
	ordered <- j // has room for all benches
	return nil
}

// dispatch reads the table and cuts it into row groups.
func (p *pipeline) dispatch(ctx context.Context, give func(*job) error) error {
	next := func(first int64) *job { return &job{first: first, done: make(chan struct{})} }
	j := next(1)
	flush := func() error {
		if j.rows == 0 {
			return nil
		}
		err := give(j)
		j = next(j.first + int64(j.rows))
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, end := p.src.Next(p.need)
		if end == nil {
			var kept []piece
			kept, end = p.scan.sel.kept(b)
			for _, k := range kept {
				for k.from < k.to {
					k = j.take(k, p.src.Read())
					if j.rows < rowGroup && j.size < rowGroupSize {
						continue
					}
					if err := flush(); err != nil {
						return err
					}
				}
			}
		}
		if end != nil {
			if err := flush(); err != nil {
				return err
			}
			if errors.Is(end, io.EOF) {
				return nil
			}
			return end
		}
	}
}

// take takes what a row group has room for, and returns the rest.
func (j *job) take(k piece, read int64) piece {
	n := min(k.to-k.from, rowGroup-j.rows)
	j.pieces = append(j.pieces, piece{k.batch, k.from, k.from + n})
	for _, col := range k.batch.Columns {
		j.size += int64(col.Data().SizeInBytes()) * int64(n) / int64(k.batch.Rows)
	}
	j.rows, j.read = j.rows+n, read
	k.from += n
	return k
}

// work converts, checks and encodes a row group.
func (p *pipeline) work(j *job) {
	if j.bad, j.err = p.convert(j); j.err != nil {
		return
	}
	if !p.scan.unchecked {
		j.sum = p.contents.sumOf(p.scan.cols, j.bench.values)
	}
	if p.out == nil {
		return
	}
	if err := j.bench.encoder.Encode(&j.bench.group, j.bench.values); err != nil {
		j.bad, j.err = j.rows, internal(err)
	}
}

// convert fills the bench's values. Where rows are refused it finds the first of them, and in it the first column.
func (p *pipeline) convert(j *job) (bad int, err error) {
	defer j.pieces[0].batch.Guard(&err)
	bad = j.rows
	for i, c := range j.bench.converters {
		v := j.bench.values[i]
		v.Reset()
		if c.place == rowID {
			for n := range int64(j.rows) {
				v.Ints = append(v.Ints, j.first+n)
			}
			v.Rows = j.rows
		} else if row, why := c.rows(v, j.pieces, bad); why != nil {
			bad, err = row, why
		}
		v.Range = rowgroup.RangeOf(v.Ints)
	}
	return bad, err
}

// rows converts the first so many rows of a row group, up to the first that is refused.
func (c *converter) rows(v *rowgroup.Values, pieces []piece, limit int) (bad int, err error) {
	c.begin()
	for _, k := range pieces {
		to := min(k.to, k.from+limit-v.Rows)
		if _, err := c.add(v, k.batch, k.from, to); err != nil {
			return v.Rows, err
		}
	}
	return limit, nil
}

// collect gives row groups away in order.
func (p *pipeline) collect(ordered <-chan *job, benches chan<- *bench) error {
	for j := range ordered {
		<-j.done
		if err := p.twice(j); err != nil {
			return err
		}
		if j.err != nil {
			return j.err
		}
		if p.out != nil {
			if err := p.out(&j.bench.group); err != nil {
				return err
			}
		}
		if j.sum != nil {
			p.contents.add(j.sum)
		}
		p.rows += int64(j.rows)
		for i, c := range j.bench.converters {
			p.outside[i] += c.outside
			c.outside = 0
		}
		p.tell(Progress{Stage: "read", Rows: p.rows, Bytes: j.read})
		benches <- j.bench
	}
	return nil
}

// twice refuses a unit that was in a row before. Of two rows that are refused it leaves the first to the other.
func (p *pipeline) twice(j *job) error {
	if p.unique < 0 {
		return nil
	}
	c := &p.scan.cols[p.unique]
	row := p.seen.first(c.kind(), j.bench.values[p.unique])
	if row < 0 || j.err != nil && row >= j.bad {
		return nil
	}
	return refusedValue(j.placeOf(row), c, errTwice)
}

func (j *job) placeOf(row int) string {
	for _, k := range j.pieces {
		if n := k.to - k.from; row >= n {
			row -= n
			continue
		}
		return k.batch.Place(k.from + row)
	}
	return ""
}

func (p *pipeline) clampedNotes() (out []string) {
	for i, n := range p.outside {
		if n > 0 {
			out = append(out, clampedNote(p.scan.cols[i].Name, n))
		}
	}
	return out
}
