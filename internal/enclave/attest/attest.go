package attest

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
)

// Attester has 64 bytes quoted. It may not be called concurrently.
type Attester func(ctx context.Context, data evidence.ReportData) (hosted.Quoted, error)

// ErrMachine is wrapped by every refusal: the machine is not what the perimeter's name says, or does not vouch.
var ErrMachine = errors.New("attest: the machine does not vouch for the enclave")

func failed(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrMachine, what)
	}
	return fmt.Errorf("%w: %s: %w", ErrMachine, what, err)
}

// Told pairs an attester with the verifier of what the host makes of its quotes: evidence that holds the quote made last, and no other.
func Told(kind string, a Attester) (Attester, evidence.Verifier) {
	var last []byte
	recording := func(ctx context.Context, data evidence.ReportData) (hosted.Quoted, error) {
		last = nil
		q, err := a(ctx, data)
		if err == nil {
			last = q.Quote
		}
		return q, err
	}
	return recording, hosted.Told(kind, func() []byte { return last })
}
