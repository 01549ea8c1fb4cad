package kinds

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// azure verifies a quote of a virtual TPM, and the hardware's evidence that its key is bound to (docs/spec/evidence.md, section 8.9).
func (o Options) azure(ctx context.Context, kind string, quote []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
	q, err := hosted.ParseAzureQuote(quote)
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
	var machine *hosted.Machine
	hardware := func(raw []byte) (data []byte, err error) {
		if kind == evidence.AzureSNP {
			machine, err = o.amd(ctx, raw, endorsements, at)
		} else {
			machine, err = o.intel(evidence.TDX, raw, endorsements, at)
		}
		if err != nil {
			return nil, err
		}
		return machine.ReportData[:], nil
	}
	by := tpm.AzureOptions{Nonce: nonce}
	if kind == evidence.AzureSNP {
		by.SNP = hardware
	} else {
		by.TDX = hardware
	}
	pcrs := map[uint][]byte{}
	for _, r := range q.PCRs {
		pcrs[uint(r.Index)] = r.Value
	}
	v, err := tpm.VerifyAzure(tpm.Azure{HCL: q.HCL, TDQuote: q.TDQuote, Quote: tpm.Quote{Message: q.Message, Signature: q.Signature, PCRs: pcrs}}, by)
	if err != nil {
		return nil, err
	}
	if v.Bank != "SHA-256" {
		return nil, fmt.Errorf("%w: registers of bank %s", stage.Alg, v.Bank)
	}
	m := &hosted.Machine{
		Build: hosted.AzureBuild(kind, machine.Build, q.PCRs), Qualifying: [sha256.Size]byte(nonce), Debug: machine.Debug, TCB: machine.TCB,
	}
	if m.Qualifying == ([sha256.Size]byte{}) {
		return nil, ErrUnbound
	}
	return m, nil
}
