package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/statement"
)

// ErrBadKey is returned for key material of the wrong size or form.
var ErrBadKey = errors.New("seal: malformed key")

// SigningKey is an Ed25519 private key. It has no text form and can't be compared.
type SigningKey struct {
	_    [0]func()
	priv ed25519.PrivateKey
}

// NewSigningKey makes a fresh key.
func NewSigningKey() (*SigningKey, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &SigningKey{priv: priv}, nil
}

// SigningKeyFromSeed restores a key from its 32-byte seed (RFC 8032, section 5.1.5).
func SigningKeyFromSeed(seed []byte) (*SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, ErrBadKey
	}
	return &SigningKey{priv: ed25519.NewKeyFromSeed(seed)}, nil
}

// SeedUnsafe returns the private seed, for a key store to keep.
func (k *SigningKey) SeedUnsafe() []byte { return k.priv.Seed() }

// Public is the verification key.
func (k *SigningKey) Public() statement.PublicKey {
	var p statement.PublicKey
	copy(p[:], k.priv.Public().(ed25519.PublicKey))
	return p
}

// Sign signs msg.
func (k *SigningKey) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(k.priv, msg), nil }

// Fingerprint names the key's party.
func (k *SigningKey) Fingerprint() statement.Fingerprint { return k.Public().Fingerprint() }

// Format prints no key, whatever the verb.
func (SigningKey) Format(s fmt.State, _ rune) { fmt.Fprint(s, "seal.SigningKey") }
