package nitro

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Limits, in bytes where nothing else is said. AWS names those of the fields.
const (
	MaxDocument    = 16 << 10
	MaxCertificate = 1024
	MaxBundle      = 16 // certificates
	MaxPublicKey   = 1024
	MaxUserData    = 512
	MaxNonce       = 512
	MaxModuleID    = 256
	MaxPCRs        = 32 // registers
	PCRSize        = 48 // exact
	SignatureSize  = 96 // exact: r and s of P-384
)

// es384 is the one accepted algorithm (RFC 9053, section 2.1).
const es384 = -35

// strict refuses duplicate keys, unknown fields, tags and trailing bytes. Lengths may be indefinite: real documents have such
// maps.
func strict() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthAllowed, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 4, MaxArrayElements: MaxBundle, MaxMapPairs: MaxPCRs,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode()
}

// octets are a byte string. Nothing else is read as one, but null as none.
type octets []byte

// UnmarshalCBOR refuses what is neither a byte string nor null.
func (o *octets) UnmarshalCBOR(src []byte) error {
	const byteString, null = 2, 0xf6
	switch {
	case len(src) == 1 && src[0] == null:
		*o = nil
		return nil
	case len(src) == 0 || src[0]>>5 != byteString:
		return fmt.Errorf("not a byte string")
	}
	return cbor.Unmarshal(src, (*[]byte)(o))
}

// sign1 is a COSE_Sign1 without its tag (RFC 9052, section 4.2).
type sign1 struct {
	_           struct{} `cbor:",toarray"`
	Protected   octets
	Unprotected map[int64]cbor.RawMessage
	Payload     octets
	Signature   octets
}

// document is the payload.
type document struct {
	ModuleID    string           `cbor:"module_id"`
	Digest      string           `cbor:"digest"`
	Timestamp   uint64           `cbor:"timestamp"`
	PCRs        map[uint8]octets `cbor:"pcrs"`
	Certificate octets           `cbor:"certificate"`
	Bundle      []octets         `cbor:"cabundle"`
	PublicKey   octets           `cbor:"public_key"`
	UserData    octets           `cbor:"user_data"`
	Nonce       octets           `cbor:"nonce"`
}

// parse reads the envelope and the document in it, and the certificate of the key that signed.
func parse(raw []byte) (*sign1, *document, *x509.Certificate, error) {
	if len(raw) > MaxDocument {
		return nil, nil, nil, fmt.Errorf("%w: document of %d bytes", stage.Parse, len(raw))
	}
	dec, err := strict()
	if err != nil {
		return nil, nil, nil, err
	}
	var s sign1
	if err := dec.Unmarshal(raw, &s); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: envelope: %w", stage.Parse, err)
	}
	if len(s.Unprotected) != 0 { // nothing signs them
		return nil, nil, nil, fmt.Errorf("%w: unprotected headers", stage.Parse)
	}
	var headers map[int64]int64
	if err := dec.Unmarshal(s.Protected, &headers); err != nil || len(headers) != 1 {
		return nil, nil, nil, fmt.Errorf("%w: protected headers", stage.Parse)
	}
	if alg, ok := headers[1]; !ok || alg != es384 {
		return nil, nil, nil, fmt.Errorf("%w: not ES384", stage.Alg)
	}
	var d document
	if err := dec.Unmarshal(s.Payload, &d); err != nil {
		return nil, nil, nil, fmt.Errorf("%w: document: %w", stage.Parse, err)
	}
	if what := d.wrong(); what != "" {
		return nil, nil, nil, fmt.Errorf("%w: %s", stage.Parse, what)
	}
	leaf, err := x509.ParseCertificate(d.Certificate)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%w: certificate of the signing key", stage.Chain)
	}
	if k, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P384() {
		return nil, nil, nil, fmt.Errorf("%w: signing key is not of P-384", stage.Chain)
	}
	return &s, &d, leaf, nil
}

// wrong names the first field that is not within what AWS describes.
func (d *document) wrong() string {
	switch {
	case d.ModuleID == "" || len(d.ModuleID) > MaxModuleID:
		return "module_id"
	case d.Digest != "SHA384":
		return "digest"
	case d.Timestamp == 0:
		return "timestamp"
	case len(d.PCRs) == 0 || len(d.PCRs) > MaxPCRs:
		return "pcrs"
	case len(d.Certificate) == 0 || len(d.Certificate) > MaxCertificate:
		return "certificate"
	case len(d.Bundle) == 0:
		return "cabundle"
	case len(d.PublicKey) > MaxPublicKey:
		return "public_key"
	case len(d.UserData) > MaxUserData:
		return "user_data"
	case len(d.Nonce) > MaxNonce:
		return "nonce"
	}
	for i, p := range d.PCRs {
		if i >= MaxPCRs || len(p) != PCRSize {
			return "pcrs"
		}
	}
	for i := range uint8(3) { // they tell whether the enclave runs in debug mode
		if d.PCRs[i] == nil {
			return "pcrs"
		}
	}
	for _, c := range d.Bundle {
		if len(c) == 0 || len(c) > MaxCertificate {
			return "cabundle"
		}
	}
	return ""
}
