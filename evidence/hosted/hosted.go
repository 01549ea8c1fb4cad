package hosted

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/statement"
)

// Kinds of hosted evidence.
const (
	SGX         = evidence.SGX
	TDX         = evidence.TDX
	SNP         = evidence.SNP
	Nitro       = evidence.Nitro
	AzureSNP    = evidence.AzureSNP
	AzureTDX    = evidence.AzureTDX
	TPMSoftware = evidence.TPMSoftware
)

// MaxQuote is how long a quote of any kind may be, in bytes.
const MaxQuote = 256 << 10

const label = "cordon/hosted-evidence/v1"

// Quoted is what an attester obtained from its machine.
type Quoted struct {
	Quote        []byte   // in the bytes of its kind
	Endorsements [][]byte // what its vendor says of the machine, in the order that the kind fixes; proved by the vendor's signature
}

// wrapped is the raw evidence.
type wrapped struct {
	Report []byte `json:"report"`
	Sig    []byte `json:"sig"`
	Quote  []byte `json:"quote"`
}

// signedPart is what the operator signs (docs/spec/evidence.md, section 8).
func signedPart(kind string, report, quote []byte) []byte {
	sum := sha256.Sum256(quote)
	return statement.Frame(label, []byte(kind), report, sum[:])
}

// Attest wraps what an attester obtained, signed with the operator's key. What Verifier would not accept is not signed.
func Attest(operator statement.Signer, kind string, build statement.Digest, data evidence.ReportData, p statement.Perimeter, q Quoted, at time.Time) (*statement.Evidence, error) {
	r, err := evidence.NewReport(operator, kind, build, data, p, at)
	switch {
	case err != nil:
		return nil, err
	case len(q.Quote) == 0 || len(q.Quote) > MaxQuote:
		return nil, fmt.Errorf("%w: quote of %d bytes", evidence.ErrMalformed, len(q.Quote))
	}
	report, err := statement.Marshal(r)
	if err != nil {
		return nil, err
	}
	sig, err := operator.Sign(signedPart(kind, report, q.Quote))
	if err != nil {
		return nil, err
	}
	raw, err := statement.Marshal(wrapped{Report: report, Sig: sig, Quote: q.Quote})
	if err != nil {
		return nil, err
	}
	e := &statement.Evidence{Kind: kind, Raw: raw, Endorsements: q.Endorsements}
	if !e.Valid() {
		return nil, fmt.Errorf("%w: quote or endorsements", evidence.ErrMalformed)
	}
	return e, nil
}

// Machine is what a kind's own verifier says of a quote.
type Machine struct {
	Build statement.Digest
	// What the quote is bound to: the report data itself, or, in kinds whose field is shorter, Qualifying, its SHA-256. Exactly one is set.
	ReportData evidence.ReportData
	Qualifying [sha256.Size]byte
	Debug      bool // the host can read the enclave's memory, or its measurements say nothing
	Simulated  bool // no hardware stands behind the quote
	TCB        evidence.TCB
}

// bound says whether the quote was made for these 64 bytes.
func (m *Machine) bound(data evidence.ReportData) bool {
	switch {
	case m.ReportData != evidence.ReportData{} && m.Qualifying == [sha256.Size]byte{}:
		return m.ReportData == data
	case m.ReportData == evidence.ReportData{} && m.Qualifying != [sha256.Size]byte{}:
		return m.Qualifying == sha256.Sum256(data[:])
	}
	return false
}

// MachineVerifier verifies a quote with its endorsements, at a time. It does not dial.
type MachineVerifier func(ctx context.Context, quote []byte, endorsements [][]byte, at time.Time) (*Machine, error)

// Verifier verifies evidence of one kind: the operator's signature, the quote, and that the report tells the quote's build and
// report data (docs/spec/evidence.md, section 8).
func Verifier(kind string, m MachineVerifier) evidence.Verifier {
	return func(ctx context.Context, e *statement.Evidence, at time.Time) (*evidence.Claims, error) {
		if m == nil {
			return nil, fmt.Errorf("%w: no verifier of the quote", evidence.ErrKind)
		}
		c, quote, err := read(kind, e, at)
		if err != nil {
			return nil, err
		}
		got, err := m(ctx, quote, e.Endorsements, at)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", evidence.ErrQuote, err)
		case got == nil || got.Simulated != c.Simulated:
			return nil, fmt.Errorf("%w: another root than its kind has", evidence.ErrQuote)
		case got.Build != c.Build:
			return nil, fmt.Errorf("%w: the quote shows another build than the report", evidence.ErrQuote)
		case !got.bound(c.ReportData):
			return nil, fmt.Errorf("%w: the quote was made for other report data than the report's", evidence.ErrBinding)
		}
		c.Debug, c.TCB = got.Debug, got.TCB
		return c, nil
	}
}

// Told is for the enclave about itself: it knows its own quote, and learns from the evidence which operator wrapped it, and how. It
// proves nothing about the machine, which the enclave can't doubt: it runs on it. quote returns the quote that the enclave made last.
func Told(kind string, quote func() []byte) evidence.Verifier {
	return func(_ context.Context, e *statement.Evidence, at time.Time) (*evidence.Claims, error) {
		c, got, err := read(kind, e, at)
		if err != nil {
			return nil, err
		}
		if own := quote(); len(own) == 0 || !bytes.Equal(own, got) {
			return nil, fmt.Errorf("%w: not the one that the enclave made", evidence.ErrQuote)
		}
		return c, nil
	}
}

// Wrapped is hosted evidence, taken apart. Nothing of it is proved.
type Wrapped struct {
	Report      evidence.Report
	Quote       []byte
	signed, sig []byte
}

// ErrNotWrapped says that evidence is not of this form at all.
var ErrNotWrapped = fmt.Errorf("%w: not hosted evidence", evidence.ErrMalformed)

// Unwrap reads what an operator wrapped.
func Unwrap(e *statement.Evidence) (*Wrapped, error) {
	var w wrapped
	if err := statement.Unmarshal(e.Raw, &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotWrapped, err)
	}
	if len(w.Quote) == 0 || len(w.Quote) > MaxQuote {
		return nil, fmt.Errorf("%w: quote of %d bytes", evidence.ErrMalformed, len(w.Quote))
	}
	out := &Wrapped{Quote: w.Quote, signed: signedPart(e.Kind, w.Report, w.Quote), sig: w.Sig}
	if err := statement.Unmarshal(w.Report, &out.Report); err != nil {
		return nil, fmt.Errorf("%w: %w", evidence.ErrMalformed, err)
	}
	return out, nil
}

// Signer is the operator, whose signature over report and quote holds.
func (w *Wrapped) Signer() (statement.PublicKey, error) {
	key, err := statement.ParsePublicKey(w.Report.Operator)
	if err != nil {
		return statement.PublicKey{}, fmt.Errorf("%w: operator", evidence.ErrMalformed)
	}
	if !key.Verify(w.signed, w.sig) {
		return statement.PublicKey{}, evidence.ErrSignature
	}
	return key, nil
}

// read opens evidence of a kind into claims, of which the quote still has to show build and report data.
func read(kind string, e *statement.Evidence, at time.Time) (*evidence.Claims, []byte, error) {
	if e.Kind != kind {
		return nil, nil, evidence.ErrKind
	}
	w, err := Unwrap(e)
	if err != nil {
		return nil, nil, err
	}
	key, err := w.Signer()
	if err != nil {
		return nil, nil, err
	}
	c, err := w.Report.Claims(kind, key, at)
	return c, w.Quote, err
}
