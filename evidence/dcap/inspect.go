package dcap

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Summary is what collateral is for, and how long all of it holds. Only Inspect makes one.
type Summary struct {
	TEE        string    // SGX or TDX
	FMSPC      string    // 12 lower-case hex digits
	CA         string    // platform or processor: whose PCK CRL it has
	Evaluation int       // the smaller tcbEvaluationDataNumber
	Issued     time.Time // when the newest of its documents begins
	Expires    time.Time // when the first of its documents and lists ends
	Stale      []string  // what is not current at the time
}

// Current says whether all of it holds at the time that it was inspected at.
func (s *Summary) Current() bool { return len(s.Stale) == 0 }

// Inspect checks collateral by itself, without a quote: complete, signed under a pinned root, for one kind of machine (docs/spec/evidence.md,
// section 7.3, steps 4 and 5). It reports what is not current, and does not refuse it.
func Inspect(c *Collateral, opt Options) (*Summary, error) {
	if opt.At.IsZero() || c == nil {
		return nil, ErrPolicy
	}
	if opt.Roots == nil {
		opt.Roots = IntelRoots()
	}
	if err := c.bounded(); err != nil {
		return nil, malformed("collateral: %v", err)
	}
	if len(c.RootCACRL) == 0 || len(c.PCKCRL) == 0 || c.PCKCRLIssuerChain == "" {
		return nil, fmt.Errorf("%w: a list or its issuer is missing", stage.NoCRL)
	}
	certs, err := certificates(opt.Memory, opt.At, c.PCKCRLIssuerChain)
	if err != nil || len(certs) != 2 {
		return nil, fmt.Errorf("%w: %w: issuer of the PCK CRL", stage.NoCRL, stage.Chain)
	}
	root, err := anchor(opt.Roots, certs[1])
	if err == nil {
		err = under(opt.Memory, root, opt.At, certs[0])
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w: PCK CRL: %v", stage.NoCRL, stage.Chain, err)
	}
	s := new(Summary)
	switch certs[0].Subject.CommonName {
	case platformCA:
		s.CA = "platform"
	case processorCA:
		s.CA = "processor"
	default:
		return nil, fmt.Errorf("%w: %w: PCK CRL of another CA", stage.NoCRL, stage.Chain)
	}
	a := &assessment{c: c, root: root, at: opt.At, tcb: new(TCB), memory: opt.Memory}
	if err := a.listsOf(certs[0], s); err != nil {
		return nil, err
	}
	if err := a.signedDocuments(); err != nil {
		return nil, err
	}
	return s, a.describe(s)
}

// listsOf checks both lists: by the root, and by the CA, which is not revoked. The first end is the end of both.
func (a *assessment) listsOf(ca *x509.Certificate, s *Summary) (err error) {
	if a.rootCRL, err = a.list("root CA CRL", a.c.RootCACRL, a.root); err != nil {
		return err
	}
	pckCRL, err := a.list("PCK CRL", a.c.PCKCRL, ca)
	if err != nil {
		return err
	}
	if revokes(a.rootCRL, ca) {
		return fmt.Errorf("%w: PCK CA", stage.Revoked)
	}
	s.Expires = a.rootCRL.NextUpdate
	if pckCRL.NextUpdate.Before(s.Expires) {
		s.Expires = pckCRL.NextUpdate
	}
	return nil
}

// describe takes over what the documents are for.
func (a *assessment) describe(s *Summary) error {
	want := map[string]string{"SGX": "QE", "TDX": "TD_QE"}[a.info.ID]
	switch {
	case want == "" || a.info.Version < 3 || a.info.TCBType != 0:
		return mismatch("TCB info %.20q of version %d, type %d", a.info.ID, a.info.Version, a.info.TCBType)
	case a.qe.ID != want || a.qe.Version < 2:
		return mismatch("QE identity %.20q beside TCB info %q", a.qe.ID, a.info.ID)
	case len(a.info.FMSPC) != 6:
		return mismatch("TCB info is for no FMSPC")
	}
	s.TEE, s.FMSPC = a.info.ID, strings.ToLower(hex.EncodeToString(a.info.FMSPC))
	s.Evaluation = min(a.info.Evaluation, a.qe.Evaluation)
	s.Issued = later(a.info.IssueDate, a.qe.IssueDate)
	for _, t := range []time.Time{a.info.NextUpdate, a.qe.NextUpdate} {
		if t.Before(s.Expires) {
			s.Expires = t
		}
	}
	s.Stale = a.tcb.Stale
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
