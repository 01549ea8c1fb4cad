package snp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Options say under whose word and when a report is judged.
type Options struct {
	Anchors Anchors   // required
	At      time.Time // required: certificates and lists are judged at this time
	CRLs    [][]byte  // DER; with any given, one of the report's root is required and must be current
	// AllowDebug accepts guests whose memory their host may read.
	AllowDebug bool
	Trail      *stage.Trail // notes what was proved; default: nobody asks
	// Memory remembers what verified of endorsements and lists, never of a report; default: nothing is remembered.
	Memory *remembered.Memory
}

// Verify checks that a report is genuine: signed by the key that the endorsement (DER of a VCEK or VLEK) certifies, for
// the platform it claims to come from (docs/spec/evidence-kinds.md, section 2).
func Verify(report, endorsement []byte, o Options) (*Verified, error) {
	if len(o.Anchors.list) == 0 || o.At.IsZero() {
		return nil, fmt.Errorf("%w: no anchor or no time given", stage.Chain)
	}
	v, err := parse(report)
	if err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.Parse, "report of version %d", v.Version)
	o.Trail.Pass(stage.Alg, "ECDSA P-384 with SHA-384")
	ek, err := parseEndorsement(endorsement, v.SigningKey)
	if err != nil {
		return nil, err
	}
	root, err := v.chain(report, ek, o)
	if err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.Chain, "the %s leads over %s to %s", v.SigningKey, root.ask.Subject.CommonName, root.ark.Subject.CommonName)
	if v.ListUntil, err = root.notRevoked(o.Memory, o.CRLs, o.At); err != nil {
		return nil, err
	}
	if len(o.CRLs) > 0 {
		o.Trail.Pass(stage.NoCRL, "revocation list of %s", root.ark.Subject.CommonName)
		o.Trail.Pass(stage.StaleCollateral, "the list is current")
		o.Trail.Pass(stage.Revoked, "it does not list %s", root.ask.Subject.CommonName)
	}
	e, err := extensions(ek, v.Line)
	if err != nil {
		return nil, err
	}
	// Both are looked at: a report that was altered in its TCB or chip fails both.
	if err := errors.Join(e.matches(v), verifySignature(report, ek)); err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.EndorsementMismatch, "AMD made the %s for this platform, at its reported TCB %s", v.SigningKey, v.ReportedTCB)
	o.Trail.Pass(stage.ReportSignature, "the %s signed the report", v.SigningKey)
	if v.Debug && !o.AllowDebug {
		return nil, fmt.Errorf("%w: the guest's policy lets the host read its memory", stage.Debug)
	}
	o.Trail.Pass(stage.Debug, "%s", debugSaid(v.Debug))
	v.Provider, v.checked = e.csp, true
	return v, nil
}

func debugSaid(debug bool) string {
	if debug {
		return "DEBUG, allowed by name: the host can read the guest's memory"
	}
	return "the guest's policy keeps the host out of its memory"
}

// chain finds the anchor that the key leads to, under the report's line of processors.
func (v *Verified) chain(report []byte, ek *x509.Certificate, o Options) (*anchor, error) {
	line, err := lineOf(v, report)
	if err != nil {
		return nil, err
	}
	named, key, ok := issuerName(ek.Issuer.CommonName)
	if !ok || key != v.SigningKey {
		return nil, fmt.Errorf("%w: the key's issuer is none of AMD's for a %s", stage.Chain, v.SigningKey)
	}
	if line == "" { // version 2: only the issuer says, and it must then lead to that line's root
		line = named
	}
	v.Line = line
	for _, a := range o.Anchors.of(line, v.SigningKey) {
		if a.issuedBefore(o.Memory, ek, o.At) {
			return &a, nil
		}
	}
	return nil, fmt.Errorf("%w: the %s does not lead to an anchor for %s", stage.Chain, v.SigningKey, line)
}

// issuedBefore is issued, remembered until the first of the certificates ends.
func (a *anchor) issuedBefore(m *remembered.Memory, ek *x509.Certificate, at time.Time) bool {
	span := remembered.Always()
	for _, c := range []*x509.Certificate{ek, a.ask, a.ark} {
		span = span.Within(remembered.Span{From: c.NotBefore, Until: c.NotAfter})
	}
	_, err := remembered.Do(m, "snp/issued", at, [][]byte{ek.Raw, a.ask.Raw, a.ark.Raw}, func() (bool, remembered.Span, error) {
		if !a.issued(ek, at) {
			return false, remembered.Span{}, stage.Chain
		}
		return true, span, nil
	})
	return err == nil
}

// issued says whether the key's certificate hangs from this anchor and no other, and all are valid at a time. That the intermediate
// hangs from the root, ParseAnchors has verified.
func (a *anchor) issued(ek *x509.Certificate, at time.Time) bool {
	if at.Before(a.ark.NotBefore) || at.After(a.ark.NotAfter) {
		return false
	}
	pinned := x509.NewCertPool()
	pinned.AddCert(a.ask)
	chains, err := ek.Verify(x509.VerifyOptions{Roots: pinned, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil && len(chains[0]) == 2 && chains[0][1].Equal(a.ask) && ek.SignatureAlgorithm == x509.SHA384WithRSAPSS
}

// notRevoked looks the intermediate up in its root's list, and says until when that holds. AMD retires endorsement keys by TCB, not
// by list.
func (a *anchor) notRevoked(m *remembered.Memory, crls [][]byte, at time.Time) (until time.Time, err error) {
	if len(crls) == 0 {
		return until, nil
	}
	for _, der := range crls {
		if len(der) > MaxCRL {
			return until, fmt.Errorf("%w: revocation list of %d bytes", stage.Parse, len(der))
		}
		l, err := a.list(m, der, at)
		if errors.Is(err, errOther) {
			continue
		}
		if err != nil {
			return until, err
		}
		if at.Before(l.ThisUpdate) || !at.Before(l.NextUpdate) {
			return until, fmt.Errorf("%w: revocation list", stage.StaleCollateral)
		}
		for _, r := range l.RevokedCertificateEntries {
			if r.SerialNumber.Cmp(a.ask.SerialNumber) == 0 {
				return until, fmt.Errorf("%w: intermediate key for %s", stage.Revoked, a.line)
			}
		}
		return l.NextUpdate, nil
	}
	return until, fmt.Errorf("%w: no list is of the root for %s", stage.NoCRL, a.line)
}

var errOther = errors.New("revocation list of another root")

// list reads a list of the root's, which is remembered while it is current. Whether it is, and whom it names, is looked at each time.
func (a *anchor) list(m *remembered.Memory, der []byte, at time.Time) (*x509.RevocationList, error) {
	return remembered.Do(m, "snp/list", at, [][]byte{der, a.ark.Raw}, func() (*x509.RevocationList, remembered.Span, error) {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, remembered.Span{}, fmt.Errorf("%w: revocation list", stage.Parse)
		}
		if !bytes.Equal(l.RawIssuer, a.ark.RawSubject) || l.CheckSignatureFrom(a.ark) != nil {
			return nil, remembered.Span{}, errOther
		}
		return l, remembered.Span{From: l.ThisUpdate, Until: l.NextUpdate}, nil
	})
}

func verifySignature(report []byte, ek *x509.Certificate) error {
	signed, der, err := signature(report)
	if err != nil {
		return fmt.Errorf("%w: form", stage.ReportSignature)
	}
	digest := sha512.Sum384(signed)
	if !ecdsa.VerifyASN1(ek.PublicKey.(*ecdsa.PublicKey), digest[:], der) {
		return fmt.Errorf("%w: not by the endorsed key", stage.ReportSignature)
	}
	return nil
}
