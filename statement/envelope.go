package statement

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// Sentinel errors of reading a statement, one per stage.
var (
	ErrEnvelope  = errors.New("statement: malformed envelope")
	ErrType      = errors.New("statement: not the expected type and version")
	ErrInvalid   = errors.New("statement: field missing or out of range")
	ErrSignature = errors.New("statement: signature missing or wrong")
)

// Envelope is a DSSE envelope (github.com/secure-systems-lab/dsse, v1.0.2) with
// Ed25519 signatures. The key id is the signer's public key, so that an envelope
// and a pinned fingerprint are all that a check needs.
type Envelope struct {
	PayloadType string      `json:"payloadType"`
	Payload     []byte      `json:"payload"`
	Signatures  []Signature `json:"signatures"`
}

// Signature is one signature of an envelope.
type Signature struct {
	KeyID string `json:"keyid"` // PublicKey text
	Sig   []byte `json:"sig"`
	// Certificate says that the key signs for a party whose root key is another: the envelope of a Certificate. Without it, the key
	// is the party's root.
	Certificate *Envelope `json:"certificate,omitempty"`
}

// PayloadType is the media type of every statement; which one it is stands in its "type".
const PayloadType = "application/vnd.cordon.statement+json"

// Digest names the statement in the envelope. It says nothing about signatures.
func (e *Envelope) Digest() Digest { return Sum(e.Payload) }

// ParseEnvelope decodes an envelope strictly (docs/spec/statement.md, section 3). It checks no signature.
func ParseEnvelope(src []byte) (*Envelope, error) {
	var e Envelope
	if err := UnmarshalUpTo(src, maxEnvelope, &e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvelope, err)
	}
	if err := e.valid(); err != nil {
		return nil, err
	}
	return &e, nil
}

func (e *Envelope) valid() error {
	switch {
	case e.PayloadType != PayloadType:
		return fmt.Errorf("%w: payload type", ErrEnvelope)
	case len(e.Payload) == 0 || len(e.Payload) > MaxPayload:
		return fmt.Errorf("%w: payload size", ErrEnvelope)
	case len(e.Signatures) == 0 || len(e.Signatures) > maxSignatures:
		return fmt.Errorf("%w: number of signatures", ErrEnvelope)
	}
	return nil
}

// Bytes is the strict encoding of an envelope that Sign or a decoder made.
func (e *Envelope) Bytes() []byte {
	b, err := Marshal(e)
	if err != nil {
		panic("statement: such an envelope always encodes: " + err.Error())
	}
	return b
}

// pae is DSSE's pre-authentication encoding (protocol.md, "Signature Definition").
// It begins with a letter; everything else that our keys sign is a Frame, which
// begins with a zero byte: neither can be taken for the other.
func pae(payloadType string, payload []byte) []byte {
	out := []byte("DSSEv1 " + strconv.Itoa(len(payloadType)) + " " + payloadType + " " + strconv.Itoa(len(payload)) + " ")
	return append(out, payload...)
}

// Signers checks every signature of the envelope, and its certificate where it
// has one, and returns the parties that signed, in envelope order. One wrong or
// repeated signature spoils the envelope.
func (e *Envelope) Signers() ([]Fingerprint, error) {
	if err := e.valid(); err != nil {
		return nil, err
	}
	msg := pae(e.PayloadType, e.Payload)
	seen := map[Fingerprint]bool{}
	var out []Fingerprint
	says := sync.OnceValues(func() (claim, error) { return claimOf(e.Payload) })
	for i := range e.Signatures {
		s := &e.Signatures[i]
		k, err := ParsePublicKey(s.KeyID)
		if err != nil || !k.Verify(msg, s.Sig) {
			return nil, fmt.Errorf("%w: does not verify", ErrSignature)
		}
		f, err := s.signer(k, says)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSignature, err)
		}
		if seen[f] {
			return nil, fmt.Errorf("%w: signed twice by one party", ErrSignature)
		}
		seen[f] = true
		out = append(out, f)
	}
	return out, nil
}
