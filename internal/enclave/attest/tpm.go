package attest

import (
	"context"
	"crypto/sha256"
	"io"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/tpm/measured"
	"github.com/cordon-exchange/cordon/internal/enclave/tpm"
)

// TPM makes an attestation key in the TPM behind rw, and quotes with it the register that holds the program.
func TPM(rw io.ReadWriter) (Attester, error) {
	d := tpm.New(rw)
	key, err := d.NewKey()
	if err != nil {
		return nil, failed("no attestation key", err)
	}
	return func(_ context.Context, data evidence.ReportData) (hosted.Quoted, error) {
		value, err := d.Read(measured.Register)
		if err != nil {
			return hosted.Quoted{}, failed("register", err)
		}
		message, sig, err := d.Quote(key, measured.Register, sha256.Sum256(data[:]))
		if err != nil {
			return hosted.Quoted{}, failed("quote", err)
		}
		q := hosted.TPMQuote{Message: message, Signature: sig, PCRs: measured.Registers(value), AK: key.Public()}
		b, err := q.Encode()
		if err != nil {
			return hosted.Quoted{}, failed("quote", err)
		}
		return hosted.Quoted{Quote: b}, nil
	}, nil
}
