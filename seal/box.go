package seal

import (
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/statement"
)

// The one HPKE suite (RFC 9180; draft-ietf-hpke-pq): MLKEM768-X25519,
// HKDF-SHA256, AES-256-GCM, base mode. Sealed text is enc ‖ ciphertext.
var (
	kem  = hpke.MLKEM768X25519
	kdf  = hpke.HKDFSHA256
	aead = hpke.AES256GCM
)

// ErrOpen is returned for everything that does not open: wrong key, wrong
// context, changed or short ciphertext. Which one it was is not said.
var ErrOpen = errors.New("seal: does not open")

// BoxKey is a private key that others seal to.
type BoxKey struct {
	_    [0]func()
	priv hpke.PrivateKey // nil where:
	seed []byte          // the seed lies in mem, and the rest is made for each opening
	mem  Memory
	pub  []byte
}

// boxSeedSize is the length of what a private key is made from (draft-ietf-hpke-pq, MLKEM768-X25519).
const boxSeedSize = 32

// NewBoxKey makes a fresh key.
func NewBoxKey() (*BoxKey, error) {
	k, err := kem().GenerateKey()
	if err != nil {
		return nil, err
	}
	return &BoxKey{priv: k, pub: k.PublicKey().Bytes()}, nil
}

// NewBoxKeyIn makes a fresh key whose seed lies in mem, until it is wiped. Opening takes a third longer.
func NewBoxKeyIn(mem Memory) (k *BoxKey, err error) {
	k = &BoxKey{mem: mem}
	if k.seed, err = take(mem, boxSeedSize); err != nil {
		return nil, err
	}
	var pub []byte
	secretmode.Do(func() {
		if _, err = rand.Read(k.seed); err != nil {
			return
		}
		var priv hpke.PrivateKey
		if priv, err = kem().NewPrivateKey(k.seed); err == nil {
			pub = priv.PublicKey().Bytes()
		}
	})
	k.pub = append([]byte{}, pub...)
	return k, err
}

// BoxKeyFromBytes restores a key from what BytesUnsafe gave.
func BoxKeyFromBytes(b []byte) (*BoxKey, error) {
	k, err := kem().NewPrivateKey(b)
	if err != nil {
		return nil, ErrBadKey
	}
	return &BoxKey{priv: k, pub: k.PublicKey().Bytes()}, nil
}

// BytesUnsafe returns the private key, for a key store to keep.
func (k *BoxKey) BytesUnsafe() ([]byte, error) {
	if k.priv == nil {
		return append([]byte{}, k.seed...), nil
	}
	return k.priv.Bytes()
}

// Public is the key that others seal to, as it stands in statements.
func (k *BoxKey) Public() []byte { return append([]byte{}, k.pub...) }

// Wipe overwrites the key, which opens nothing any more. Wiping twice is harmless.
func (k *BoxKey) Wipe() {
	if k.seed != nil && k.mem != nil {
		k.mem.Give(k.seed)
	}
	clear(k.seed)
	k.priv, k.seed = nil, nil
}

// private is the key as package hpke has it. The caller runs in secret mode, where one is made here.
func (k *BoxKey) private() (hpke.PrivateKey, error) {
	if k.priv != nil {
		return k.priv, nil
	}
	return kem().NewPrivateKey(k.seed)
}

// Format prints no key, whatever the verb.
func (BoxKey) Format(s fmt.State, _ rune) { fmt.Fprint(s, "seal.BoxKey") }

// Context says what a sealed text is for. It is authenticated, not encrypted: a
// text sealed for one purpose, job or reader opens for no other.
type Context struct {
	Purpose string                // required, versioned: one of the Purpose constants
	Job     statement.Digest      // the job, where there is one
	To      statement.Fingerprint // the reader, where it is a party
	From    statement.Fingerprint // the writer, where it is a party
}

// Purposes of sealed texts. Those of version 2 are for texts of a conversation (Line); the others are for texts alone.
const (
	PurposeJobBody = "cordon/seal/job-body/v1"
	PurposeHello   = "cordon/seal/hello/v2"
	PurposeQuote   = "cordon/seal/quote/v2"
	PurposeReceipt = "cordon/seal/receipt/v1"
	PurposeReply   = "cordon/seal/reply/v2"
	PurposeKeys    = "cordon/seal/keys/v2"
	PurposeResult  = "cordon/seal/result-key/v1"
	PurposeNotice  = "cordon/seal/notice/v1"
)

// Spoken reports whether the text is one of a conversation.
func (c Context) Spoken() bool {
	switch c.Purpose {
	case PurposeHello, PurposeQuote, PurposeReply, PurposeKeys:
		return true
	}
	return false
}

func (c Context) info() ([]byte, error) {
	if c.Purpose == "" {
		return nil, fmt.Errorf("%w: no purpose", ErrBadKey)
	}
	return statement.Frame(c.Purpose, []byte(c.Job), []byte(c.To), []byte(c.From)), nil
}

// To seals plaintext to a public key, from a verified party or session (docs/spec/sealing.md, section 2). A text of a conversation is
// sealed as the only one of its line.
func To(public []byte, c Context, plaintext []byte) ([]byte, error) {
	if c.Spoken() {
		l, err := NewLine(public)
		if err != nil {
			return nil, err
		}
		return l.Seal(c, plaintext)
	}
	info, err := c.info()
	if err != nil {
		return nil, err
	}
	pk, err := kem().NewPublicKey(public)
	if err != nil {
		return nil, ErrBadKey
	}
	return hpke.Seal(pk, kdf(), aead(), info, plaintext)
}

// Open opens what To, or a Line, sealed for the same context.
func (k *BoxKey) Open(c Context, sealed []byte) (out []byte, err error) {
	if c.Spoken() {
		secretmode.Do(func() {
			var l *Listener
			if l, err = k.Listen(sealed); err == nil {
				out, err = l.Open(c, sealed)
			}
		})
		return out, err
	}
	info, err := c.info()
	if err != nil {
		return nil, err
	}
	secretmode.Do(func() {
		var priv hpke.PrivateKey
		if priv, err = k.private(); err == nil {
			out, err = hpke.Open(priv, kdf(), aead(), info, sealed)
		}
	})
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}
