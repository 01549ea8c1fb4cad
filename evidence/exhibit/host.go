package exhibit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/tpm"
	"github.com/cordon-exchange/cordon/statement"
)

// stageHost is the operator's word on whose machine it is, and that it is about this very quote.
const stageHost stage.Error = "operator"

// kindsOfStatements are the kinds of evidence in statements, and the form of the quote in each.
func kindsOfStatements() map[string]Kind {
	return map[string]Kind{
		evidence.SGX: SGX, evidence.TDX: TDX, evidence.SNP: SNP, evidence.Nitro: Nitro, evidence.TPMSoftware: TPMSoftware,
		evidence.AzureSNP: TPMAzure, evidence.AzureTDX: TPMAzure, evidence.Simulated: Simulated,
	}
}

// unwrap takes the quote out of what the operator signed. Evidence that is a quote alone is one.
func unwrap(e *statement.Evidence) (quote []byte, h *hosted.Wrapped, err error) {
	if len(e.Raw) == 0 || e.Raw[0] != '{' {
		return e.Raw, nil, nil
	}
	h, err = hosted.Unwrap(e)
	switch {
	case errors.Is(err, hosted.ErrNotWrapped):
		return e.Raw, nil, nil // its kind's own JSON, or refused as such
	case err != nil:
		return nil, nil, fmt.Errorf("%w: the operator's report: %w", stage.Parse, err)
	}
	return h.Quote, h, nil
}

// vouches checks that the operator signed this report over this quote, and that the quote shows what the report says.
func vouches(h *hosted.Wrapped, e *Exhibit, trail *stage.Trail, f *Finding) error {
	key, err := h.Signer()
	if err != nil {
		return fmt.Errorf("%w: it did not sign this quote", stageHost)
	}
	data, err := hex.DecodeString(h.Report.ReportData)
	if err != nil || len(data) != evidence.ReportDataSize || !bound(data, f.data) {
		return fmt.Errorf("%w: the quote was made for something else than the operator says", stageHost)
	}
	if digest, _ := measured(e); digest != "" && digest != string(h.Report.Build) {
		return fmt.Errorf("%w: the quote shows another build than the operator says", stageHost)
	}
	trail.Pass(stageHost, "%s says that the machine is its own, perimeter %s; its word alone", key.Fingerprint(), h.Report.Perimeter.Form)
	return nil
}

// bound: the quote holds the data, or, where its field is shorter, their SHA-256.
func bound(data, in []byte) bool {
	sum := sha256.Sum256(data)
	return bytes.Equal(in, data) || bytes.Equal(in, sum[:])
}

func parseSoft(raw []byte) (q tpm.Quote, s *hosted.TPMQuote, err error) {
	if s, err = hosted.ParseTPMQuote(raw); err != nil {
		return q, nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	return tpm.Quote{Message: s.Message, Signature: s.Signature, PCRs: hosted.Values(s.PCRs)}, s, nil
}

// judgeSoftware judges a quote that whoever runs its TPM can make. Its key comes with it, and proves nothing.
func judgeSoftware(e *Exhibit, trail *stage.Trail, f *Finding) {
	q, s, err := parseSoft(e.Raw)
	if err != nil {
		f.Err = err
		return
	}
	f.readTPM(q)
	ak, err := tpm.ParsePublic(s.AK)
	if err != nil {
		f.Err = err
		return
	}
	soft := *e
	soft.AKAsGiven = true
	if len(soft.Qualifying) == 0 && e.host != nil {
		if data, err := hex.DecodeString(e.host.Report.ReportData); err == nil {
			sum := sha256.Sum256(data)
			soft.Qualifying = sum[:]
		}
	}
	f.judgeQuotes(&soft, trail, []tpm.Quote{q}, ak)
}
