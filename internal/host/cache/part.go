package cache

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
)

// part is a range that is being read. Only its methods Read, WriteTo and Close are for others, and not for several at once.
type part struct {
	c      *Cache
	e      *entry
	ctx    context.Context // of the call that opened it, which a part does not outlive
	cancel context.CancelFunc
	o      Object
	at     int64 // up to where it was read
	end    int64

	work sync.WaitGroup
	mu   sync.Mutex
	err  error // of the source

	past io.ReadCloser     // streams what the cache can't give
	file *os.File          // with a position of its own
	now  *io.LimitedReader // what is read next; nil if that has to be seen to
}

// claim sees to it that somebody fetches all that is not there.
func (p *part) claim() {
	for _, r := range p.e.claim(p.at, p.end) {
		_, n := p.e.bounds(r)
		if !r.kept && !p.c.reserve(p.e, n) {
			p.e.settle(r, absent)
			continue
		}
		p.work.Go(func() {
			if r.kept {
				p.check(r)
			} else {
				p.fetch(r)
			}
		})
	}
}

// check compares blocks of before a restart with their checksums.
func (p *part) check(r run) {
	buf := make([]byte, blockSize)
	for b := r.first; b < r.end; b++ {
		one := run{first: b, end: b + 1}
		off, n := p.e.bounds(one)
		if m, _ := p.e.file.ReadAt(buf[:n], off); int64(m) == n && sum(buf[:n]) == p.e.sums[b] {
			p.e.settle(one, there)
			continue
		}
		p.c.release(p.e, n)
		p.e.settle(one, absent)
	}
}

// fetch gets blocks from the source. What did not come is absent again.
func (p *part) fetch(r run) {
	err := p.fetchInto(&r)
	if err == nil {
		return
	}
	_, n := p.e.bounds(r)
	p.c.release(p.e, n)
	var disk *os.PathError
	if !errors.As(err, &disk) {
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
	}
	p.e.settle(r, absent)
}

// fetchInto takes block after block off r.
func (p *part) fetchInto(r *run) error {
	off, n := p.e.bounds(*r)
	body, err := p.o.From(p.ctx, p.o.Path, off, n)
	if err != nil {
		return err
	}
	defer body.Close()
	buf := make([]byte, blockSize)
	for r.first < r.end {
		one := run{first: r.first, end: r.first + 1}
		_, n := p.e.bounds(one)
		if _, err := io.ReadFull(body, buf[:n]); err != nil {
			return err
		}
		if err := p.e.keep(r.first, buf[:n]); err != nil {
			return err
		}
		r.first++
		p.e.settle(one, there)
	}
	return nil
}

// failure is why the source gave nothing, if so.
func (p *part) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// maxClaims is how often a part takes over from others that failed, before it goes past the cache.
const maxClaims = 3

// first sees to the next bytes, and waits for the first of them.
func (p *part) first() error {
	for claims := 1; p.past == nil; claims++ {
		to, err := p.e.wait(p.ctx, p.at, p.end)
		switch {
		case err != nil:
			return err
		case to > p.at && p.seek():
			p.now = &io.LimitedReader{R: p.file, N: to - p.at}
			return nil
		case p.failure() != nil:
			return p.failure()
		case to > p.at || claims >= maxClaims:
			return p.stream()
		}
		p.claim()
	}
	return nil
}

// seek makes the file ready at the place where reading is. It reports whether it can.
func (p *part) seek() (ok bool) {
	if p.file == nil {
		f, err := os.Open(p.e.file.Name())
		if err != nil {
			return false // dropped
		}
		p.file = f
	}
	_, err := p.file.Seek(p.at, io.SeekStart)
	return err == nil
}

// stream goes past the cache for all that is left.
func (p *part) stream() (err error) {
	p.past, err = p.o.From(p.ctx, p.o.Path, p.at, p.end-p.at)
	if err != nil {
		p.past = nil
		return err
	}
	p.now = &io.LimitedReader{R: p.past, N: p.end - p.at}
	return nil
}

// took notes that n bytes were read, and what to make of it.
func (p *part) took(n int64, err error) error {
	p.at += n
	if p.now.N == 0 {
		p.now = nil
		return nil
	}
	if p.past == nil && (err == nil && n == 0 || errors.Is(err, syscall.EIO)) {
		p.c.Drop(p.o.Path) // it became shorter, or the disk can't read it
		return p.stream()
	}
	return err
}

// Read implements io.Reader.
func (p *part) Read(b []byte) (int, error) {
	for len(b) > 0 && p.at < p.end {
		if p.now == nil {
			if err := p.first(); err != nil {
				return 0, err
			}
		}
		n, err := p.now.Read(b)
		if errors.Is(err, io.EOF) {
			err = p.ended()
		}
		if err := p.took(int64(n), err); n > 0 || err != nil {
			return n, err
		}
	}
	if p.at < p.end {
		return 0, nil
	}
	return 0, io.EOF
}

// ended is what the end of what is read before its time means: of a file, that something else has to be read.
func (p *part) ended() error {
	if p.past != nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// copySize is how much is copied at once where files can't be sent as they are.
const copySize = 256 << 10

// WriteTo implements io.WriterTo: what lies in a file is given to w as that.
func (p *part) WriteTo(w io.Writer) (int64, error) {
	from := p.at
	var buf []byte
	if _, ok := w.(io.ReaderFrom); !ok {
		buf = make([]byte, min(copySize, p.end-p.at))
	}
	for p.at < p.end {
		if p.now == nil {
			if err := p.first(); err != nil {
				return p.at - from, err
			}
		}
		before := p.now.N
		n, err := io.CopyBuffer(w, p.now, buf)
		if n == 0 && err == nil && before > 0 {
			err = p.ended()
		}
		if err := p.took(n, err); err != nil {
			return p.at - from, err
		}
	}
	return p.at - from, nil
}

// Close ends what was begun for this part alone.
func (p *part) Close() error {
	p.cancel()
	p.work.Wait()
	var errs []error
	if p.past != nil {
		errs = append(errs, p.past.Close())
	}
	if p.file != nil {
		errs = append(errs, p.file.Close())
	}
	p.c.unuse(p.e)
	return errors.Join(errs...)
}
