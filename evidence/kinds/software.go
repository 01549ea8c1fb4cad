package kinds

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
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
	nonce, err := tpm.Qualifying(q.Message)
	if err != nil {
		return nil, err
	}
	if len(nonce) != sha256.Size {
		return nil, fmt.Errorf("%w: qualifying data of %d bytes", stage.Nonce, len(nonce))
	}
	pcrs := map[uint][]byte{}
	for _, r := range q.PCRs {
		pcrs[uint(r.Index)] = r.Value
	}
	v, err := tpm.Verify(tpm.Quote{Message: q.Message, Signature: q.Signature, PCRs: pcrs}, ak, nonce)
	if err != nil {
		return nil, err
	}
	if v.Bank != "SHA-256" {
		return nil, fmt.Errorf("%w: registers of bank %s", stage.Alg, v.Bank)
	}
	m := &hosted.Machine{Build: hosted.TPMBuild(q.PCRs), Qualifying: [sha256.Size]byte(nonce), Simulated: true}
	if m.Qualifying == ([sha256.Size]byte{}) {
		return nil, ErrUnbound
	}
	return m, nil
}
