package statement

import (
	"bytes"
	"fmt"
)

// Statement is implemented by the statement types of this package.
type Statement interface {
	typeURI() string
	setType(string)
	valid() error
}

// Header is the first field of every statement.
type Header struct {
	Type string `json:"type"`
}

func (h *Header) setType(t string) { h.Type = t }

type statementOf[T any] interface {
	*T
	Statement
}

// Verified is a statement whose signatures were checked. Only Verify makes one,
// so a function that takes a Verified need not check again.
type Verified[T any] struct {
	body     T
	envelope Envelope
	digest   Digest
}

// Body is the statement. Callers must not modify what its slices point to.
func (v *Verified[T]) Body() *T { return &v.body }

// Digest names the statement.
func (v *Verified[T]) Digest() Digest { return v.digest }

// Envelope is what was verified, to pass on.
func (v *Verified[T]) Envelope() *Envelope { return &v.envelope }

// Payload encodes s as Sign does, for those who must approve it first. s must be complete.
func Payload[T any, P statementOf[T]](s T) ([]byte, error) {
	p := P(&s)
	p.setType(p.typeURI())
	if err := p.valid(); err != nil {
		return nil, err
	}
	payload, err := Marshal(p)
	if err != nil {
		return nil, err
	}
	if _, err := DecodeUnverified[T, P](payload); err != nil {
		return nil, err // what we sign must be readable by ourselves
	}
	return payload, nil
}

// Sign encodes s and signs it. s must be complete: it is validated first.
func Sign[T any, P statementOf[T]](s T, signers ...Signer) (*Envelope, error) {
	payload, err := Payload[T, P](s)
	if err != nil {
		return nil, err
	}
	e := &Envelope{PayloadType: PayloadType, Payload: payload}
	for _, k := range signers {
		if err := e.AddSignature(k); err != nil {
			return nil, err
		}
	}
	if err := e.valid(); err != nil {
		return nil, err
	}
	return e, nil
}

// AddSignature signs the envelope as it is, for statements with several signers.
// A key with a certificate signs only what the certificate covers.
func (e *Envelope) AddSignature(k Signer) error {
	s := Signature{KeyID: k.Public().String()}
	if c := CertificateOf(k); c != nil {
		s.Certificate = cloneCertificate(c.Envelope())
		if _, err := s.signer(k.Public(), func() (claim, error) { return claimOf(e.Payload) }); err != nil {
			return fmt.Errorf("sign statement: %w", err)
		}
	}
	var err error
	s.Sig, err = k.Sign(pae(e.PayloadType, e.Payload))
	if err != nil {
		return fmt.Errorf("sign statement: %w", err)
	}
	e.Signatures = append(e.Signatures, s)
	return nil
}

// DecodeUnverified decodes a payload strictly and validates its fields. It says
// nothing about who signed: for display, routing, and to learn which
// fingerprints a Verify should expect.
func DecodeUnverified[T any, P statementOf[T]](payload []byte) (*T, error) {
	var body T
	p := P(&body)
	// The strict decoder lets no second "type" pass: this one is the statement's.
	if err := peekType(payload, p.typeURI()); err != nil {
		return nil, err
	}
	if err := Unmarshal(payload, p); err != nil {
		return nil, err
	}
	if err := p.valid(); err != nil {
		return nil, err
	}
	return &body, nil
}

// Verify checks that exactly the parties in by signed e, then decodes it
// (docs/spec/statement.md, section 6). An empty by is refused: nobody's word is
// no word.
func Verify[T any, P statementOf[T]](e *Envelope, by ...Fingerprint) (*Verified[T], error) {
	if err := signedBy(e, by); err != nil {
		return nil, err
	}
	body, err := DecodeUnverified[T, P](e.Payload)
	if err != nil {
		return nil, err
	}
	return verified(e, body), nil
}

// signedBy checks that exactly the parties in by signed e.
func signedBy(e *Envelope, by []Fingerprint) error {
	if e == nil || len(by) == 0 {
		return fmt.Errorf("%w: no signer expected", ErrSignature)
	}
	got, err := e.Signers()
	if err != nil {
		return err
	}
	if !sameSet(got, by) {
		return fmt.Errorf("%w: not signed by exactly the expected parties", ErrSignature)
	}
	return nil
}

// verified copies e: what was verified stays so, whatever the caller does with its own.
func verified[T any](e *Envelope, body *T) *Verified[T] {
	own := e.clone()
	return &Verified[T]{body: *body, envelope: own, digest: own.Digest()}
}

func (e *Envelope) clone() Envelope {
	c := Envelope{PayloadType: e.PayloadType, Payload: bytes.Clone(e.Payload)}
	for _, s := range e.Signatures {
		c.Signatures = append(c.Signatures, Signature{KeyID: s.KeyID, Sig: bytes.Clone(s.Sig), Certificate: cloneCertificate(s.Certificate)})
	}
	return c
}

func sameSet(a, b []Fingerprint) bool {
	in := map[Fingerprint]bool{}
	for _, f := range b {
		in[f] = true
	}
	for _, f := range a {
		if !in[f] {
			return false
		}
		delete(in, f)
	}
	return len(in) == 0
}

// VerifyAuthor verifies a statement that names its own author: the body is
// decoded first to learn whom it claims to be from, then exactly that party must
// have signed. The caller still decides whether that party is the one it wants.
func VerifyAuthor[T any, P interface {
	statementOf[T]
	Authors() []Fingerprint
}](e *Envelope) (*Verified[T], error) {
	if e == nil {
		return nil, ErrEnvelope
	}
	body, err := DecodeUnverified[T, P](e.Payload)
	if err != nil {
		return nil, err
	}
	if err := signedBy(e, P(body).Authors()); err != nil {
		return nil, err
	}
	return verified(e, body), nil
}
