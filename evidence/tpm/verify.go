package tpm

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/google/go-tpm/tpm2"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// ErrOptions says that what a quote must be judged by is missing.
var ErrOptions = errors.New("tpm: options incomplete")

// Verify checks that a quote is genuine: signed by the attestation key ak, which the caller pins, for this nonce, over these
// register values (docs/spec/evidence-kinds.md, section 5). Both are required.
func Verify(q Quote, ak crypto.PublicKey, nonce []byte) (*Verified, error) {
	return VerifyNoted(q, ak, nonce, nil)
}

// VerifyNoted is Verify, and notes what was proved.
func VerifyNoted(q Quote, ak crypto.PublicKey, nonce []byte, trail *stage.Trail) (*Verified, error) {
	if ak == nil || len(nonce) == 0 || len(nonce) > MaxNonce {
		return nil, ErrOptions
	}
	a, err := parse(q.Message)
	if err != nil {
		return nil, err
	}
	h, err := verifySignature(q, ak)
	if err != nil {
		return nil, err
	}
	trail.Pass(stage.Parse, "a quote, made by a TPM")
	trail.Pass(stage.Alg, "bank of %s, signed over %s", a.bank, h)
	trail.Pass(stage.QuoteSignature, "the attestation key signed it")
	if !bytes.Equal(a.ExtraData.Buffer, nonce) {
		return nil, fmt.Errorf("%w: made for another request", stage.Nonce)
	}
	trail.Pass(stage.Nonce, "made for this request")
	if err := a.matches(q.PCRs, h); err != nil {
		return nil, err
	}
	trail.Pass(stage.PCRDigest, "the values of %d registers are those quoted", len(q.PCRs))
	return &Verified{Content: *a.said(q), checked: true}, nil
}

// verifySignature checks the signature over the message and returns its digest, which the registers are under as well.
func verifySignature(q Quote, ak crypto.PublicKey) (crypto.Hash, error) {
	if len(q.Signature) > MaxSignature {
		return 0, fmt.Errorf("%w: signature of %d bytes", stage.Parse, len(q.Signature))
	}
	s, err := tpm2.Unmarshal[tpm2.TPMTSignature](q.Signature)
	if err != nil {
		return 0, fmt.Errorf("%w: signature: %w", stage.Parse, err)
	}
	if !bytes.Equal(tpm2.Marshal(s), q.Signature) {
		return 0, fmt.Errorf("%w: signature has another encoding", stage.Parse)
	}
	switch s.SigAlg {
	case tpm2.TPMAlgRSASSA:
		sig, err := s.Signature.RSASSA()
		if err != nil {
			return 0, fmt.Errorf("%w: signature: %w", stage.Parse, err)
		}
		h, err := digests(sig.Hash)
		if err != nil {
			return 0, err
		}
		key, ok := ak.(*rsa.PublicKey)
		if !ok || key.N.BitLen() < 2048 || key.N.BitLen() > 4096 || rsa.VerifyPKCS1v15(key, h, sum(h, q.Message), sig.Sig.Buffer) != nil {
			return 0, fmt.Errorf("%w: not by the attestation key", stage.QuoteSignature)
		}
		return h, nil
	case tpm2.TPMAlgECDSA:
		sig, err := s.Signature.ECDSA()
		if err != nil {
			return 0, fmt.Errorf("%w: signature: %w", stage.Parse, err)
		}
		h, err := digests(sig.Hash)
		if err != nil {
			return 0, err
		}
		key, ok := ak.(*ecdsa.PublicKey)
		r, t := new(big.Int).SetBytes(sig.SignatureR.Buffer), new(big.Int).SetBytes(sig.SignatureS.Buffer)
		if !ok || key.Curve != elliptic.P256() && key.Curve != elliptic.P384() || !ecdsa.Verify(key, sum(h, q.Message), r, t) {
			return 0, fmt.Errorf("%w: not by the attestation key", stage.QuoteSignature)
		}
		return h, nil
	default:
		return 0, fmt.Errorf("%w: signature %#04x", stage.Alg, uint16(s.SigAlg))
	}
}

func sum(h crypto.Hash, b []byte) []byte {
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

// RSASSA makes a TPMT_SIGNATURE of a bare RSASSA-PKCS1-v1_5 signature over SHA-256.
func RSASSA(sig []byte) []byte {
	out := binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMAlgRSASSA))
	out = binary.BigEndian.AppendUint16(out, uint16(tpm2.TPMAlgSHA256))
	out = binary.BigEndian.AppendUint16(out, uint16(len(sig)))
	return append(out, sig...)
}

// ParsePublic reads an attestation key (TPMT_PUBLIC). It must be one that signs nothing but what its TPM made, and never leaves it.
func ParsePublic(src []byte) (crypto.PublicKey, error) {
	if len(src) > MaxPublic {
		return nil, fmt.Errorf("%w: key of %d bytes", stage.Parse, len(src))
	}
	p, err := tpm2.Unmarshal[tpm2.TPMTPublic](src)
	if err != nil {
		return nil, fmt.Errorf("%w: key: %w", stage.Parse, err)
	}
	if !bytes.Equal(tpm2.Marshal(p), src) {
		return nil, fmt.Errorf("%w: key has another encoding", stage.Parse)
	}
	if a := p.ObjectAttributes; !a.Restricted || !a.SignEncrypt || a.Decrypt || !a.FixedTPM || !a.SensitiveDataOrigin {
		return nil, fmt.Errorf("%w: not an attestation key", stage.AKBinding)
	}
	key, err := tpm2.Pub(*p)
	if err != nil {
		return nil, fmt.Errorf("%w: key: %w", stage.Parse, err)
	}
	return key, nil
}
