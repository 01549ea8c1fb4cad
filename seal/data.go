package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"github.com/cordon-exchange/cordon/statement"
)

// DataKeySize is the length of every column, footer, version and result key, in bytes.
const DataKeySize = 32

// DataKey encrypts data or wraps other keys. It has no text form and can't be compared.
type DataKey struct {
	_ [0]func()
	b [DataKeySize]byte
}

// NewDataKey makes a fresh key.
func NewDataKey() (*DataKey, error) {
	k := &DataKey{}
	_, err := rand.Read(k.b[:])
	return k, err
}

// DataKeyFromBytes copies a key.
func DataKeyFromBytes(b []byte) (*DataKey, error) {
	if len(b) != DataKeySize {
		return nil, ErrBadKey
	}
	k := &DataKey{}
	copy(k.b[:], b)
	return k, nil
}

// BytesUnsafe returns a copy of the key.
func (k *DataKey) BytesUnsafe() []byte { return append([]byte{}, k.b[:]...) }

// Wipe overwrites the key. The garbage collector may have left copies: what
// really ends them is the end of the process.
func (k *DataKey) Wipe() { clear(k.b[:]) }

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
		[]byte(n.Owner), []byte(n.Dataset), []byte(n.Version), []byte(n.Key), k.b[:])
}

// Committed reports whether k is the key that commit is about.
func Committed(n KeyName, k *DataKey, commit statement.Digest) bool {
	return subtle.ConstantTimeCompare([]byte(Commit(n, k)), []byte(commit)) == 1
}

// Wrap encrypts key under k, bound to its name: AES-256-GCM, nonce ‖ ciphertext.
func (k *DataKey) Wrap(n KeyName, key *DataKey) ([]byte, error) {
	return k.Encrypt(n.WrappingContext(), key.b[:])
}

// Unwrap opens what Wrap made for the same name.
func (k *DataKey) Unwrap(n KeyName, wrapped []byte) (*DataKey, error) {
	b, err := k.Decrypt(n.WrappingContext(), wrapped)
	if err != nil {
		return nil, err
	}
	return DataKeyFromBytes(b)
}

// Encrypt (docs/spec/sealing.md, section 3) is AES-256-GCM with a random nonce in front (NIST SP 800-38D, section
// 8.2.2). A key must encrypt fewer than 2^32 texts.
func (k *DataKey) Encrypt(aad, plaintext []byte) ([]byte, error) {
	g, err := k.gcm()
	if err != nil {
		return nil, err
	}
	return g.Seal(nil, nil, plaintext, aad), nil
}

// Decrypt opens what Encrypt made with the same additional data.
func (k *DataKey) Decrypt(aad, ciphertext []byte) ([]byte, error) {
	g, err := k.gcm()
	if err != nil {
		return nil, err
	}
	out, err := g.Open(nil, nil, ciphertext, aad)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

func (k *DataKey) gcm() (cipher.AEAD, error) {
	b, err := aes.NewCipher(k.b[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(b)
}

// ResultAAD binds an encrypted result to its job.
func ResultAAD(job statement.Digest) []byte {
	return statement.Frame("cordon/result/v1", []byte(job))
}
