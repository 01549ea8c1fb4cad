package keyring

import (
	"errors"
	"os"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// KeyFile is one signing key in a file of its own, which a passphrase protects as it does a keyring: a party's root key, or an
// officer's (docs/spec/keyring.md, section 8).
type KeyFile struct {
	use  string
	name string
	key  *seal.SigningKey
}

// What a key file is for. One is not taken for the other.
const (
	UseRoot    = "root"    // certifies and revokes online keys
	UseOfficer = "officer" // approves
)

// keyFileFormat of the decrypted file, with its version.
const keyFileFormat = "cordon-key-file/1"

type keyFileContents struct {
	Format string `json:"format"`
	Use    string `json:"use"`
	Name   string `json:"name"`
	Seed   []byte `json:"seed"`
}

// NewKeyFile makes a fresh key.
func NewKeyFile(use, name string) (*KeyFile, error) {
	if !statement.ValidName(name) || use != UseRoot && use != UseOfficer {
		return nil, fault.New(fault.Usage, "not a name: "+name, "give lower-case letters, digits and _, at most 32", nil)
	}
	k, err := seal.NewSigningKey()
	return &KeyFile{use: use, name: name, key: k}, err
}

// Name of the party or officer.
func (k *KeyFile) Name() string { return k.name }

// Signer signs with the key.
func (k *KeyFile) Signer() statement.Signer { return k.key }

// Fingerprint of the key: of a root key, the party's.
func (k *KeyFile) Fingerprint() statement.Fingerprint { return k.key.Fingerprint() }

// Write encrypts the key under the passphrase into a new file. A file that exists is never overwritten.
func (k *KeyFile) Write(path string, p Passphrase) error {
	plain, err := statement.Marshal(keyFileContents{Format: keyFileFormat, Use: k.use, Name: k.name, Seed: k.key.SeedUnsafe()})
	if err != nil {
		return err
	}
	defer clear(plain)
	file, err := encrypt(plain, p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the key file", "name a file that does not exist yet, in a folder that does", err)
	}
	_, err = f.Write(file)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fault.New(fault.LocalStorage, "can't write the key file", "check free space", err)
	}
	return nil
}

// ReadKeyFile opens a key file that must be for this use.
func ReadKeyFile(path, use string, p Passphrase) (*KeyFile, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NoKey, "can't read the key file", "check its name, and that its medium is there", err)
	}
	plain, err := decrypt(src, p)
	if errors.Is(err, ErrPassphrase) {
		return nil, fault.New(fault.NoKey, "the key file does not open", "check its passphrase: it is not the keyring's", ErrPassphrase)
	}
	if err != nil {
		return nil, notKeyFile(use)
	}
	defer clear(plain)
	return decodeKeyFile(plain, use)
}

func decodeKeyFile(plain []byte, use string) (*KeyFile, error) {
	var c keyFileContents
	if err := statement.Unmarshal(plain, &c); err != nil {
		return nil, notKeyFile(use)
	}
	key, err := seal.SigningKeyFromSeed(c.Seed)
	if err != nil || c.Format != keyFileFormat || c.Use != use || !statement.ValidName(c.Name) {
		return nil, notKeyFile(use)
	}
	return &KeyFile{use: c.Use, name: c.Name, key: key}, nil
}

func notKeyFile(use string) error {
	return fault.New(fault.Input, "this is no file of an "+use+" key", "check its name, or take a copy", ErrFormat)
}

// Terms of a certificate.
type Terms struct {
	Purposes []string  // default: all
	From     time.Time // required: statements older than this are not covered
	Until    time.Time // required
	serial   int64     // of the certificate before
}

// Certify signs a certificate of an online key that is at hand, wherever its private half is.
func (k *KeyFile) Certify(online statement.Signer, t Terms) (*statement.Envelope, error) {
	proof, err := online.Sign(statement.CertificateProof(k.Fingerprint()))
	if err != nil {
		return nil, err
	}
	return k.certificate(statement.Certificate{
		Party: k.Fingerprint(), Key: online.Public().String(), Purposes: t.Purposes, Serial: t.serial + 1,
		FromMS: t.From.UnixMilli(), UntilMS: t.Until.UnixMilli(), Proof: proof,
	})
}

func (k *KeyFile) certificate(c statement.Certificate) (*statement.Envelope, error) {
	if k.use != UseRoot {
		return nil, notKeyFile(UseRoot)
	}
	if len(c.Purposes) == 0 {
		c.Purposes = statement.Purposes()
	}
	e, err := statement.Sign(c, k.key)
	if err != nil {
		return nil, fault.New(fault.Usage, "not terms of a certificate", "give known purposes, each once, and a time in the future", err)
	}
	return e, nil
}

// RevokeKey signs the end of an online key.
func (k *KeyFile) RevokeKey(online statement.PublicKey, reason string, at time.Time) (*statement.Envelope, error) {
	if k.use != UseRoot {
		return nil, notKeyFile(UseRoot)
	}
	of := statement.OnlineKey{Party: k.Fingerprint(), Key: online}
	e, err := statement.Sign(statement.Revocation{
		Author: of.Party, Revokes: of.Digest(), Reason: reason, AtMS: at.UnixMilli(), Key: online.String(),
	}, k.key)
	if err != nil {
		return nil, fault.New(fault.Usage, "this key can't be revoked", "name an online key, not the root; 'cordon party show' lists it", err)
	}
	return e, nil
}
