package kinds

import (
	"context"
	"time"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// software verifies a quote of a TPM that the host runs (docs/spec/evidence.md, section 8.8). The key is the one that the quote
// brings: whoever runs the TPM has it. What it shows is only that a TPM was asked, and what was extended into it.
func software(_ context.Context, quote []byte, endorsements [][]byte, _ time.Time) (*hosted.Machine, error) {
	if len(endorsements) != 0 {
		return nil, errEndorsements(len(endorsements))
	}
	q, err := hosted.ParseTPMQuote(quote)
	if err != nil {
		return nil, err
	}
	ak, err := tpm.ParsePublic(q.AK)
	if err != nil {
		return nil, err
	}
	nonce, err := askedWith(q.Message)
	if err != nil {
		return nil, err
	}
	v, err := tpm.Verify(tpm.Quote{Message: q.Message, Signature: q.Signature, PCRs: hosted.Values(q.PCRs)}, ak, nonce)
	if err != nil {
		return nil, err
	}
	return binds(&hosted.Machine{Build: hosted.TPMBuild(q.PCRs), Simulated: true}, v, nonce)
}
