package simulated

import (
	"context"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Kind of this evidence, in policies, contracts and receipts.
const Kind = "simulated"

// signed is the raw evidence: the report's bytes and the operator's signature.
type signed struct {
	Report []byte `json:"report"`
	Sig    []byte `json:"sig"`
}

const label = "cordon/simulated-evidence/v1"

// Attest signs a report with the operator's key. A report that Verify would not
// accept is not signed.
func Attest(operator statement.Signer, build statement.Digest, data evidence.ReportData, p statement.Perimeter, at time.Time) (*statement.Evidence, error) {
	r, err := evidence.NewReport(operator, Kind, build, data, p, at)
	if err != nil {
		return nil, err
	}
	body, err := statement.Marshal(r)
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
	s, r, err := read(e.Raw)
	if err != nil {
		return nil, err
	}
	key, err := statement.ParsePublicKey(r.Operator)
	if err != nil {
		return nil, evidence.ErrMalformed
	}
	if !key.Verify(statement.Frame(label, s.Report), s.Sig) {
		return nil, evidence.ErrSignature
	}
	return r.Claims(Kind, key, at)
}

// Read returns what simulated evidence says. It proves nothing.
func Read(raw []byte) (*evidence.Report, error) {
	_, r, err := read(raw)
	return r, err
}

func read(raw []byte) (*signed, *evidence.Report, error) {
	s, r := new(signed), new(evidence.Report)
	if err := statement.Unmarshal(raw, s); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	if err := statement.Unmarshal(s.Report, r); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	return s, r, nil
}
