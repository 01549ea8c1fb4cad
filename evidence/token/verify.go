package token

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cordon-exchange/cordon/evidence/stage"
)

// Limits, in bytes where nothing else is said.
const (
	MaxToken        = 32 << 10
	MaxKeySet       = 64 << 10
	MaxKeys         = 32 // keys in a set
	MaxCertificates = 4  // in a token
)

// Issuer of Confidential Space's tokens.
const Issuer = "https://confidentialcomputing.googleapis.com"

// ErrOptions says that what a token must be judged by is missing.
var ErrOptions = errors.New("token: options incomplete")

// Options say under whose word, when and for whom a token is judged.
type Options struct {
	Keys     Keys              // for tokens without certificates; these or Root is required
	Root     *x509.Certificate // for tokens with certificates (x5c)
	At       time.Time         // required
	Issuer   string            // required
	Audience string            // required
	Nonce    string            // required, unless AnyNonce
	// AnyNonce accepts tokens whoever they were asked for by: one that was shown elsewhere can be shown again until it expires.
	AnyNonce bool
	// AllowDebug accepts debug images, into which the operator of the project can log in.
	AllowDebug bool
	Trail      *stage.Trail // notes what was proved; default: nobody asks
}

func (o Options) valid() bool {
	return (len(o.Keys.byID) > 0 || o.Root != nil) && !o.At.IsZero() && o.Issuer != "" && o.Audience != "" && (o.Nonce != "") != o.AnyNonce
}

// Claims are what the bytes of a token say. Nothing of them is proved. Their JSON is the token's own.
type Claims struct {
	Issuer, Subject, Audience   string
	IssuedAt, NotBefore, Expiry time.Time
	Nonces                      []string
	HardwareModel               string // GCP_AMD_SEV, GCP_INTEL_TDX, …
	Software                    string // CONFIDENTIAL_SPACE
	SoftwareVersions            []string
	SecureBoot                  bool
	DebugStatus                 string
	Debug                       bool
	ImageDigest                 string // of the workload's container
	ImageReference              string
	ServiceAccounts             []string

	claims []byte
}

// Verified is what a genuine token says. Only Verify makes one. Its JSON is the token's claims.
type Verified struct {
	Claims
	checked bool
}

// MarshalJSON returns the claims as they were signed.
func (v *Claims) MarshalJSON() ([]byte, error) { return v.claims, nil }

// Parse reads a token. It proves nothing.
func Parse(raw []byte) (*Claims, error) {
	_, payload, _, err := split(raw)
	if err != nil {
		return nil, err
	}
	v, err := read(payload)
	if err != nil {
		return nil, err
	}
	return &v.Claims, nil
}

// Verify checks that a token is genuine, current and made for its reader (docs/spec/evidence-kinds.md, section 4).
func Verify(raw []byte, o Options) (*Verified, error) {
	if !o.valid() {
		return nil, ErrOptions
	}
	head, payload, sig, err := split(raw)
	if err != nil {
		return nil, err
	}
	key, err := signer(head, o)
	if err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.Alg, "RS256")
	o.noteSigner(head)
	sum := sha256.Sum256(raw[:bytes.LastIndexByte(raw, '.')])
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig) != nil {
		return nil, fmt.Errorf("%w: not by the named key", stage.Signature)
	}
	o.Trail.Pass(stage.Signature, "that key signed the token")
	v, err := read(payload)
	if err != nil {
		return nil, err
	}
	o.Trail.Pass(stage.Parse, "three parts, each claim once")
	switch {
	case v.Issuer != o.Issuer:
		return nil, fmt.Errorf("%w: from another issuer", stage.Audience)
	case v.Audience != o.Audience:
		return nil, fmt.Errorf("%w: for another audience", stage.Audience)
	case o.At.Before(v.NotBefore) || o.At.Before(v.IssuedAt) || !o.At.Before(v.Expiry):
		return nil, fmt.Errorf("%w: valid from %s to %s", stage.Expired, v.NotBefore.Format(time.RFC3339), v.Expiry.Format(time.RFC3339))
	case !o.AnyNonce && !slices.Contains(v.Nonces, o.Nonce):
		return nil, fmt.Errorf("%w: made for another request", stage.Nonce)
	case v.Debug && !o.AllowDebug:
		return nil, fmt.Errorf("%w: dbgstat is %q", stage.Debug, v.DebugStatus)
	}
	o.note(v)
	v.checked = true
	return v, nil
}

// noteSigner says under whose word the key stands.
func (o Options) noteSigner(head object) {
	if _, ok := head["x5c"]; ok && o.Root != nil {
		o.Trail.Pass(stage.Chain, "the token's certificates lead to %s", o.Root.Subject.CommonName)
		return
	}
	o.Trail.Pass(stage.KID, "the key set that was given has the key it names")
}

// note says what the claims were held against.
func (o Options) note(v *Verified) {
	o.Trail.Pass(stage.Audience, "from %s, for %s", v.Issuer, v.Audience)
	o.Trail.Pass(stage.Expired, "valid from %s to %s", v.NotBefore.Format(time.RFC3339), v.Expiry.Format(time.RFC3339))
	if !o.AnyNonce {
		o.Trail.Pass(stage.Nonce, "made for this request")
	}
	said := "the image keeps its operator out: dbgstat is " + v.DebugStatus
	if v.Debug {
		said = "DEBUG, allowed by name: the project's operator can log in"
	}
	o.Trail.Pass(stage.Debug, "%s", said)
}

// split reads the three parts of a token in compact form (RFC 7515, section 7.1).
func split(raw []byte) (head object, payload, sig []byte, err error) {
	if len(raw) > MaxToken {
		return nil, nil, nil, fmt.Errorf("%w: token of %d bytes", stage.Parse, len(raw))
	}
	parts := bytes.Split(raw, []byte("."))
	if len(parts) != 3 || bytes.ContainsAny(raw, "\r\n") { // which the decoder would skip
		return nil, nil, nil, fmt.Errorf("%w: not three parts", stage.Parse)
	}
	var out [3][]byte
	for i, p := range parts {
		if out[i], err = base64.RawURLEncoding.Strict().AppendDecode(nil, p); err != nil {
			return nil, nil, nil, fmt.Errorf("%w: part %d", stage.Parse, i)
		}
	}
	head, err = parseObject(out[0])
	return head, out[1], out[2], err
}

// signer finds the key that the header names. Only RS256 is read; a header may not bring a key, or a place to get one.
func signer(head object, o Options) (*rsa.PublicKey, error) {
	if alg, err := head.text("alg"); err != nil || alg != "RS256" {
		return nil, fmt.Errorf("%w: not RS256", stage.Alg)
	}
	for name := range head {
		if !slices.Contains([]string{"alg", "kid", "typ", "x5c"}, name) {
			return nil, fmt.Errorf("%w: header %q", stage.Parse, name)
		}
	}
	if typ, err := head.text("typ"); err != nil || typ != "" && typ != "JWT" {
		return nil, fmt.Errorf("%w: not a JWT", stage.Parse)
	}
	kid, err := head.text("kid")
	if err != nil {
		return nil, err
	}
	x5c, err := head.texts("x5c")
	if err != nil {
		return nil, err
	}
	if x5c != nil && o.Root != nil || len(o.Keys.byID) == 0 {
		return chain(x5c, o.Root, o.At)
	}
	key := o.Keys.byID[kid]
	if key == nil {
		return nil, fmt.Errorf("%w: no key of this name", stage.KID)
	}
	return key, nil
}
