package keyring

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Format of the decrypted file, with its version.
const Format = "cordon-keyring/1"

// Errors of opening a keyring, for errors.Is.
var (
	ErrPassphrase = errors.New("keyring: passphrase is wrong")
	ErrFormat     = errors.New("keyring: file is damaged or of another version")
	ErrInToken    = errors.New("keyring: the signing key lies in a token")
	ErrNoKEK      = errors.New("keyring: no key encryption key in it")
)

const (
	maxFile       = 1 << 20
	maxKEKs       = 1024
	maxWorkFactor = 22
	// humanWorkFactor is age's own for passphrases that people choose: about a second.
	humanWorkFactor = 18
	// randomWorkFactor is for generated passphrases of 160 bits, which stretching can't make harder to guess.
	randomWorkFactor = 10
)

// contents is the decrypted file: docs/spec/keyring.md, section 3.
type contents struct {
	Format string      `json:"format"`
	Name   string      `json:"name"`
	Seed   []byte      `json:"seed,omitempty"` // absent: TokenKey
	Box    []byte      `json:"box"`
	KEKs   []storedKEK `json:"keks"`
	// Certificate is the envelope of a certificate of the seed's key; without one, that key is the party's root.
	Certificate []byte `json:"certificate,omitempty"`
	// TokenKey is the public key of a signing key that lies in a token, in place of a seed.
	TokenKey string `json:"token_key,omitempty"`
}

type storedKEK struct {
	ID  string `json:"id"`
	Key []byte `json:"key"`
}

// Encrypt is the keyring's file under the passphrase.
func (k *Keyring) Encrypt(p Passphrase) ([]byte, error) {
	plain, err := k.encode()
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return encrypt(plain, p)
}

func encrypt(plain []byte, p Passphrase) ([]byte, error) {
	r, err := age.NewScryptRecipient(string(p.text))
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(p.workFactor())
	return EncryptTo(plain, r)
}

// EncryptTo is an age file of these bytes.
func EncryptTo(plain []byte, to age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (k *Keyring) encode() ([]byte, error) {
	box, err := k.box.BytesUnsafe()
	if err != nil {
		return nil, err
	}
	c := contents{Format: Format, Name: k.name, Box: box}
	if k.InToken() {
		c.TokenKey = k.signer.Public().String()
	} else {
		c.Seed = k.sign.SeedUnsafe()
	}
	if cert := statement.CertificateOf(k.signer); cert != nil {
		c.Certificate = cert.Envelope().Bytes()
	}
	for _, e := range k.keks {
		c.KEKs = append(c.KEKs, storedKEK{ID: hex.EncodeToString(e.id[:]), Key: e.key.BytesUnsafe()})
	}
	return statement.Marshal(c)
}

// Decrypt opens a keyring's file.
func Decrypt(file []byte, p Passphrase) (*Keyring, error) {
	plain, err := decrypt(file, p)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return decode(plain)
}

func decrypt(file []byte, p Passphrase) ([]byte, error) {
	if len(file) > maxFile {
		return nil, broken(errors.New("too large"))
	}
	id, err := age.NewScryptIdentity(string(p.text))
	if err != nil {
		return nil, wrongPassphrase()
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(file), id)
	if noMatch := new(age.NoIdentityMatchError); errors.As(err, &noMatch) {
		return nil, wrongPassphrase()
	}
	if err != nil {
		return nil, broken(errors.New("not an age file"))
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, broken(errors.New("cut short or changed"))
	}
	return plain, nil
}

func wrongPassphrase() error {
	return fault.New(fault.NoKey, "the keyring does not open", "check the passphrase; without it the keys are lost", ErrPassphrase)
}

func broken(err error) error {
	return fault.New(fault.Input, "the keyring can't be read", "restore keyring.age from a backup", fmt.Errorf("%w: %w", ErrFormat, err))
}

// decode reads the decrypted file. What it accepts, encode gives back byte for byte.
func decode(plain []byte) (*Keyring, error) {
	var c contents
	if err := statement.Unmarshal(plain, &c); err != nil {
		return nil, broken(errors.New("contents are not strictly encoded"))
	}
	if c.Format != Format {
		return nil, broken(errors.New("another version of the format"))
	}
	if !statement.ValidName(c.Name) {
		return nil, broken(errors.New("name"))
	}
	sign, signer, err := decodeSigner(&c)
	if err != nil {
		return nil, err
	}
	box, err := seal.BoxKeyFromBytes(c.Box)
	if err != nil {
		return nil, broken(errors.New("box key"))
	}
	keks, err := decodeKEKs(c.KEKs)
	if err != nil {
		return nil, err
	}
	return &Keyring{name: c.Name, sign: sign, signer: signer, box: box, keks: keks}, nil
}

// decodeSigner is the signing key with its certificate, which must be for it. One in a token has no seed and must have a certificate.
func decodeSigner(c *contents) (*seal.SigningKey, statement.Signer, error) {
	if c.TokenKey != "" {
		public, err := statement.ParsePublicKey(c.TokenKey)
		if err != nil || len(c.Seed) > 0 || len(c.Certificate) == 0 {
			return nil, nil, broken(errors.New("signing key in a token"))
		}
		signer, err := certifiedBy(absent{public}, c.Certificate)
		return nil, signer, err
	}
	sign, err := seal.SigningKeyFromSeed(c.Seed)
	if err != nil {
		return nil, nil, broken(errors.New("signing key"))
	}
	signer, err := certifiedBy(sign, c.Certificate)
	return sign, signer, err
}

func certifiedBy(k statement.Signer, certificate []byte) (statement.Signer, error) {
	if len(certificate) == 0 {
		return k, nil
	}
	e, err := statement.ParseEnvelope(certificate)
	if err != nil {
		return nil, broken(errors.New("certificate"))
	}
	signer, err := statement.Certified(k, e)
	if err != nil {
		return nil, broken(errors.New("certificate"))
	}
	return signer, nil
}

func decodeKEKs(stored []storedKEK) ([]kek, error) {
	if len(stored) == 0 {
		return nil, fault.New(fault.NoKey, "the keyring opens no data set", "restore keyring.age from a backup", ErrNoKEK)
	}
	if len(stored) > maxKEKs {
		return nil, broken(errors.New("too many KEKs"))
	}
	var out []kek
	seen := map[kekID]bool{}
	for _, s := range stored {
		id, err := hex.DecodeString(s.ID)
		if err != nil || len(id) != kekIDSize || hex.EncodeToString(id) != s.ID || seen[kekID(id)] {
			return nil, broken(errors.New("id of a KEK"))
		}
		key, err := seal.DataKeyFromBytes(s.Key)
		if err != nil {
			return nil, broken(errors.New("KEK"))
		}
		seen[kekID(id)] = true
		out = append(out, kek{id: kekID(id), key: key})
	}
	return out, nil
}

// ExportUnsafe is the decrypted file: all private keys of the party. It is for a backup that encrypts it at once.
func (k *Keyring) ExportUnsafe() ([]byte, error) { return k.encode() }

// Import reads what ExportUnsafe gave.
func Import(plain []byte) (*Keyring, error) {
	if len(plain) > maxFile {
		return nil, broken(errors.New("too large"))
	}
	return decode(plain)
}
