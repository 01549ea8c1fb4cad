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

// Policy is what a relying party accepts. Every list is required: an empty one refuses.
type Policy struct {
	Kinds      []string                // accepted kinds; simulated evidence only by its name
	Builds     []statement.Digest      // accepted enclave builds
	Operators  []statement.Fingerprint // accepted operators
	Perimeters []string                // accepted forms of the perimeter
	AllowDebug bool
}

// Intersect returns what both policies accept.
func (p Policy) Intersect(q Policy) Policy {
	return Policy{
		Kinds: both(p.Kinds, q.Kinds), Builds: both(p.Builds, q.Builds),
		Operators: both(p.Operators, q.Operators), Perimeters: both(p.Perimeters, q.Perimeters),
		AllowDebug: p.AllowDebug && q.AllowDebug,
	}
}

func both[T comparable](a, b []T) []T {
	var out []T
	for _, x := range a {
		if slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}

// Appraise decides whether genuine evidence is what the policy accepts and
// whether it was made for this very exchange of messages (docs/spec/evidence.md,
// section 4).
func Appraise(c *Claims, p Policy, want ReportData) error {
	switch {
	case c == nil || len(p.Kinds) == 0 || len(p.Builds) == 0 || len(p.Operators) == 0 || len(p.Perimeters) == 0:
		return ErrPolicy
	case !slices.Contains(p.Kinds, c.Kind):
		return ErrKind
	case c.ReportData != want || want == ReportData{}:
		return ErrBinding
	case !slices.Contains(p.Builds, c.Build):
		return ErrBuild
	case c.Debug && !p.AllowDebug:
		return ErrDebug
	case !slices.Contains(p.Operators, c.Operator):
		return ErrOperator
	case !slices.Contains(p.Perimeters, c.Perimeter.Form):
		return ErrPerimeter
	}
	return nil
}
