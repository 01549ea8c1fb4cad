package token

import (
	"crypto/rsa"
	"crypto/x509"
	_ "embed" // the root of Google
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/cordon-exchange/cordon/evidence/anchor"
	"github.com/cordon-exchange/cordon/evidence/stage"
)

//go:embed roots/gcp-confidential-space-root.pem
var root []byte

// Google returns the root certificate of Confidential Space's PKI tokens.
func Google() (*x509.Certificate, error) { return ParseRoot(root) }

// ParseRoot reads one self-signed certificate in PEM.
func ParseRoot(src []byte) (*x509.Certificate, error) { return anchor.Parse(src) }

// Keys are public keys by their name. The zero value has none.
type Keys struct{ byID map[string]*rsa.PublicKey }

// ParseKeys reads a JSON Web Key Set (RFC 7517) of RSA keys that sign with RS256.
func ParseKeys(src []byte) (Keys, error) {
	if len(src) > MaxKeySet {
		return Keys{}, fmt.Errorf("%w: key set of %d bytes", stage.Parse, len(src))
	}
	set, err := parseObject(src)
	if err != nil {
		return Keys{}, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(set["keys"], &list); err != nil || len(list) > MaxKeys {
		return Keys{}, fmt.Errorf("%w: no list of keys, or too many", stage.Parse)
	}
	out := Keys{byID: map[string]*rsa.PublicKey{}}
	for _, raw := range list {
		id, key, err := parseKey(raw)
		if err != nil {
			return Keys{}, err
		}
		if key == nil {
			continue
		}
		if out.byID[id] != nil {
			return Keys{}, fmt.Errorf("%w: two keys of one name", stage.Parse)
		}
		out.byID[id] = key
	}
	if len(out.byID) == 0 {
		return Keys{}, fmt.Errorf("%w: key set of no key for RS256", stage.Parse)
	}
	return out, nil
}

// parseKey reads one key. One that is not for RS256 is none, as RFC 7517, section 5 advises: a set may gain others.
func parseKey(raw []byte) (string, *rsa.PublicKey, error) {
	o, err := parseObject(raw)
	if err != nil {
		return "", nil, err
	}
	get := map[string]string{}
	for _, name := range []string{"kty", "alg", "use", "kid", "n", "e"} {
		if get[name], err = o.text(name); err != nil {
			return "", nil, err
		}
	}
	if get["kty"] != "RSA" || get["alg"] != "" && get["alg"] != "RS256" || get["use"] != "" && get["use"] != "sig" {
		return "", nil, nil
	}
	n, errN := base64.RawURLEncoding.Strict().DecodeString(get["n"])
	switch {
	case get["kid"] == "":
		return "", nil, fmt.Errorf("%w: key without a name", stage.Parse)
	case errN != nil || get["e"] != "AQAB":
		return "", nil, fmt.Errorf("%w: numbers of a key", stage.Parse)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
	if !strong(key) {
		return "", nil, fmt.Errorf("%w: key of %d bits", stage.Parse, key.N.BitLen())
	}
	return get["kid"], key, nil
}

// strong bounds what a signature may cost and how weak its key may be.
func strong(k *rsa.PublicKey) bool {
	return k.N.BitLen() >= 2048 && k.N.BitLen() <= 4096 && k.N.Bit(0) == 1
}

// chain returns the key of the certificate that a token brings first, which must lead to the given root.
func chain(x5c []string, root *x509.Certificate, at time.Time) (*rsa.PublicKey, error) {
	if len(x5c) == 0 || len(x5c) > MaxCertificates || root == nil {
		return nil, fmt.Errorf("%w: no certificates, or too many", stage.Chain)
	}
	certs := make([]*x509.Certificate, len(x5c))
	for i, s := range x5c {
		der, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, fmt.Errorf("%w: x5c", stage.Parse)
		}
		if certs[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("%w: x5c", stage.Chain)
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, c := range certs[1:] { // a root among them is no root here
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return nil, fmt.Errorf("%w: %w: the token's certificates are not valid at the time", stage.Chain, stage.Expired)
	case err != nil:
		return nil, fmt.Errorf("%w: the signing key does not lead to the root", stage.Chain)
	}
	key, ok := certs[0].PublicKey.(*rsa.PublicKey)
	if !ok || !strong(key) {
		return nil, fmt.Errorf("%w: the certified key is not for RS256", stage.Chain)
	}
	return key, nil
}
