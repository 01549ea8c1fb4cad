package kinds

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/dcap"
	"github.com/cordon-exchange/cordon/evidence/hosted"
	"github.com/cordon-exchange/cordon/evidence/nitro"
	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/evidence/snp"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Anchors are the roots that evidence of hardware may lead to. A vendor without any is not relied on: its kinds have no verifier.
type Anchors struct {
	Intel []*x509.Certificate
	AMD   *snp.Anchors
	AWS   *x509.Certificate
}

// Vendors returns the vendors' own roots, which are part of this program.
func Vendors() (Anchors, error) {
	amd, err := snp.AMD()
	if err != nil {
		return Anchors{}, err
	}
	aws, err := nitro.AWS()
	if err != nil {
		return Anchors{}, err
	}
	return Anchors{Intel: dcap.IntelRoots(), AMD: &amd, AWS: aws}, nil
}

// Held finds endorsements of a quote's machine that the relying party holds itself, in the form that evidence brings them
// (docs/spec/evidence.md, section 8.2). Of SNP the first may be empty, where only lists are held. None held is no error. It does not dial.
//
// What is held must accept as well: see sections 8.5 and 8.6 there.
type Held func(kind string, quote []byte) ([][]byte, error)

// Options of the verifiers.
type Options struct {
	Anchors Anchors
	Held    Held // default: nothing is held
	// SNPWithoutList accepts SNP evidence although nothing says whether AMD revoked the key that certifies the machine's. It is for
	// evidence that was recorded without a list, never for a broker.
	SNPWithoutList bool
	// Memory remembers what verified of vendors' certificates, lists and documents (docs/decisions/052-fast-releases.md); default:
	// nothing is remembered, and all of it is verified with each quote.
	Memory *remembered.Memory
}

// Verifiers returns those of every kind whose root is pinned, and of the kinds that no hardware stands behind, which policies have to
// accept by name.
func Verifiers(o Options) evidence.Verifiers {
	out := evidence.Verifiers{evidence.Simulated: simulated.Verify}
	for _, kind := range []string{evidence.SGX, evidence.TDX, evidence.SNP, evidence.Nitro, evidence.AzureSNP, evidence.AzureTDX, evidence.TPMSoftware} {
		if m := o.Machine(kind); m != nil {
			out[kind] = hosted.Verifier(kind, m)
		}
	}
	return out
}

// Machine returns what verifies a bare quote of a kind, or nil where its root is not pinned.
func (o Options) Machine(kind string) hosted.MachineVerifier {
	switch {
	case (kind == evidence.SGX || kind == evidence.TDX) && len(o.Anchors.Intel) > 0:
		return func(_ context.Context, quote []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
			return o.intel(kind, quote, endorsements, at)
		}
	case kind == evidence.SNP && o.Anchors.AMD != nil:
		return o.amd
	case kind == evidence.Nitro && o.Anchors.AWS != nil:
		return o.aws
	case kind == evidence.AzureSNP && o.Anchors.AMD != nil || kind == evidence.AzureTDX && len(o.Anchors.Intel) > 0:
		return func(ctx context.Context, quote []byte, endorsements [][]byte, at time.Time) (*hosted.Machine, error) {
			return o.azure(ctx, kind, quote, endorsements, at)
		}
	case kind == evidence.TPMSoftware:
		return software
	}
	return nil
}

// held is what the relying party holds for a quote. That it can't be looked up is a failure, not an absence.
func (o Options) held(kind string, quote []byte) ([][]byte, error) {
	if o.Held == nil {
		return nil, nil
	}
	list, err := o.Held(kind, quote)
	if err != nil {
		return nil, fmt.Errorf("%w: what is held can't be read: %w", stage.NoCollateral, err)
	}
	return list, nil
}

// errEndorsements says that endorsements are not those of the kind.
func errEndorsements(n int) error { return fmt.Errorf("%w: %d endorsements", stage.Parse, n) }

// ErrUnbound: a quote that binds nothing shows nothing about who asks. All else about it was found good.
var ErrUnbound = errors.New("bound to no report data")
