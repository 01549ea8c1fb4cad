package evidence

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/cordon-exchange/cordon/statement"
)

// One error per stage, for errors.Is: a test can tell where a refusal came from.
var (
	ErrKind      = errors.New("evidence: kind not accepted")
	ErrMalformed = errors.New("evidence: malformed")
	ErrSignature = errors.New("evidence: signature does not verify")
	ErrClock     = errors.New("evidence: not made now")
	ErrBuild     = errors.New("evidence: enclave build not accepted")
	ErrOperator  = errors.New("evidence: operator not accepted")
	ErrPerimeter = errors.New("evidence: perimeter not accepted")
	ErrBinding   = errors.New("evidence: made for another job, plan or session")
	ErrPolicy    = errors.New("evidence: appraisal policy incomplete")
	ErrDebug     = errors.New("evidence: debug enclave")
	ErrQuote     = errors.New("evidence: the machine's own quote does not hold")
)

// Refusals of a genuine machine by the policy on its TCB.
var (
	ErrTCBStatus     = errors.New("evidence: TCB status not accepted")
	ErrAdvisory      = errors.New("evidence: advisory not accepted")
	ErrTCBDate       = errors.New("evidence: TCB level too old")
	ErrTCBEvaluation = errors.New("evidence: collateral of too early an evaluation")
	ErrTCBVersion    = errors.New("evidence: reported TCB too low")
)

// ReportDataSize is the number of bytes an attester binds into its evidence.
const ReportDataSize = sha512.Size

// ReportData is what evidence binds the enclave to.
type ReportData [ReportDataSize]byte

// HelloBinding (docs/spec/evidence.md, section 2) binds a session to a job: what evidence shows before the enclave
// knows the query.
func HelloBinding(job, session statement.Digest) ReportData {
	return sha512.Sum512(statement.Frame("cordon/report-data/hello/v1", []byte(job), []byte(session)))
}

// QuoteBinding (docs/spec/evidence.md, section 2) binds a session to a job, its plan and what every owner's broker
// said it was ready for. The order of readies does not matter.
func QuoteBinding(job, session, plan statement.Digest, readies []statement.Digest) ReportData {
	sorted := slices.Clone(readies)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	parts := [][]byte{[]byte(job), []byte(session), []byte(plan)}
	for _, r := range sorted {
		parts = append(parts, []byte(r))
	}
	return sha512.Sum512(statement.Frame("cordon/report-data/quote/v1", parts...))
}

// Claims are what genuine evidence says. Only a Verifier makes them.
type Claims struct {
	Kind       string
	Simulated  bool
	Build      statement.Digest // measurement of the enclave
	Debug      bool
	Operator   statement.Fingerprint // whose machine, where the evidence shows it
	Perimeter  statement.Perimeter
	ReportData ReportData
	MadeAt     time.Time
	TCB        TCB // of the hardware; the zero value where there is none
}

// Appraisal is the claims as a release tells them. The policies by which they were accepted are the caller's to add.
func (c *Claims) Appraisal() statement.Appraisal {
	a := statement.Appraisal{
		Kind: c.Kind, Simulated: c.Simulated, Debug: c.Debug, Status: c.TCB.Status, Advisories: slices.Clone(c.TCB.Advisories),
		Evaluation: int64(c.TCB.Evaluation), Line: c.TCB.Line, TCB: c.TCB.Version, Policies: []statement.Digest{},
	}
	if !c.TCB.Date.IsZero() {
		a.TCBDate = c.TCB.Date.UTC().Format(time.DateOnly)
	}
	if !c.TCB.CollateralUntil.IsZero() {
		a.CollateralUntilMS = c.TCB.CollateralUntil.UnixMilli()
	}
	return a
}

// Verifier checks that evidence of one kind is genuine, at a time. It does not
// dial, and it does not decide whether what is proved is good enough.
type Verifier func(ctx context.Context, e *statement.Evidence, at time.Time) (*Claims, error)

// Verifiers by kind of evidence. A kind without a verifier is refused.
type Verifiers map[string]Verifier

// Verify hands e to the verifier of its kind.
func (v Verifiers) Verify(ctx context.Context, e *statement.Evidence, at time.Time) (*Claims, error) {
	if e == nil || !e.Valid() {
		return nil, ErrMalformed
	}
	f, ok := v[e.Kind]
	if !ok || f == nil {
		return nil, fmt.Errorf("%w: no verifier", ErrKind)
	}
	c, err := f(ctx, e, at)
	if err != nil {
		return nil, err
	}
	if c == nil || c.Kind != e.Kind {
		return nil, ErrKind
	}
	return c, nil
}
