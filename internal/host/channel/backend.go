package channel

import (
	"context"
	"errors"
	"io"

	wire "github.com/cordon-exchange/cordon/internal/channel"
	"github.com/cordon-exchange/cordon/statement"
)

// Backend is what one enclave's requests are relayed to. Its methods may be called concurrently. An error whose chain holds
// a *Problem is answered with that; every other is answered as unavailable.
type Backend interface {
	Job(ctx context.Context) (*wire.Job, error)
	Evidence(ctx context.Context, a *wire.Attest) (*statement.Evidence, error)
	Send(ctx context.Context, all []wire.Message) error
	Replies(ctx context.Context, a wire.Await) ([]wire.Reply, error)
	// Object returns exactly n bytes at off of an object of the lake. If what it returns is an io.WriterTo, its bytes are taken
	// by that: written to an io.ReaderFrom, an *io.LimitedReader of an *os.File goes from file to socket without being read.
	Object(ctx context.Context, path string, off, n int64) (io.ReadCloser, error)
	PutArtifact(ctx context.Context, name string, body []byte) error
	Stage(ctx context.Context, name string) error
	// Finish is the last call that matters: when it has returned nil, the job has ended.
	Finish(ctx context.Context, f wire.Finish) error
}

// Problem is a refusal that the enclave is told.
type Problem struct {
	Status int
	Code   string
}

func (p *Problem) Error() string { return "channel: " + p.Code }

// Refusals of the server itself.
var (
	errBad      = &Problem{400, "malformed"}
	errNotFound = &Problem{404, "not-found"}
	errTooMuch  = &Problem{429, "too-much"}
	errDown     = &Problem{503, "unavailable"}
)

func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return errDown
}
