package channel

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"

	wire "github.com/cordon-exchange/cordon/internal/channel"
)

// ahead is how many ranges are asked of the backend before it is their turn: where they come from far away, they come together.
const ahead = 16

// copySize is how much of an object is copied at once: little enough to be in the processor's cache at the next copy.
const copySize = 256 << 10

// ranges answers with the bytes of all ranges, one behind the other.
func (s *server) ranges(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(r, wire.MaxAsked)
	if err != nil {
		return err
	}
	asked, err := wire.DecodeRanges(body)
	if err != nil {
		return errBad
	}
	ctx, cancel := context.WithCancel(r.Context())
	q := s.openAhead(ctx, asked.Items)
	defer q.close()
	defer cancel()
	var total int64
	for _, i := range asked.Items {
		total += i.Bytes
	}
	for i := range asked.Items {
		part := q.next()
		if part.err != nil && i == 0 {
			return part.err
		}
		if i == 0 {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Content-Length", strconv.FormatInt(total, 10))
		}
		// The status is sent: all that is left to say is that the stream broke off.
		if part.err != nil || part.send(w) != nil {
			panic(http.ErrAbortHandler)
		}
	}
	return nil
}

// part is one range, opened.
type part struct {
	body io.ReadCloser
	n    int64
	err  error
}

// send writes the range and closes it. A body that knows a better way than to be read takes that.
func (p *part) send(w io.Writer) error {
	defer p.body.Close()
	var m int64
	var err error
	if to, ok := p.body.(io.WriterTo); ok {
		m, err = to.WriteTo(w)
	} else {
		m, err = io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(p.body, p.n), make([]byte, min(p.n, copySize)))
	}
	if err == nil && m != p.n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// queue holds ranges that were opened before their turn.
type queue struct {
	turns chan chan *part
	all   sync.WaitGroup
}

func (s *server) openAhead(ctx context.Context, items []wire.Range) *queue {
	q := &queue{turns: make(chan chan *part, ahead)}
	q.all.Go(func() {
		defer close(q.turns)
		for _, i := range items {
			turn := make(chan *part, 1)
			select {
			case q.turns <- turn:
			case <-ctx.Done():
				return
			}
			q.all.Go(func() {
				body, err := s.backend.Object(ctx, i.Object, i.Off, i.Bytes)
				turn <- &part{body: body, n: i.Bytes, err: err}
			})
		}
	})
	return q
}

func (q *queue) next() *part {
	turn, ok := <-q.turns
	if !ok {
		return &part{err: context.Canceled}
	}
	return <-turn
}

// close closes what nobody took. The context has ended by then.
func (q *queue) close() {
	for turn := range q.turns {
		if p := <-turn; p.err == nil {
			p.body.Close()
		}
	}
	q.all.Wait()
}
