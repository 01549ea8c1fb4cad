package host

import (
	"context"
	"io"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Exchange is what a host needs of an exchange; *client.Client is one. Everything that an enclave says or reads goes through
// it. Its methods may be called concurrently.
type Exchange interface {
	// Claim waits for a job, or until recall is closed.
	Claim(ctx context.Context, classes []string, wait time.Duration, recall <-chan struct{}) (*wire.Claim, error)
	Renew(ctx context.Context, job statement.Digest, lease string) error
	SendMessages(ctx context.Context, job statement.Digest, lease string, m []wire.Outgoing) error
	Replies(ctx context.Context, job statement.Digest, lease string, a wire.Await) (*wire.Replies, error)
	OpenObject(ctx context.Context, path string, offset, length int64) (io.ReadCloser, error)
	ObjectSize(ctx context.Context, path string) (int64, error)
	ReportStage(ctx context.Context, job statement.Digest, lease, name string) error
	PutArtifact(ctx context.Context, job statement.Digest, lease, name string, body []byte) error
	Finish(ctx context.Context, job statement.Digest, f wire.Finish) error
}
