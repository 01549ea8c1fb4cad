package dcap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Options of Verify.
type Options struct {
	Roots []*x509.Certificate // pinned; default Intel SGX Root CA
	At    time.Time           // required: when certificates and collateral are judged
	Trail *stage.Trail        // notes what was proved; default: nobody asks
	// Memory remembers what verified of chains, lists and documents, never of a quote; default: nothing is remembered.
	Memory *remembered.Memory
}

// Verified is a genuine quote. Only Verify makes one.
type Verified struct {
	*Quote
	TCB *TCB // nil without collateral
}

// Verify checks that a quote is genuine and says how current its machine is (docs/spec/evidence.md, section 7.3; steps are
// numbered as there). What it returns is not yet acceptable: it reports absent or stale collateral, absent CRLs, a machine
// below every level and a debug enclave, and it is Appraise that refuses them. It may be called concurrently.
func Verify(raw []byte, c *Collateral, opt Options) (*Verified, error) {
	if opt.At.IsZero() {
		return nil, ErrPolicy
	}
	if opt.Roots == nil {
		opt.Roots = IntelRoots()
	}
	q, err := parse(raw, opt.Memory, opt.At) // 1
	if err != nil {
		return nil, err
	}
	opt.Trail.Pass(stage.Parse, "quote v%d, %s", q.Version, q.Kind)
	root, err := anchor(opt.Roots, q.certChain.root) // 2
	if err == nil {
		err = q.chainUnder(opt.Memory, root, opt.At)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: PCK: %v", stage.Chain, err)
	}
	opt.Trail.Pass(stage.Chain, "the machine's PCK certificate leads over %s to %s", q.PCK.CA, root.Subject.CommonName)
	if err := q.linked(opt.Trail); err != nil { // 3
		return nil, err
	}
	v := &Verified{Quote: q}
	if c == nil {
		return v, nil
	}
	if err := c.bounded(); err != nil {
		return nil, malformed("collateral: %v", err)
	}
	a := &assessment{q: q, c: c, root: root, at: opt.At, tcb: new(TCB), trail: opt.Trail, memory: opt.Memory}
	for _, step := range []func() error{a.revocation, a.documents, a.quotingEnclave, a.platform, a.module} { // 4, 5, 6
		if err := step(); err != nil {
			return nil, refused(append([]error{err}, a.tcb.stale()...))
		}
	}
	opt.Trail.Pass(stage.EndorsementMismatch, "collateral is for this machine; quoting enclave and TDX module are the ones it describes")
	a.converge() // 7
	v.TCB = a.tcb
	return v, nil
}

// chainUnder: leaf, PCK CA, root, and nothing else.
func (q *Quote) chainUnder(m *remembered.Memory, root *x509.Certificate, at time.Time) error {
	if q.PCK.CA != platformCA && q.PCK.CA != processorCA {
		return errors.New("issuer is neither the Platform nor the Processor CA")
	}
	if q.certChain.leaf.IsCA {
		return errors.New("leaf is a CA")
	}
	return under(m, root, at, q.certChain.leaf, q.certChain.issuer)
}

// linked checks the three links from the PCK key to the body. All that fail are named: one fault often breaks two.
func (q *Quote) linked(trail *stage.Trail) error {
	var failed []error
	if !signs(rawKey(q.key), q.signed, q.sig) {
		failed = append(failed, fmt.Errorf("%w: not by the attestation key", stage.QuoteSignature))
	} else {
		trail.Pass(stage.QuoteSignature, "the attestation key signed header and body")
	}
	bound := sha256.Sum256(append(bytes.Clone(q.key), q.qeAuth...))
	if want := append(bound[:], make([]byte, 32)...); !bytes.Equal(q.qe.ReportData[:], want) {
		failed = append(failed, fmt.Errorf("%w: the quoting enclave did not make this attestation key", stage.QEBinding))
	} else {
		trail.Pass(stage.QEBinding, "the quoting enclave made the attestation key")
	}
	if !signs(certKey(q.certChain.leaf), q.qeReport, q.qeSig) {
		failed = append(failed, fmt.Errorf("%w: report of the quoting enclave not by the PCK key", stage.QESignature))
	} else {
		trail.Pass(stage.QESignature, "the machine's PCK key signed the report of the quoting enclave")
	}
	return refused(failed)
}

// refused joins refusals on one line. No refusal is no error.
func refused(list []error) error {
	if len(list) == 0 {
		return nil
	}
	return refusals(list)
}

type refusals []error

func (r refusals) Error() string {
	var out bytes.Buffer
	for i, err := range r {
		if i > 0 {
			out.WriteString("; ")
		}
		out.WriteString(err.Error())
	}
	return out.String()
}

func (r refusals) Unwrap() []error { return r }
