package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/secretmode"
	"github.com/cordon-exchange/cordon/statement"
)

// DataKeySize is the length of every column, footer, version and result key, in bytes.
const DataKeySize = 32

// DataKey encrypts data or wraps other keys. It has no text form and can't be compared.
type DataKey struct {
	_   [0]func()
	b   []byte
	mem Memory // that lent b; nil: the heap
}

// NewDataKey makes a fresh key.
func NewDataKey() (*DataKey, error) { return NewDataKeyIn(nil) }

// NewDataKeyIn makes a fresh key that lies in mem, until it is wiped.
func NewDataKeyIn(mem Memory) (*DataKey, error) {
	k := &DataKey{mem: mem}
	var err error
	if k.b, err = take(mem, DataKeySize); err != nil {
		return nil, err
	}
	_, err = rand.Read(k.b)
	return k, err
}

// DataKeyFromBytes copies a key.
func DataKeyFromBytes(b []byte) (*DataKey, error) { return DataKeyFromBytesIn(nil, b) }

// DataKeyFromBytesIn copies a key into mem, where it lies until it is wiped.
func DataKeyFromBytesIn(mem Memory, b []byte) (*DataKey, error) {
	if len(b) != DataKeySize {
		return nil, ErrBadKey
	}
	room, err := take(mem, DataKeySize)
	if err != nil {
		return nil, err
	}
	copy(room, b)
	return &DataKey{b: room, mem: mem}, nil
}

// BytesUnsafe returns a copy of the key.
func (k *DataKey) BytesUnsafe() []byte { return append([]byte{}, k.b...) }

// LendUnsafe returns the key's own bytes, which the caller must neither keep nor change.
func (k *DataKey) LendUnsafe() []byte { return k.b }

// Wipe overwrites the key, which is all zeroes from then on. Copies that the language or a cipher made of it are not found by
// this: see docs/spec/perimeter-process.md, section 8. Wiping twice is harmless.
func (k *DataKey) Wipe() {
	clear(k.b)
	if k.mem != nil {
		k.mem.Give(k.b)
		k.b, k.mem = make([]byte, DataKeySize), nil
	}
}

// Format prints no key, whatever the verb.
func (DataKey) Format(s fmt.State, _ rune) { fmt.Fprint(s, "seal.DataKey") }

// KeyName says which key of which data set version a key is. It is the context
// of the key's wrapping and part of its commitment.
type KeyName struct {
	Owner   statement.Fingerprint
	Dataset string
	Version string
	Key     string // a column, or statement.FooterKey, or VersionKey
}

// WrappingContext is the additional data under which the key of that name is wrapped (docs/spec/sealing.md, section 3), for
// those who wrap it elsewhere: in a token.
func (n KeyName) WrappingContext() []byte { return n.frame("cordon/wrapped-key/v1") }

// VersionKey names the key that wraps the others of a version.
const VersionKey = "-version"

func (n KeyName) frame(label string) []byte {
	return statement.Frame(label, []byte(n.Owner), []byte(n.Dataset), []byte(n.Version), []byte(n.Key))
}

// Commit binds its author to k as the key named n. AES-GCM does not commit to its
// key (Grubbs, Lu, Ristenpart 2017): without this, an owner or a host could make
// one ciphertext open to two plaintexts. The key is uniform, so it needs no salt
// (docs/spec/sealing.md, section 4).
func Commit(n KeyName, k *DataKey) statement.Digest {
	return statement.LabelledSum("cordon/key-commitment/v1",
		[]byte(n.Owner), []byte(n.Dataset), []byte(n.Version), []byte(n.Key), k.b)
}

// Committed reports whether k is the key that commit is about.
func Committed(n KeyName, k *DataKey, commit statement.Digest) bool {
	return subtle.ConstantTimeCompare([]byte(Commit(n, k)), []byte(commit)) == 1
}

// Wrap encrypts key under k, bound to its name: AES-256-GCM, nonce ‖ ciphertext.
func (k *DataKey) Wrap(n KeyName, key *DataKey) ([]byte, error) {
	return k.Encrypt(n.WrappingContext(), key.b)
}

// Unwrap opens what Wrap made for the same name.
func (k *DataKey) Unwrap(n KeyName, wrapped []byte) (*DataKey, error) {
	b, err := k.Decrypt(n.WrappingContext(), wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	return DataKeyFromBytes(b)
}

// Encrypt (docs/spec/sealing.md, section 3) is AES-256-GCM with a random nonce in front (NIST SP 800-38D, section
// 8.2.2). A key must encrypt fewer than 2^32 texts.
func (k *DataKey) Encrypt(aad, plaintext []byte) (out []byte, err error) {
	room := make([]byte, 0, len(plaintext)+overhead) // outside: ciphertext is no secret
	secretmode.Do(func() {
		var g cipher.AEAD
		if g, err = k.gcm(); err == nil {
			out = g.Seal(room, nil, plaintext, aad)
		}
	})
	return out, err
}

// overhead of an encrypted text: nonce and tag.
const overhead = 12 + 16

// Decrypt opens what Encrypt made with the same additional data.
func (k *DataKey) Decrypt(aad, ciphertext []byte) (out []byte, err error) {
	room := make([]byte, 0, len(ciphertext))
	secretmode.Do(func() {
		var g cipher.AEAD
		if g, err = k.gcm(); err != nil {
			return
		}
		if out, err = g.Open(room, nil, ciphertext, aad); err != nil {
			out, err = nil, ErrOpen
		}
	})
	return out, err
}

func (k *DataKey) gcm() (cipher.AEAD, error) {
	b, err := aes.NewCipher(k.b)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(b)
}

// ResultAAD binds an encrypted result to its job.
func ResultAAD(job statement.Digest) []byte {
	return statement.Frame("cordon/result/v1", []byte(job))
}
