package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/statement"
)

// ErrBadKey is returned for key material of the wrong size or form.
var ErrBadKey = errors.New("seal: malformed key")

// SigningKey is an Ed25519 private key. It has no text form and can't be compared.
type SigningKey struct {
	_    [0]func()
	priv ed25519.PrivateKey // nil where:
	seed []byte             // the seed lies in mem, and the rest is made for each signature
	mem  Memory
	pub  statement.PublicKey
}

// NewSigningKey makes a fresh key.
func NewSigningKey() (*SigningKey, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newSigningKey(priv), nil
}

// NewSigningKeyIn makes a fresh key whose seed lies in mem, until it is wiped. Signing takes twice as long.
func NewSigningKeyIn(mem Memory) (k *SigningKey, err error) {
	k = &SigningKey{mem: mem}
	if k.seed, err = take(mem, ed25519.SeedSize); err != nil {
		return nil, err
	}
	secretmode.Do(func() {
		if _, err = rand.Read(k.seed); err == nil {
			copy(k.pub[:], ed25519.NewKeyFromSeed(k.seed)[ed25519.SeedSize:])
		}
	})
	return k, err
}

// SigningKeyFromSeed restores a key from its 32-byte seed (RFC 8032, section 5.1.5).
func SigningKeyFromSeed(seed []byte) (*SigningKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, ErrBadKey
	}
	return newSigningKey(ed25519.NewKeyFromSeed(seed)), nil
}

func newSigningKey(priv ed25519.PrivateKey) *SigningKey {
	k := &SigningKey{priv: priv}
	copy(k.pub[:], priv.Public().(ed25519.PublicKey))
	return k
}

// SeedUnsafe returns the private seed, for a key store to keep.
func (k *SigningKey) SeedUnsafe() []byte {
	if k.priv == nil {
		return append([]byte{}, k.seed...)
	}
	return k.priv.Seed()
}

// Public is the verification key.
func (k *SigningKey) Public() statement.PublicKey { return k.pub }

// Sign signs msg.
func (k *SigningKey) Sign(msg []byte) ([]byte, error) {
	if k.priv != nil {
		return ed25519.Sign(k.priv, msg), nil
	}
	if k.seed == nil {
		return nil, ErrBadKey // wiped
	}
	sig := make([]byte, ed25519.SignatureSize) // outside: it is no secret
	secretmode.Do(func() { copy(sig, ed25519.Sign(ed25519.NewKeyFromSeed(k.seed), msg)) })
	return sig, nil
}

// Wipe overwrites the key, which signs nothing any more. Wiping twice is harmless.
func (k *SigningKey) Wipe() {
	clear(k.priv)
	if k.seed != nil && k.mem != nil {
		k.mem.Give(k.seed)
	}
	clear(k.seed)
	k.priv, k.seed = nil, nil
}

// Fingerprint names the key's party.
func (k *SigningKey) Fingerprint() statement.Fingerprint { return k.Public().Fingerprint() }

// Format prints no key, whatever the verb.
func (SigningKey) Format(s fmt.State, _ rune) { fmt.Fprint(s, "seal.SigningKey") }
