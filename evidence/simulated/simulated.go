package simulated

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Kind of this evidence, in policies, contracts and receipts.
const Kind = "simulated"

// MaxAge is how far the time in the evidence may lie from the verifier's clock.
const MaxAge = 5 * time.Minute

// Report is what the operator asserts about the enclave that it started.
type Report struct {
	Build      statement.Digest    `json:"build"`
	ReportData string              `json:"report_data"` // 128 hex digits
	Operator   string              `json:"operator"`    // public key text
	Perimeter  statement.Perimeter `json:"perimeter"`
	AtMS       int64               `json:"at_ms"`
}

// signed is the raw evidence: the report's bytes and the operator's signature.
type signed struct {
	Report []byte `json:"report"`
	Sig    []byte `json:"sig"`
}

const label = "cordon/simulated-evidence/v1"

// Attest signs a report with the operator's key. A report that Verify would not
// accept is not signed.
func Attest(operator statement.Signer, build statement.Digest, data evidence.ReportData, p statement.Perimeter, at time.Time) (*statement.Evidence, error) {
	p.Kind, p.Simulated = Kind, true
	if !build.Valid() || !p.Valid() {
		return nil, fmt.Errorf("%w: build or perimeter", evidence.ErrMalformed)
	}
	body, err := statement.Marshal(Report{
		Build: build, ReportData: hex.EncodeToString(data[:]),
		Operator: operator.Public().String(), Perimeter: p, AtMS: at.UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	sig, err := operator.Sign(statement.Frame(label, body))
	if err != nil {
		return nil, err
	}
	raw, err := statement.Marshal(signed{Report: body, Sig: sig})
	if err != nil {
		return nil, err
	}
	return &statement.Evidence{Kind: Kind, Raw: raw}, nil
}

// Verify is an evidence.Verifier: the report is signed by the operator it names,
// now (docs/spec/evidence.md, section 3).
func Verify(_ context.Context, e *statement.Evidence, at time.Time) (*evidence.Claims, error) {
	if e.Kind != Kind {
		return nil, evidence.ErrKind
	}
	if len(e.Endorsements) != 0 {
		return nil, fmt.Errorf("%w: endorsements", evidence.ErrMalformed)
	}
	var s signed
	if err := statement.Unmarshal(e.Raw, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	var r Report
	if err := statement.Unmarshal(s.Report, &r); err != nil {
		return nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	return r.claims(s, at)
}

// Read returns what simulated evidence says. It proves nothing.
func Read(raw []byte) (*Report, error) {
	var s signed
	if err := statement.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	r := new(Report)
	if err := statement.Unmarshal(s.Report, r); err != nil {
		return nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	return r, nil
}

func (r *Report) claims(s signed, at time.Time) (*evidence.Claims, error) {
	key, err := statement.ParsePublicKey(r.Operator)
	if err != nil {
		return nil, evidence.ErrMalformed
	}
	if !key.Verify(statement.Frame(label, s.Report), s.Sig) {
		return nil, evidence.ErrSignature
	}
	c := &evidence.Claims{
		Kind: Kind, Simulated: true, Build: r.Build, Operator: key.Fingerprint(),
		Perimeter: r.Perimeter, MadeAt: time.UnixMilli(r.AtMS),
	}
	data, err := hex.DecodeString(r.ReportData)
	switch {
	case err != nil || len(data) != evidence.ReportDataSize || hex.EncodeToString(data) != r.ReportData:
		return nil, fmt.Errorf("%w: report data", evidence.ErrMalformed)
	case !r.Build.Valid():
		return nil, fmt.Errorf("%w: build", evidence.ErrMalformed)
	case r.Perimeter.Kind != Kind || !r.Perimeter.Valid():
		return nil, fmt.Errorf("%w: perimeter", evidence.ErrMalformed)
	}
	copy(c.ReportData[:], data)
	if age := at.Sub(c.MadeAt); age > MaxAge || age < -MaxAge {
		return nil, evidence.ErrClock
	}
	return c, nil
}
