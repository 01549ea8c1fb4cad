package partytest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange keeps everything it is given and verifies nothing.
type Exchange struct {
	mu         sync.Mutex
	statements []wire.StatementItem
	Jobs       map[statement.Digest]*statement.Envelope
	Status     map[statement.Digest]*wire.JobStatus
	Objects    map[string][]byte
	Artifacts  map[string][]byte // by job and name, with a space between
	Answers    []Answer
	Notices    []Notice
	Down       error // every call fails with it
}

// Answer is a reply that a broker posted.
type Answer struct {
	Job statement.Digest
	wire.Answer
}

// Notice is a notice that a broker sent.
type Notice struct {
	To statement.Fingerprint
	wire.Notice
}

// New makes an empty exchange.
func New() *Exchange {
	return &Exchange{
		Jobs: map[statement.Digest]*statement.Envelope{}, Status: map[statement.Digest]*wire.JobStatus{},
		Objects: map[string][]byte{}, Artifacts: map[string][]byte{},
	}
}

// NotFound is what the real client returns for what is not there.
func NotFound() error {
	return &client.Error{Status: http.StatusNotFound, Code: wire.CodeNotFound, Message: "not found"}
}

// PostStatement stores an envelope, merging the signatures of pools.
func (x *Exchange) PostStatement(_ context.Context, e *statement.Envelope) (statement.Digest, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Down != nil {
		return "", x.Down
	}
	for i := range x.statements {
		if it := &x.statements[i]; it.Digest == e.Digest() {
			for _, s := range e.Signatures {
				if !slices.ContainsFunc(it.Envelope.Signatures, func(h statement.Signature) bool { return h.KeyID == s.KeyID }) {
					it.Envelope.Signatures = append(slices.Clone(it.Envelope.Signatures), s)
				}
			}
			return e.Digest(), nil
		}
	}
	x.statements = append(x.statements, wire.StatementItem{Seq: int64(len(x.statements) + 1), Digest: e.Digest(), Envelope: *e})
	return e.Digest(), nil
}

// Replace makes the exchange give another envelope for a digest: a lie.
func (x *Exchange) Replace(d statement.Digest, e *statement.Envelope) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.statements {
		if x.statements[i].Digest == d {
			x.statements[i].Envelope = *e
		}
	}
}

// Forget hides a statement, as a lying exchange can.
func (x *Exchange) Forget(d statement.Digest) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.statements = slices.DeleteFunc(x.statements, func(i wire.StatementItem) bool { return i.Digest == d })
}

// Statement gives an envelope by digest.
func (x *Exchange) Statement(_ context.Context, d statement.Digest) (*statement.Envelope, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Down != nil {
		return nil, x.Down
	}
	for i := range x.statements {
		if x.statements[i].Digest == d {
			e := x.statements[i].Envelope
			return &e, nil
		}
	}
	return nil, NotFound()
}

// AllStatements lists by kind, name, author and what is referred to.
func (x *Exchange) AllStatements(_ context.Context, q client.Query) ([]wire.StatementItem, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Down != nil {
		return nil, x.Down
	}
	var out []wire.StatementItem
	for _, it := range x.statements {
		if matches(&it.Envelope, q) {
			out = append(out, it)
		}
	}
	return out, nil
}

func matches(e *statement.Envelope, q client.Query) bool {
	uri, err := statement.PeekType(e.Payload)
	if err != nil || !strings.HasSuffix(uri, "/"+q.Kind+"/v1") {
		return false
	}
	switch q.Kind {
	case client.Parties:
		b, err := statement.DecodeUnverified[statement.Party](e.Payload)
		return err == nil && (q.Owner == "" || slices.Contains(b.Authors(), q.Owner)) && (q.Name == "" || b.Name == q.Name)
	case client.Offers:
		b, err := statement.DecodeUnverified[statement.Offer](e.Payload)
		return err == nil && (q.Owner == "" || b.Owner == q.Owner) && (q.Name == "" || b.Dataset == q.Name)
	case client.Grants:
		b, err := statement.DecodeUnverified[statement.Grant](e.Payload)
		return err == nil && (len(q.About) == 0 || slices.Contains(q.About, b.Contract))
	case client.Counters:
		b, err := statement.DecodeUnverified[statement.Counter](e.Payload)
		return err == nil && (len(q.About) == 0 || slices.Contains(q.About, b.Contract))
	case client.Rejections:
		b, err := statement.DecodeUnverified[statement.Rejection](e.Payload)
		return err == nil && (len(q.About) == 0 || slices.Contains(q.About, b.Contract))
	case client.Templates:
		b, err := statement.DecodeUnverified[statement.Template](e.Payload)
		return err == nil && (q.Owner == "" || b.Author == q.Owner) && (q.Name == "" || b.Name == q.Name) && (len(q.About) == 0 || slices.Contains(q.About, b.Replaces))
	case client.Accreditations:
		b, err := statement.DecodeUnverified[statement.Accreditation](e.Payload)
		return err == nil && (q.Owner == "" || b.Accreditor == q.Owner)
	case client.Revocations:
		b, err := statement.DecodeUnverified[statement.Revocation](e.Payload)
		return err == nil && (q.Owner == "" || b.Author == q.Owner) && (len(q.About) == 0 || slices.Contains(q.About, b.Revokes)) && (q.Name == wire.KeyRevocation) == (b.Key != "" && q.Name != "")
	case client.Orders:
		b, err := statement.DecodeUnverified[statement.Order](e.Payload)
		return err == nil && (q.Owner == "" || b.Buyer == q.Owner) && (len(q.About) == 0 || slices.Contains(q.About, b.Contract))
	case client.Settlements:
		b, err := statement.DecodeUnverified[statement.Settlement](e.Payload)
		return err == nil && (q.Owner == "" || b.Settler == q.Owner) && (len(q.About) == 0 || slices.Contains(q.About, b.Order))
	case client.Invoices:
		b, err := statement.DecodeUnverified[statement.Invoice](e.Payload)
		return err == nil && (len(q.About) == 0 || slices.Contains(q.About, b.Order))
	case client.Charges:
		b, err := statement.DecodeUnverified[statement.Charge](e.Payload)
		return err == nil && (q.Owner == "" || b.Owner == q.Owner) && (len(q.About) == 0 || slices.Contains(q.About, b.Order))
	case client.Closings:
		b, err := statement.DecodeUnverified[statement.Closing](e.Payload)
		return err == nil && (q.Owner == "" || b.Owner == q.Owner) && (len(q.About) == 0 || slices.Contains(q.About, b.Order))
	case client.Refunds:
		b, err := statement.DecodeUnverified[statement.Refund](e.Payload)
		return err == nil && (q.Owner == "" || b.Owner == q.Owner) && (len(q.About) == 0 || slices.Contains(q.About, b.Order))
	case client.Pools:
		b, err := statement.DecodeUnverified[statement.Pool](e.Payload)
		return err == nil && (q.Name == "" || b.Name == q.Name) && q.Pending == (len(e.Signatures) < len(b.Members))
	}
	return true
}

// OpenObject gives what PutObject took.
func (x *Exchange) OpenObject(_ context.Context, path string, offset, length int64) (io.ReadCloser, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	b, ok := x.Objects[path]
	if !ok || x.Down != nil {
		return nil, errors.Join(fmt.Errorf("no object %s", path), x.Down)
	}
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(b), offset, length)), nil
}

// PutObject reads the upload to its end.
func (x *Exchange) PutObject(_ context.Context, path string, u client.Upload) error {
	r, err := u.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Down != nil {
		return x.Down
	}
	x.Objects[path] = b
	return nil
}

// Reply stores an answer.
func (x *Exchange) Reply(_ context.Context, job statement.Digest, a wire.Answer) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Answers = append(x.Answers, Answer{job, a})
	return x.Down
}

// SendNotice stores a notice.
func (x *Exchange) SendNotice(_ context.Context, to statement.Fingerprint, n wire.Notice) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Notices = append(x.Notices, Notice{to, n})
	return x.Down
}

// JobEnvelope gives a job by the digest it is stored under.
func (x *Exchange) JobEnvelope(_ context.Context, d statement.Digest) (*statement.Envelope, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Down != nil {
		return nil, x.Down
	}
	if e := x.Jobs[d]; e != nil {
		return e, nil
	}
	return nil, NotFound()
}

// SubmitJob stores a job.
func (x *Exchange) SubmitJob(_ context.Context, e *statement.Envelope) (statement.Digest, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.Down != nil {
		return "", x.Down
	}
	x.Jobs[e.Digest()] = e
	return e.Digest(), nil
}

// WaitJob gives the status that the test set.
func (x *Exchange) WaitJob(_ context.Context, d statement.Digest, _ int64, _ time.Duration) (*wire.JobStatus, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := x.Status[d]; s != nil {
		return s, nil
	}
	return &wire.JobStatus{Digest: d, State: wire.StateQueued}, nil
}

// Artifact gives what the test stored.
func (x *Exchange) Artifact(_ context.Context, job statement.Digest, name string) ([]byte, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if b, ok := x.Artifacts[string(job)+" "+name]; ok {
		return b, nil
	}
	return nil, NotFound()
}
