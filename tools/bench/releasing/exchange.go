package releasing

import (
	"context"
	"net/http"
	"sync"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// exchange answers a broker out of memory: what it would say over HTTP, without HTTP. Nobody revoked anything.
type exchange struct {
	mu         sync.Mutex
	statements map[statement.Digest]*statement.Envelope
	parties    map[statement.Fingerprint]*statement.Envelope
	jobs       map[statement.Digest]*statement.Envelope
	answers    map[int64][]byte // by the number of the message
}

func newExchange() *exchange {
	return &exchange{
		statements: map[statement.Digest]*statement.Envelope{}, parties: map[statement.Fingerprint]*statement.Envelope{},
		jobs: map[statement.Digest]*statement.Envelope{}, answers: map[int64][]byte{},
	}
}

func notFound() error {
	return &client.Error{Status: http.StatusNotFound, Code: wire.CodeNotFound, Message: "not found"}
}

func (x *exchange) post(e *statement.Envelope) { x.statements[e.Digest()] = e }

// Statement is catalog.Exchange's.
func (x *exchange) Statement(_ context.Context, d statement.Digest) (*statement.Envelope, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.statements[d]; e != nil {
		return e, nil
	}
	return nil, notFound()
}

// AllStatements is catalog.Exchange's, for what a broker asks: introductions, and revocations, of which there are none.
func (x *exchange) AllStatements(_ context.Context, q client.Query) ([]wire.StatementItem, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.parties[q.Owner]; q.Kind == client.Parties && e != nil {
		return []wire.StatementItem{{Seq: 1, Digest: e.Digest(), Envelope: *e}}, nil
	}
	return nil, nil
}

// JobEnvelope is broker.Exchange's.
func (x *exchange) JobEnvelope(_ context.Context, d statement.Digest) (*statement.Envelope, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.jobs[d]; e != nil {
		return e, nil
	}
	return nil, notFound()
}

// Reply is broker.Exchange's.
func (x *exchange) Reply(_ context.Context, _ statement.Digest, a wire.Answer) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answers[a.Ref] = a.Body
	return nil
}

// SendNotice is broker.Exchange's.
func (x *exchange) SendNotice(context.Context, statement.Fingerprint, wire.Notice) error { return nil }

func (x *exchange) submit(e *statement.Envelope) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.jobs[e.Digest()] = e
}

// answer takes the answer to a message away.
func (x *exchange) answer(seq int64) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	a := x.answers[seq]
	delete(x.answers, seq)
	return a
}
