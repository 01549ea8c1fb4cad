package statement

import (
	"errors"
	"fmt"
	"slices"
)

// ErrCertificate is wrapped by every error about a key that signs for a party and is not the party's root key.
var ErrCertificate = errors.New("statement: certificate missing, wrong or not for this")

// Certificate lets an online key sign for a party, whose fingerprint is that of its root key. Signed by the root key alone, never
// by a key that has a certificate itself.
type Certificate struct {
	Header
	Party    Fingerprint `json:"party"`
	Key      string      `json:"key"`      // PublicKey text, of the online key
	Purposes []string    `json:"purposes"` // kinds of statements that it may sign, and PurposeRequest
	Serial   int64       `json:"serial"`   // counts the certificates of a party, from 1
	FromMS   int64       `json:"from_ms"`
	UntilMS  int64       `json:"until_ms"`
	Proof    []byte      `json:"proof"` // by the online key, over CertificateProof: it agreed to sign for this party
}

// PurposeRequest lets a key sign requests to an exchange.
const PurposeRequest = "request"

// Purposes are all that a certificate can let a key do, in the order of the kinds. Certifying and receipts are not among them: the
// one is the root's, the other an enclave's.
func Purposes() []string {
	return []string{"party", "offer", "pool", "contract", "grant", "job", "ready", "refusal", "release", "ack", "revocation", PurposeRequest}
}

func (*Certificate) typeURI() string { return TypeCertificate }

// Authors of a certificate: the party's root key.
func (c *Certificate) Authors() []Fingerprint { return []Fingerprint{c.Party} }

func (t *Certificate) valid() error {
	var c check
	c.fingerprint(t.Party, "party")
	k, err := ParsePublicKey(t.Key)
	c.that(err == nil && k.Fingerprint() != t.Party, "key")
	c.that(len(t.Purposes) > 0 && len(t.Purposes) <= len(Purposes()), "purposes")
	seen := map[string]bool{}
	for _, p := range t.Purposes {
		c.that(slices.Contains(Purposes(), p) && !seen[p], "purposes")
		seen[p] = true
	}
	c.that(t.Serial >= 1 && t.Serial <= maxNumber, "serial")
	c.time(t.FromMS, "from_ms")
	c.time(t.UntilMS, "until_ms")
	c.that(t.FromMS < t.UntilMS, "until_ms")
	c.that(k.Verify(CertificateProof(t.Party), t.Proof), "proof")
	return c.err
}

// CertificateProof is what an online key signs to show that it is its holder who wants to sign for the party: a root can't take
// another party's key, and with it that party's words, for its own.
func CertificateProof(party Fingerprint) []byte {
	return Frame("cordon/certificate-proof/v1", []byte(party))
}

// Covers reports whether the key may do this at that time, in Unix milliseconds.
func (c *Certificate) Covers(purpose string, atMS int64) error {
	switch {
	case !slices.Contains(c.Purposes, purpose):
		return fmt.Errorf("%w: the key may not sign a %s", ErrCertificate, purpose)
	case atMS < c.FromMS:
		return fmt.Errorf("%w: not valid yet", ErrCertificate)
	case atMS >= c.UntilMS:
		return fmt.Errorf("%w: expired", ErrCertificate)
	}
	return nil
}

// VerifyCertificate checks that the root key of the party that a certificate names signed it, itself and alone
// (docs/spec/statement.md, section 6.1). The caller still compares party, key and what it covers.
func VerifyCertificate(e *Envelope) (*Verified[Certificate], error) {
	// Before anything is verified: whoever nests certificates must not make a reader descend.
	if e == nil || len(e.Signatures) != 1 || e.Signatures[0].Certificate != nil {
		return nil, fmt.Errorf("%w: not signed by a root key alone", ErrCertificate)
	}
	c, err := VerifyAuthor[Certificate](e)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return c, nil
}

// signer is the party that a signature speaks for. The signature itself is verified already.
func (s *Signature) signer(k PublicKey, says func() (claim, error)) (Fingerprint, error) {
	if s.Certificate == nil {
		return k.Fingerprint(), nil
	}
	c, err := VerifyCertificate(s.Certificate)
	if err != nil {
		return "", err
	}
	if c.Body().Key != s.KeyID {
		return "", fmt.Errorf("%w: for another key", ErrCertificate)
	}
	said, err := says()
	if err != nil {
		return "", err
	}
	if said.rootOnly {
		return "", fmt.Errorf("%w: only the root key may say this", ErrCertificate)
	}
	if err := c.Body().Covers(said.kind, said.atMS); err != nil {
		return "", err
	}
	return c.Body().Party, nil
}

// claim is what a certificate is compared with: what is said, and when it says it is said.
type claim struct {
	kind     string
	atMS     int64
	rootOnly bool
}

// claimOf decodes a payload of a kind that a certificate can cover.
func claimOf(payload []byte) (claim, error) {
	uri, err := PeekType(payload)
	if err != nil {
		return claim{}, err
	}
	s := coverable(uri)
	if s == nil {
		return claim{}, fmt.Errorf("%w: only the root key may say this", ErrCertificate)
	}
	if err := Unmarshal(payload, s); err != nil {
		return claim{}, err
	}
	if err := s.valid(); err != nil {
		return claim{}, err
	}
	r, ok := s.(*Revocation)
	return claim{kind: purposeOf(uri), atMS: s.saidMS(), rootOnly: ok && r.Key != ""}, nil
}

// dated is a statement that says when it was made.
type dated interface {
	Statement
	saidMS() int64
}

func (p *Party) saidMS() int64         { return p.CreatedMS }
func (o *Offer) saidMS() int64         { return o.CreatedMS }
func (p *Pool) saidMS() int64          { return p.CreatedMS }
func (t *Contract) saidMS() int64      { return t.CreatedMS }
func (g *Grant) saidMS() int64         { return g.CreatedMS }
func (n *Counter) saidMS() int64       { return n.CreatedMS }
func (r *Rejection) saidMS() int64     { return r.AtMS }
func (t *Template) saidMS() int64      { return t.CreatedMS }
func (a *Accreditation) saidMS() int64 { return a.CreatedMS }
func (j *Job) saidMS() int64           { return j.CreatedMS }
func (r *Ready) saidMS() int64         { return r.ExpiresMS } // it has no other time: a key that expires sooner can't be ready
func (r *Refusal) saidMS() int64       { return r.AtMS }
func (r *Release) saidMS() int64       { return r.ReleasedMS }
func (a *Ack) saidMS() int64           { return a.ClosedMS }
func (r *Revocation) saidMS() int64    { return r.AtMS }

// purposeOf is what a certificate must cover for a kind of statement: its name. A key that may grant may say no, and what it would
// grant, and whom it accredits; one that may propose contracts may propose what they are made from.
func purposeOf(uri string) string {
	switch uri {
	case TypeCounter, TypeRejection, TypeAccreditation:
		uri = TypeGrant
	case TypeTemplate:
		uri = TypeContract
	}
	if p, ok := purchasePurpose(uri); ok {
		return p
	}
	return kindOf(uri)
}

// coverable is an empty statement of a type that a certificate can cover; nil of all others.
func coverable(uri string) dated {
	switch uri {
	case TypeParty:
		return new(Party)
	case TypeOffer:
		return new(Offer)
	case TypePool:
		return new(Pool)
	case TypeContract:
		return new(Contract)
	case TypeGrant:
		return new(Grant)
	case TypeCounter:
		return new(Counter)
	case TypeRejection:
		return new(Rejection)
	case TypeTemplate:
		return new(Template)
	case TypeAccreditation:
		return new(Accreditation)
	case TypeJob:
		return new(Job)
	case TypeReady:
		return new(Ready)
	case TypeRefusal:
		return new(Refusal)
	case TypeRelease:
		return new(Release)
	case TypeAck:
		return new(Ack)
	case TypeRevocation:
		return new(Revocation)
	}
	return purchaseOf(uri)
}

// Party is the party that a signature of a verified envelope speaks for.
func (s *Signature) Party() (Fingerprint, error) {
	k, err := ParsePublicKey(s.KeyID)
	if err != nil || s.Certificate == nil {
		return k.Fingerprint(), err
	}
	c, err := DecodeUnverified[Certificate](s.Certificate.Payload)
	if err != nil {
		return "", err
	}
	return c.Party, nil
}

// OnlineKey is a key that signed for a party by a certificate.
type OnlineKey struct {
	Party Fingerprint
	Key   PublicKey
}

// Digest is what the revocation of the key names (docs/spec/statement.md, section 5.12).
func (k OnlineKey) Digest() Digest {
	return LabelledSum("cordon/online-key/v1", []byte(k.Party), k.Key[:])
}

// OnlineKeys are those that signed the envelope by a certificate. They say something only of an envelope that was verified.
func (e *Envelope) OnlineKeys() []OnlineKey {
	var out []OnlineKey
	for i := range e.Signatures {
		s := &e.Signatures[i]
		if s.Certificate == nil {
			continue
		}
		c, err := DecodeUnverified[Certificate](s.Certificate.Payload)
		k, kerr := ParsePublicKey(s.KeyID)
		if err == nil && kerr == nil {
			out = append(out, OnlineKey{Party: c.Party, Key: k})
		}
	}
	return out
}

// OnlineKeys are those that signed by a certificate: who relies on the statement asks whether they were revoked.
func (v *Verified[T]) OnlineKeys() []OnlineKey { return v.envelope.OnlineKeys() }

// CoveredAt checks that the certificates of all who signed cover the statement at a time of the reader's own, beside the time that
// the statement states: for what is made for the moment.
func (v *Verified[T]) CoveredAt(ms int64) error {
	uri, err := PeekType(v.envelope.Payload)
	if err != nil {
		return err
	}
	for i := range v.envelope.Signatures {
		s := &v.envelope.Signatures[i]
		if s.Certificate == nil {
			continue
		}
		c, err := DecodeUnverified[Certificate](s.Certificate.Payload)
		if err != nil {
			return err
		}
		if err := c.Covers(purposeOf(uri), ms); err != nil {
			return err
		}
	}
	return nil
}

// certified is a signer that signs for a party by a certificate.
type certified struct {
	Signer
	certificate *Verified[Certificate]
}

// Certified makes a signer of an online key and its certificate.
func Certified(k Signer, certificate *Envelope) (Signer, error) {
	c, err := VerifyCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if c.Body().Key != k.Public().String() {
		return nil, fmt.Errorf("%w: for another key", ErrCertificate)
	}
	return &certified{Signer: k, certificate: c}, nil
}

// PartyOf is the fingerprint of the party that a signer signs for.
func PartyOf(k Signer) Fingerprint {
	if c, ok := k.(*certified); ok {
		return c.certificate.Body().Party
	}
	return k.Public().Fingerprint()
}

// RootOf is the root key of the party that a signer signs for.
func RootOf(k Signer) PublicKey {
	if c, ok := k.(*certified); ok {
		root, err := ParsePublicKey(c.certificate.envelope.Signatures[0].KeyID)
		if err != nil {
			panic("statement: a verified certificate names its signer: " + err.Error())
		}
		return root
	}
	return k.Public()
}

// CertificateOf is the certificate of a signer that has one, or nil.
func CertificateOf(k Signer) *Verified[Certificate] {
	if c, ok := k.(*certified); ok {
		return c.certificate
	}
	return nil
}

// cloneCertificate copies what may be shared with a caller.
func cloneCertificate(e *Envelope) *Envelope {
	if e == nil {
		return nil
	}
	c := e.clone()
	return &c
}
