package kinds

import (
	"context"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/tpm"
)

// azure verifies a quote of a virtual TPM, and the hardware's evidence that its key is bound to (docs/spec/evidence.md, section 8.9).
func (o Options) azure(ctx context.Context, kind string, quote []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
	q, err := hosted.ParseAzureQuote(quote)
	if err != nil {
		return nil, err
	}
	nonce, err := askedWith(q.Message)
	if err != nil {
		return nil, err
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
	v, err := tpm.VerifyAzure(tpm.Azure{
		HCL: q.HCL, TDQuote: q.TDQuote, Quote: tpm.Quote{Message: q.Message, Signature: q.Signature, PCRs: hosted.Values(q.PCRs)},
	}, by)
	if err != nil {
		return nil, err
	}
	return binds(&hosted.Machine{
		Build: hosted.AzureBuild(kind, machine.Build, q.PCRs), Debug: machine.Debug, TCB: machine.TCB,
	}, v, nonce)
}
