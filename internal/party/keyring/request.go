package keyring

import (
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// UseOnline is a fresh signing key that waits for its certificate.
const UseOnline = "online"

// Request asks a root key on another machine for a certificate. It holds nothing secret.
type Request struct {
	Format string                `json:"format"` // requestFormat
	Party  statement.Fingerprint `json:"party"`
	Name   string                `json:"name"`
	Key    string                `json:"key"`
	Proof  []byte                `json:"proof"`
	Serial int64                 `json:"serial"`
	FromMS int64                 `json:"from_ms"`
}

const requestFormat = "cordon-key-request/1"

// Encode is the strict encoding of a request.
func (r *Request) Encode() ([]byte, error) { return statement.Marshal(r) }

// DecodeRequest reads a request. Whether it is its key's, and whose party's, CertifyRequest checks.
func DecodeRequest(src []byte) (*Request, error) {
	var r Request
	if err := statement.Unmarshal(src, &r); err != nil || r.Format != requestFormat {
		return nil, fault.New(fault.Input, "this is no request for a certificate", "make one with 'cordon party rotate-key --request FILE'", errors.Join(ErrFormat, err))
	}
	return &r, nil
}

// Request makes a fresh signing key, and asks for its certificate. Statements since from are to be covered.
func (k *Keyring) Request(from time.Time) (*KeyFile, *Request, error) {
	sign, err := seal.NewSigningKey()
	if err != nil {
		return nil, nil, err
	}
	proof, err := sign.Sign(statement.CertificateProof(k.Fingerprint()))
	if err != nil {
		return nil, nil, err
	}
	r := &Request{
		Format: requestFormat, Party: k.Fingerprint(), Name: k.name, Key: sign.Public().String(), Proof: proof, Serial: 1, FromMS: from.UnixMilli(),
	}
	if before := statement.CertificateOf(k.signer); before != nil {
		r.Serial = before.Body().Serial + 1
	}
	return &KeyFile{use: UseOnline, name: k.name, key: sign}, r, nil
}

// CertifyRequest signs the certificate that is asked for. The terms' beginning is the request's.
func (k *KeyFile) CertifyRequest(r *Request, t Terms) (*statement.Envelope, error) {
	if r.Party != k.Fingerprint() {
		return nil, fault.New(fault.NoKey, "the request is of another party than this root key's", "give the root key of "+r.Name, nil)
	}
	return k.certificate(statement.Certificate{
		Party: r.Party, Key: r.Key, Purposes: t.Purposes, Serial: r.Serial, FromMS: r.FromMS, UntilMS: t.Until.UnixMilli(), Proof: r.Proof,
	})
}

// WithCertified is the keyring with a signing key that waited for its certificate.
func (k *Keyring) WithCertified(pending *KeyFile, certificate *statement.Envelope) (*Keyring, error) {
	out := *k
	signer, err := statement.Certified(pending.key, certificate)
	if err != nil {
		return nil, fault.New(fault.Untrusted, "this is no certificate of the key that waits for one", "have the last request certified: 'cordon party certify'", err)
	}
	if statement.PartyOf(signer) != k.Fingerprint() {
		return nil, fault.New(fault.Untrusted, "the certificate is of another party's root key", "have it certified by the root key of "+k.name, nil)
	}
	out.sign, out.signer = pending.key, signer
	return &out, nil
}
