package dcap

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// TCB is how current a genuine machine is, by its collateral.
type TCB struct {
	Status       Status // converged; empty if the machine is below a lowest level
	Platform     Status
	Module       Status // of the TDX module, where it has levels of its own
	QE           Status
	Advisories   []string  // sorted, of all parts
	Date         time.Time // of the platform's level
	Evaluation   int       // tcbEvaluationDataNumber of the TCB info
	QEEvaluation int       // of the QE identity
	CRLs         bool      // both were there, and neither lists a certificate used
	Stale        []string  // collateral that was not current
	Below        []string  // parts that are below every level
	Until        time.Time // when the first of the collateral ends
}

// assessment of one quote by one collateral.
type assessment struct {
	q     *Quote
	c     *Collateral
	root  *x509.Certificate
	at    time.Time
	tcb   *TCB
	trail *stage.Trail

	memory  *remembered.Memory
	rootCRL *x509.RevocationList
	info    tcbInfo
	qe      qeIdentity
}

// current notes collateral that had not begun or had ended.
func (a *assessment) current(what string, from, until time.Time) {
	if a.tcb.Until.IsZero() || until.Before(a.tcb.Until) {
		a.tcb.Until = until
	}
	if a.at.Before(from) || a.at.After(until) {
		a.tcb.Stale = append(a.tcb.Stale, fmt.Sprintf("%s, which holds from %s until %s",
			what, from.UTC().Format(time.RFC3339), until.UTC().Format(time.RFC3339)))
	}
}

// stale refuses collateral that was not current.
func (t *TCB) stale() (out []error) {
	for _, s := range t.Stale {
		out = append(out, fmt.Errorf("%w: %s", stage.StaleCollateral, s))
	}
	return out
}

// revocation is step 4.
func (a *assessment) revocation() error {
	leaf, issuer := a.q.certChain.leaf, a.q.certChain.issuer
	if a.c.PCKCRLIssuerChain != "" {
		if err := a.crlIssuer(issuer); err != nil {
			return fmt.Errorf("%w: %w: PCK CRL: %v", stage.NoCRL, stage.Chain, err)
		}
	}
	var err error
	if a.rootCRL, err = a.list("root CA CRL", a.c.RootCACRL, a.root); err != nil {
		return err
	}
	pckCRL, err := a.list("PCK CRL", a.c.PCKCRL, issuer)
	if err != nil {
		return err
	}
	if a.rootCRL != nil && revokes(a.rootCRL, issuer) {
		return fmt.Errorf("%w: PCK CA", stage.Revoked)
	}
	if pckCRL != nil && revokes(pckCRL, leaf) {
		return fmt.Errorf("%w: PCK certificate", stage.Revoked)
	}
	a.tcb.CRLs = a.rootCRL != nil && pckCRL != nil
	if a.tcb.CRLs {
		a.trail.Pass(stage.NoCRL, "revocation lists of %s and %s, each by its CA", a.root.Subject.CommonName, issuer.Subject.CommonName)
		a.trail.Pass(stage.Revoked, "neither lists the machine's certificate or its CA")
	}
	return nil
}

// crlIssuer: the chain beside the PCK CRL is the one of the quote.
func (a *assessment) crlIssuer(issuer *x509.Certificate) error {
	certs, err := certificates(a.memory, a.at, a.c.PCKCRLIssuerChain)
	switch {
	case err != nil:
		return err
	case len(certs) != 2:
		return fmt.Errorf("%d certificates, want 2", len(certs))
	case !bytes.Equal(certs[0].RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo):
		return errors.New("list of another CA")
	}
	if _, err := anchor([]*x509.Certificate{a.root}, certs[1]); err != nil {
		return err
	}
	return under(a.memory, a.root, a.at, certs[0])
}

// list reads a CRL, which must be by the CA whose certificates it is for. An absent one is nil.
func (a *assessment) list(what string, der []byte, by *x509.Certificate) (*x509.RevocationList, error) {
	if len(der) == 0 {
		return nil, nil
	}
	l, err := remembered.Do(a.memory, "dcap/list", a.at, [][]byte{der, by.Raw}, func() (*x509.RevocationList, remembered.Span, error) {
		l, err := readList(what, der, by)
		if err != nil {
			return nil, remembered.Span{}, err
		}
		return l, remembered.Span{From: l.ThisUpdate, Until: l.NextUpdate}, nil
	})
	if err != nil {
		return nil, err
	}
	a.current(what, l.ThisUpdate, l.NextUpdate)
	return l, nil
}

func readList(what string, der []byte, by *x509.Certificate) (*x509.RevocationList, error) {
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %s can't be read", stage.NoCRL, stage.Parse, what)
	}
	if !bytes.Equal(l.RawIssuer, by.RawSubject) || l.CheckSignatureFrom(by) != nil {
		return nil, fmt.Errorf("%w: %w: %s is not by its CA", stage.NoCRL, stage.Chain, what)
	}
	return l, nil
}

// documents is step 5: Intel signed TCB info and QE identity, and they are for this machine.
func (a *assessment) documents() error {
	if err := a.signedDocuments(); err != nil {
		return err
	}
	return a.forThisMachine()
}

// signedDocuments: Intel signed both documents.
func (a *assessment) signedDocuments() error {
	if a.c.TCBInfo == "" || a.c.QEIdentity == "" {
		return fmt.Errorf("%w: TCB info or QE identity missing", stage.NoCollateral)
	}
	signer, err := a.signer(a.c.TCBInfoIssuerChain)
	if err != nil {
		return fmt.Errorf("%w: %w", stage.TCBInfoChain, err)
	}
	a.trail.Pass(stage.TCBInfoChain, "%s, under %s", signer.Subject.CommonName, a.root.Subject.CommonName)
	if !a.signed(signer, a.c.TCBInfo, a.c.TCBInfoSignature) {
		return fmt.Errorf("%w: not by its signer", stage.TCBInfoSignature)
	}
	a.trail.Pass(stage.TCBInfoSignature, "it signed the TCB info")
	if a.c.QEIdentityIssuerChain != a.c.TCBInfoIssuerChain {
		if signer, err = a.signer(a.c.QEIdentityIssuerChain); err != nil {
			return fmt.Errorf("%w: %w: %w", stage.QEIdentitySignature, stage.Chain, err)
		}
	}
	if !a.signed(signer, a.c.QEIdentity, a.c.QEIdentitySignature) {
		return fmt.Errorf("%w: not by its signer", stage.QEIdentitySignature)
	}
	a.trail.Pass(stage.QEIdentitySignature, "it signed the identity of quoting enclaves")
	var decoded [2]error
	a.info, decoded[0] = document[tcbInfo](a, a.c.TCBInfo)
	a.qe, decoded[1] = document[qeIdentity](a, a.c.QEIdentity)
	if err := errors.Join(decoded[:]...); err != nil {
		return malformed("collateral: %v", err)
	}
	a.current("TCB info", a.info.IssueDate, a.info.NextUpdate)
	a.current("QE identity", a.qe.IssueDate, a.qe.NextUpdate)
	a.tcb.Evaluation, a.tcb.QEEvaluation = a.info.Evaluation, a.qe.Evaluation
	return nil
}

// signed says whether a signer signed a document.
func (a *assessment) signed(signer *x509.Certificate, text string, sig []byte) bool {
	_, err := remembered.Do(a.memory, "dcap/signed", a.at, [][]byte{signer.Raw, []byte(text), sig}, func() (bool, remembered.Span, error) {
		if !signs(certKey(signer), []byte(text), sig) {
			return false, remembered.Span{}, stage.Chain
		}
		return true, remembered.Always(), nil
	})
	return err == nil
}

// document is decodeDocument, remembered: what it gives is shared, and stays as it is.
func document[T tcbInfo | qeIdentity](a *assessment, text string) (T, error) {
	var kind T
	return remembered.Do(a.memory, fmt.Sprintf("dcap/%T", kind), a.at, [][]byte{[]byte(text)}, func() (out T, _ remembered.Span, err error) {
		err = decodeDocument(text, &out)
		return out, remembered.Always(), err
	})
}

// signer returns who signs documents: named for that, issued by the root itself, not revoked.
func (a *assessment) signer(text string) (*x509.Certificate, error) {
	certs, err := certificates(a.memory, a.at, text)
	if err != nil {
		return nil, err
	}
	if len(certs) != 2 || certs[0].IsCA || certs[0].Subject.CommonName != tcbSigner {
		return nil, errors.New("not the chain of Intel's TCB signer")
	}
	if _, err := anchor([]*x509.Certificate{a.root}, certs[1]); err != nil {
		return nil, err
	}
	if err := under(a.memory, a.root, a.at, certs[0]); err != nil {
		return nil, err
	}
	if a.rootCRL != nil && revokes(a.rootCRL, certs[0]) {
		return nil, fmt.Errorf("%w: TCB signer", stage.Revoked)
	}
	return certs[0], nil
}

func (a *assessment) forThisMachine() error {
	tee, qe := "SGX", "QE"
	if a.q.TD != nil {
		tee, qe = "TDX", "TD_QE"
	}
	switch {
	case a.info.ID != tee || a.info.Version < 3 || a.info.TCBType != 0:
		return mismatch("TCB info %q of version %d, type %d", a.info.ID, a.info.Version, a.info.TCBType)
	case a.qe.ID != qe || a.qe.Version < 2:
		return mismatch("QE identity %q of version %d", a.qe.ID, a.qe.Version)
	case !bytes.Equal(a.info.FMSPC, a.q.PCK.FMSPC[:]):
		return mismatch("TCB info is for another FMSPC")
	case !bytes.Equal(a.info.PCEID, a.q.PCK.PCEID[:]):
		return mismatch("TCB info is for another PCE")
	}
	return nil
}

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{stage.EndorsementMismatch}, args...)...)
}

// quotingEnclave is the first part of step 6: the enclave that signed is Intel's.
func (a *assessment) quotingEnclave() error {
	e, id := a.q.qe, &a.qe
	switch {
	case !bytes.Equal(id.MRSigner, e.MRSigner[:]):
		return mismatch("quoting enclave of another signer")
	case id.ISVProdID == nil || *id.ISVProdID != e.ISVProdID:
		return mismatch("another product than the quoting enclave")
	case !masked(e.MiscSelect[:], id.MiscSelect, id.MiscSelectMask):
		return mismatch("miscselect of the quoting enclave")
	case !masked(e.Attributes[:], id.Attributes, id.AttributesMask):
		return mismatch("attributes of the quoting enclave")
	}
	var err error
	a.tcb.QE, err = a.svn("quoting enclave", id.Levels, e.ISVSVN)
	return err
}

// platform is the second part: the first level that the machine meets.
func (a *assessment) platform() error {
	for _, l := range a.info.Levels {
		ok, err := a.meets(l)
		if err != nil {
			return err
		}
		if ok {
			a.tcb.Date = l.Date
			return a.took(&a.tcb.Platform, l.levelVerdict)
		}
	}
	a.tcb.Below = append(a.tcb.Below, "platform")
	return nil
}

func (a *assessment) meets(l *platformLevel) (bool, error) {
	if l == nil || l.TCB.PCESVN == nil {
		return false, malformed("collateral: level without PCESVN")
	}
	sgx, err := components(l.TCB.SGX)
	if err != nil {
		return false, err
	}
	meets := atLeast(a.q.PCK.CPUSVN[:], sgx[:]) && a.q.PCK.PCESVN >= *l.TCB.PCESVN
	if a.q.TD == nil {
		return meets, nil
	}
	tdx, err := components(l.TCB.TDX)
	skip := 0 // a module of version 1 or later has levels of its own
	if a.q.TD.TEETCBSVN[1] > 0 {
		skip = 2
	}
	return meets && atLeast(a.q.TD.TEETCBSVN[skip:], tdx[skip:]), err
}

func atLeast(have, want []byte) bool {
	for i := range want {
		if have[i] < want[i] {
			return false
		}
	}
	return true
}

// module is the third part, for TDX: the module is Intel's, and one of version 1 or later has levels of its own.
func (a *assessment) module() error {
	td := a.q.TD
	if td == nil {
		return nil
	}
	id := a.info.Module
	version := td.TEETCBSVN[1]
	if version > 0 {
		id = nil
		want := fmt.Sprintf("TDX_%02X", version)
		if i := slices.IndexFunc(a.info.Modules, func(m *moduleIdentity) bool { return m != nil && m.ID == want }); i >= 0 {
			id = a.info.Modules[i]
		}
	}
	switch {
	case id == nil:
		return mismatch("no identity of TDX module %d", version)
	case !bytes.Equal(id.MRSigner, td.MRSignerSEAM[:]):
		return mismatch("TDX module of another signer")
	case !masked(td.SEAMAttributes[:], id.Attributes, id.AttributesMask):
		return mismatch("attributes of the TDX module")
	}
	if version == 0 {
		return nil
	}
	var err error
	a.tcb.Module, err = a.svn("TDX module", id.Levels, uint16(td.TEETCBSVN[0]))
	return err
}

// masked says whether have, under a mask, is want. All have one length.
func masked(have, want, mask []byte) bool {
	if len(want) != len(have) || len(mask) != len(have) {
		return false
	}
	for i := range have {
		if have[i]&mask[i] != want[i] {
			return false
		}
	}
	return true
}

// svn finds the first level that a version meets. Such parts are current, out of date or revoked, nothing else.
func (a *assessment) svn(what string, levels []*svnLevel, have uint16) (s Status, err error) {
	for _, l := range levels {
		if l == nil || l.TCB.ISVSVN == nil {
			return "", malformed("collateral: level without a version")
		}
		if have < *l.TCB.ISVSVN {
			continue
		}
		if l.Status != UpToDate && l.Status != OutOfDate && l.Status != Revoked {
			return "", fmt.Errorf("%w: %q of the %s", stage.TCBStatus, l.Status, what)
		}
		return s, a.took(&s, l.levelVerdict)
	}
	a.tcb.Below = append(a.tcb.Below, what)
	return "", nil
}

// took takes over a level's verdict. A status that is not known has no place in an order.
func (a *assessment) took(s *Status, v levelVerdict) error {
	known := []Status{UpToDate, SWHardeningNeeded, ConfigurationNeeded, ConfigurationAndSWHardeningNeeded, OutOfDate, OutOfDateConfigurationNeeded, Revoked}
	if !slices.Contains(known, v.Status) {
		return fmt.Errorf("%w: unknown status %q", stage.TCBStatus, v.Status)
	}
	*s = v.Status
	a.tcb.Advisories = append(a.tcb.Advisories, v.Advisories...)
	slices.Sort(a.tcb.Advisories)
	a.tcb.Advisories = slices.Compact(a.tcb.Advisories)
	return nil
}

// converge is step 7: the machine is no better than its quoting enclave and its module.
func (a *assessment) converge() {
	if len(a.tcb.Below) == 0 {
		a.tcb.Status = converged(converged(a.tcb.Platform, a.tcb.QE), a.tcb.Module)
	}
}

func converged(s, part Status) Status {
	switch {
	case s == Revoked || part == Revoked:
		return Revoked
	case part != OutOfDate:
		return s
	case s == UpToDate || s == SWHardeningNeeded:
		return OutOfDate
	case s == ConfigurationNeeded || s == ConfigurationAndSWHardeningNeeded:
		return OutOfDateConfigurationNeeded
	}
	return s
}
