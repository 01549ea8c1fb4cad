package exhibit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/evidence/stage"
	"github.com/cordon-exchange/cordon/evidence/tpm"
	"github.com/cordon-exchange/cordon/statement"
)

// stageHost is the operator's word on whose machine it is, and that it is about this very quote.
const stageHost stage.Error = "operator"

// host is what an operator says of a quote (docs/spec/evidence.md, section 9).
type host struct {
	kind   string
	report simulated.Report // of the same form
	signed []byte
	sig    []byte
}

// wrapped is the raw evidence of a kind whose attester is inside the enclave.
type wrapped struct {
	Report []byte `json:"report"`
	Sig    []byte `json:"sig"`
	Quote  []byte `json:"quote"`
}

// kindsOfStatements are the kinds of evidence in statements, and the form of the quote in each.
func kindsOfStatements() map[string]Kind {
	return map[string]Kind{
		"sgx-dcap": SGX, "tdx-dcap": TDX, "snp": SNP, "nitro": Nitro, "tpm-software": TPMSoftware, "azure-snp": TPMAzure, "azure-tdx": TPMAzure,
		simulated.Kind: Simulated,
	}
}

// unwrap takes the quote out of what the operator signed. Evidence that is a quote alone is one.
func unwrap(e *statement.Evidence) (quote []byte, h *host, err error) {
	if len(e.Raw) == 0 || e.Raw[0] != '{' {
		return e.Raw, nil, nil
	}
	var w wrapped
	if err := statement.Unmarshal(e.Raw, &w); err != nil {
		return e.Raw, nil, nil // its kind's own JSON, or refused as such
	}
	h = &host{kind: e.Kind, sig: w.Sig}
	if err := statement.Unmarshal(w.Report, &h.report); err != nil {
		return nil, nil, fmt.Errorf("%w: the operator's report: %w", stage.Parse, err)
	}
	h.sign(e.Kind, w.Report, w.Quote)
	return w.Quote, h, nil
}

// sign sets what the operator signs.
func (h *host) sign(kind string, report, quote []byte) {
	sum := sha256.Sum256(quote)
	h.signed = statement.Frame("cordon/hosted-evidence/v1", []byte(kind), report, sum[:])
}

// holds checks that the operator signed this report over this quote, and that the quote shows what the report says.
func (h *host) holds(e *Exhibit, trail *stage.Trail, f *Finding) error {
	key, err := statement.ParsePublicKey(h.report.Operator)
	if err != nil || !key.Verify(h.signed, h.sig) {
		return fmt.Errorf("%w: it did not sign this quote", stageHost)
	}
	data, err := hex.DecodeString(h.report.ReportData)
	if err != nil || len(data) != 64 || !bound(data, f.data) {
		return fmt.Errorf("%w: the quote was made for something else than the operator says", stageHost)
	}
	if digest, _ := measured(e); digest != "" && digest != string(h.report.Build) {
		return fmt.Errorf("%w: the quote shows another build than the operator says", stageHost)
	}
	trail.Pass(stageHost, "%s says that the machine is its own, perimeter %s; its word alone", key.Fingerprint(), h.report.Perimeter.Form)
	return nil
}

// bound: the quote holds the data, or, where its field is shorter, their SHA-256.
func bound(data, in []byte) bool {
	sum := sha256.Sum256(data)
	return bytes.Equal(in, data) || bytes.Equal(in, sum[:])
}

// softQuote is a quote of a TPM in software (docs/spec/evidence.md, section 9).
type softQuote struct {
	Message   []byte         `json:"message"`
	Signature []byte         `json:"signature"`
	PCRs      []softRegister `json:"pcrs"`
	AK        []byte         `json:"ak"`
}

type softRegister struct {
	Index int64  `json:"index"`
	Value []byte `json:"value"`
}

func parseSoft(raw []byte) (q tpm.Quote, s *softQuote, err error) {
	s = new(softQuote)
	if err := statement.Unmarshal(raw, s); err != nil {
		return q, nil, fmt.Errorf("%w: %w", stage.Parse, err)
	}
	q = tpm.Quote{Message: s.Message, Signature: s.Signature, PCRs: map[uint][]byte{}}
	last := int64(-1)
	for _, r := range s.PCRs {
		if r.Index <= last || r.Index > tpm.MaxPCR || len(r.Value) == 0 {
			return q, nil, fmt.Errorf("%w: registers", stage.Parse)
		}
		last, q.PCRs[uint(r.Index)] = r.Index, r.Value
	}
	return q, s, nil
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
		if data, err := hex.DecodeString(e.host.report.ReportData); err == nil {
			sum := sha256.Sum256(data)
			soft.Qualifying = sum[:]
		}
	}
	f.judgeQuotes(&soft, trail, []tpm.Quote{q}, ak)
}

// softBuild names what a TPM measured: every register quoted, with its number.
func softBuild(s *softQuote) statement.Digest {
	var parts [][]byte
	for _, r := range s.PCRs {
		parts = append(parts, fmt.Append(nil, r.Index), r.Value)
	}
	return build("tpm-software", parts...)
}
