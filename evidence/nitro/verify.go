package nitro

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	_ "embed" // the root of AWS
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/cordon-exchange/cordon/evidence/anchor"
	"github.com/cordon-exchange/cordon/evidence/field"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

//go:embed roots/aws-nitro-root-g1.pem
var root []byte

// AWS returns the root certificate of Nitro enclaves, "G1".
func AWS() (*x509.Certificate, error) { return ParseRoot(root) }

// ParseRoot reads one self-signed certificate in PEM.
func ParseRoot(src []byte) (*x509.Certificate, error) { return anchor.Parse(src) }

// Options say under whose word and when a document is judged.
type Options struct {
	Root *x509.Certificate // required
	// At is required. A document's certificate lives for three hours: for a fresh one this is now, for one on record the
	// time at which it was taken.
	At time.Time
	// AllowDebug accepts enclaves whose console their host reads and which measure nothing.
	AllowDebug bool
	Trail      *stage.Trail // notes what was proved; default: nobody asks
}

// Document is what the bytes of a document say. Nothing of it is proved.
type Document struct {
	ModuleID    string              `json:"module_id"`
	TimestampMS uint64              `json:"timestamp_ms"`
	PCRs        map[uint8]field.Hex `json:"pcrs"`
	NonzeroPCRs map[uint8]field.Hex `json:"nonzero_pcrs"`
	PCRCount    int                 `json:"pcr_count"`
	PublicKey   field.Hex           `json:"public_key"`
	UserData    field.Hex           `json:"user_data"`
	Nonce       field.Hex           `json:"nonce"`
	LeafValid   string              `json:"leaf_valid"`
	Debug       bool                `json:"debug"`
}

// Verified is what a genuine document says. Only Verify makes one.
type Verified struct {
	Document
	checked bool
}

// Parse reads a document. It proves nothing.
func Parse(raw []byte) (*Document, error) {
	_, d, leaf, err := parse(raw)
	if err != nil {
		return nil, err
	}
	return d.said(leaf), nil
}

// said is what the document says, by the names of collections.
func (d *document) said(leaf *x509.Certificate) *Document {
	v := &Document{
		ModuleID: d.ModuleID, TimestampMS: d.Timestamp, PCRs: map[uint8]field.Hex{}, NonzeroPCRs: map[uint8]field.Hex{},
		PCRCount: len(d.PCRs), PublicKey: field.Hex(d.PublicKey), UserData: field.Hex(d.UserData), Nonce: field.Hex(d.Nonce),
		LeafValid: leaf.NotBefore.UTC().Format(time.RFC3339) + " .. " + leaf.NotAfter.UTC().Format(time.RFC3339),
	}
	for i, p := range d.PCRs {
		v.PCRs[i] = field.Hex(p)
		if !zero(p) {
			v.NonzeroPCRs[i] = field.Hex(p)
		}
	}
	v.Debug = zero(d.PCRs[0]) && zero(d.PCRs[1]) && zero(d.PCRs[2])
	return v
}

// Verify checks that a document is genuine: signed by a key that leads to the root (docs/spec/evidence-kinds.md, section 3).
func Verify(raw []byte, o Options) (*Verified, error) {
	if o.Root == nil || o.At.IsZero() {
		return nil, fmt.Errorf("%w: no root or no time given", stage.Chain)
	}
	s, d, leaf, err := parse(raw)
	if err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.Parse, "document of %s", d.ModuleID)
	o.Trail.Pass(stage.Alg, "ES384")
	// Both are looked at: the certificate lies in what is signed, so one that was altered fails both.
	if err := errors.Join(d.chain(leaf, o), s.verify(leaf)); err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.Chain, "the document's key leads to %s", o.Root.Subject.CommonName)
	o.Trail.Pass(stage.Signature, "that key signed the document")
	v := &Verified{Document: *d.said(leaf), checked: true}
	if v.Debug && !o.AllowDebug {
		return nil, fmt.Errorf("%w: PCR0 to PCR2 are zero", stage.Debug)
	}
	o.Trail.Pass(stage.Debug, "%s", debugSaid(v.Debug))
	return v, nil
}

func debugSaid(debug bool) string {
	if debug {
		return "DEBUG, allowed by name: the host reads the enclave's console, and nothing is measured"
	}
	return "the enclave is measured, and not in debug mode"
}

func zero(b []byte) bool { return bytes.Equal(b, make([]byte, len(b))) }

// chain checks that the signing key's certificate leads to the given root. The bundle's first is the root that the
// document brings: it is never used.
func (d *document) chain(leaf *x509.Certificate, o Options) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(o.Root)
	for _, der := range d.Bundle[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%w: bundle", stage.Chain)
		}
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: o.At, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%w: %w: the document's certificates are not valid at the time", stage.Chain, stage.Expired)
	case err != nil:
		return fmt.Errorf("%w: the signing key does not lead to the root", stage.Chain)
	}
	return nil
}

// verify checks the signature over the document (RFC 9052, section 4.4).
func (s *sign1) verify(leaf *x509.Certificate) error {
	if len(s.Signature) != SignatureSize {
		return fmt.Errorf("%w: %d bytes", stage.Signature, len(s.Signature))
	}
	signed, err := cbor.Marshal([]any{"Signature1", []byte(s.Protected), []byte{}, []byte(s.Payload)})
	if err != nil {
		return fmt.Errorf("%w: %w", stage.Parse, err)
	}
	sum := sha512.Sum384(signed)
	r, t := new(big.Int).SetBytes(s.Signature[:48]), new(big.Int).SetBytes(s.Signature[48:])
	if !ecdsa.Verify(leaf.PublicKey.(*ecdsa.PublicKey), sum[:], r, t) {
		return fmt.Errorf("%w: not by the document's key", stage.Signature)
	}
	return nil
}
