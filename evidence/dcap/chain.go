package dcap

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/cordon-exchange/cordon/evidence/remembered"
)

//go:embed intel-sgx-root-ca.pem
var intelRoot string

// Common names that Intel's hierarchy gives to its parts.
const (
	platformCA  = "Intel SGX PCK Platform CA"
	processorCA = "Intel SGX PCK Processor CA"
	tcbSigner   = "Intel SGX TCB Signing"
)

// IntelRoots returns Intel SGX Root CA, which signs for SGX and TDX.
func IntelRoots() []*x509.Certificate {
	certs, err := parseCerts(intelRoot)
	if err != nil {
		panic(err) // the file is part of this package
	}
	return certs
}

// chain is a leaf, who issued it, and the root it claims; leaf and issuer are alone where the root issues.
type chain struct {
	leaf, issuer, root *x509.Certificate
}

// parseChain reads the three certificates of a PCK chain.
func parseChain(m *remembered.Memory, at time.Time, text string) (chain, error) {
	certs, err := certificates(m, at, text)
	if err != nil {
		return chain{}, err
	}
	if len(certs) != 3 {
		return chain{}, fmt.Errorf("%d certificates, want 3", len(certs))
	}
	return chain{certs[0], certs[1], certs[2]}, nil
}

// certificates is parseCerts, remembered.
func certificates(m *remembered.Memory, at time.Time, text string) ([]*x509.Certificate, error) {
	return remembered.Do(m, "dcap/certificates", at, [][]byte{[]byte(text)}, func() ([]*x509.Certificate, remembered.Span, error) {
		list, err := parseCerts(text)
		return list, remembered.Always(), err
	})
}

// parseCerts reads certificates in PEM with nothing but empty lines between them.
func parseCerts(text string) (out []*x509.Certificate, err error) {
	if len(text) > maxChain {
		return nil, errors.New("chain too long")
	}
	for rest := []byte(strings.ReplaceAll(text, "\r\n", "\n")); len(rest) > 0; {
		b, after := pem.Decode(rest)
		if b == nil || b.Type != "CERTIFICATE" || len(b.Bytes) > maxCert || len(out) == maxCerts {
			return nil, errors.New("not a list of certificates")
		}
		// One encoding: base64 and its frame leave room that nobody signs.
		if again := pem.EncodeToMemory(b); !bytes.HasPrefix(append(rest, '\n'), again) {
			return nil, errors.New("not PEM as it is written")
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, errors.New("not a certificate")
		}
		out, rest = append(out, c), bytes.TrimLeft(after, "\n")
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate")
	}
	return out, nil
}

// anchor returns the pinned root that a chain claims: the very certificate, or another one that its key gave itself.
func anchor(roots []*x509.Certificate, claimed *x509.Certificate) (*x509.Certificate, error) {
	for _, r := range roots {
		if claimed.Equal(r) {
			return r, nil
		}
		sameKey := bytes.Equal(r.RawSubjectPublicKeyInfo, claimed.RawSubjectPublicKeyInfo) && bytes.Equal(r.RawSubject, claimed.RawSubject)
		if sameKey && r.CheckSignature(claimed.SignatureAlgorithm, claimed.RawTBSCertificate, claimed.Signature) == nil {
			return r, nil
		}
	}
	return nil, errors.New("leads to a root that is not pinned")
}

// under is leads, remembered until the first of the certificates ends.
func under(m *remembered.Memory, root *x509.Certificate, at time.Time, certs ...*x509.Certificate) error {
	parts, span := [][]byte{root.Raw}, valid(root)
	for _, c := range certs {
		parts, span = append(parts, c.Raw), span.Within(valid(c))
	}
	_, err := remembered.Do(m, "dcap/under", at, parts, func() (bool, remembered.Span, error) {
		return true, span, leads(root, at, certs...)
	})
	return err
}

func valid(c *x509.Certificate) remembered.Span {
	return remembered.Span{From: c.NotBefore, Until: c.NotAfter}
}

// leads checks that certs, leaf first, were valid at a time and lead to root with nothing else between.
func leads(root *x509.Certificate, at time.Time, certs ...*x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	found, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		if len(f) == len(certs)+1 {
			return nil
		}
	}
	return errors.New("chain of another length")
}

// signs checks a signature r‖s over SHA-256 by a key on P-256.
func signs(key *ecdsa.PublicKey, msg, sig []byte) bool {
	if key == nil || key.Curve != elliptic.P256() || len(sig) != 64 {
		return false
	}
	digest := sha256.Sum256(msg)
	return ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

func certKey(c *x509.Certificate) *ecdsa.PublicKey {
	key, _ := c.PublicKey.(*ecdsa.PublicKey)
	return key
}

// rawKey reads x‖y, a point on P-256, or returns nil.
func rawKey(b []byte) *ecdsa.PublicKey {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, b...))
	if err != nil {
		return nil
	}
	return key
}
