package keyring

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Keyring holds a party's private keys, unlocked. It is immutable and may be used concurrently.
type Keyring struct {
	name   string
	sign   *seal.SigningKey // nil: the signing key lies in a token
	signer statement.Signer // sign, or the token's key, with its certificate where it is not the root
	box    *seal.BoxKey
	keks   []kek // the first wraps; all unwrap
}

type kek struct {
	id  kekID
	key *seal.DataKey
}

// kekID stands in front of everything that a KEK wrapped.
type kekID = keystore.ID

const kekIDSize = keystore.IDSize

// New makes fresh keys for a party of that name.
func New(name string) (*Keyring, error) {
	if !statement.ValidName(name) {
		return nil, fmt.Errorf("%w: party name", ErrFormat)
	}
	sign, err := seal.NewSigningKey()
	if err != nil {
		return nil, err
	}
	box, err := seal.NewBoxKey()
	if err != nil {
		return nil, err
	}
	k, err := newKEK()
	if err != nil {
		return nil, err
	}
	return &Keyring{name: name, sign: sign, signer: sign, box: box, keks: []kek{k}}, nil
}

func newKEK() (kek, error) {
	key, err := seal.NewDataKey()
	if err != nil {
		return kek{}, err
	}
	k := kek{key: key}
	_, err = rand.Read(k.id[:])
	return k, err
}

// Name of the party.
func (k *Keyring) Name() string { return k.name }

// Signer signs statements as the party: with its root key, or with an online key that the root certified.
func (k *Keyring) Signer() statement.Signer { return k.signer }

// Root is the party's root key, whose fingerprint is the party's.
func (k *Keyring) Root() statement.PublicKey { return statement.RootOf(k.signer) }

// WithOnlineKey is the keyring with a fresh signing key, certified by the root. What it had before is not kept: it need not sign again.
func (k *Keyring) WithOnlineKey(root *KeyFile, c Terms) (*Keyring, error) {
	sign, err := seal.NewSigningKey()
	if err != nil {
		return nil, err
	}
	return k.certified(root, sign, sign, c)
}

// WithTokenKey is the keyring with a signing key that lies in a token, certified by the root.
func (k *Keyring) WithTokenKey(root *KeyFile, key statement.Signer, c Terms) (*Keyring, error) {
	return k.certified(root, nil, key, c)
}

// certified has the root certify a key; sign is its private half, where the keyring is to hold it.
func (k *Keyring) certified(root *KeyFile, sign *seal.SigningKey, online statement.Signer, c Terms) (*Keyring, error) {
	if root.Fingerprint() != k.Fingerprint() {
		return nil, fault.New(fault.NoKey, "this root key is another party's", "give the root key of "+k.name, nil)
	}
	if before := statement.CertificateOf(k.signer); before != nil {
		c.serial = before.Body().Serial
	}
	certificate, err := root.Certify(online, c)
	if err != nil {
		return nil, err
	}
	out := *k
	out.sign = sign
	out.signer, err = statement.Certified(online, certificate)
	return &out, err
}

// InToken reports whether the signing key lies in a token. Until WithToken, such a keyring signs nothing.
func (k *Keyring) InToken() bool { return k.sign == nil }

// WithToken is the keyring with its signing key at hand: the token's key must be the one that the certificate is of.
func (k *Keyring) WithToken(key statement.Signer) (*Keyring, error) {
	if !k.InToken() {
		return nil, fault.New(fault.Usage, "the signing key is in the keyring, not in a token", "restore the home folder from one backup", nil)
	}
	signer, err := statement.Certified(key, statement.CertificateOf(k.signer).Envelope())
	if err != nil {
		return nil, fault.New(fault.Untrusted, "the token's key is not the one that the party's root certified", "restore the home folder from one backup", err)
	}
	out := *k
	out.signer = signer
	return &out, nil
}

// absent is a signing key that lies in a token which nobody has opened: it signs nothing.
type absent struct{ public statement.PublicKey }

func (a absent) Public() statement.PublicKey { return a.public }

func (absent) Sign([]byte) ([]byte, error) {
	return nil, fault.New(fault.NoKey, "the signing key lies in a token that this command does not open", "have the agent do it: 'cordon party serve'", ErrInToken)
}

// TakeRoot is the signing key as a file of its own, for a keyring whose signing key is its party's root.
func (k *Keyring) TakeRoot() (*KeyFile, error) {
	if statement.CertificateOf(k.signer) != nil {
		return nil, fault.New(fault.Usage, "the root key is not in this keyring", "it has been moved to a file already", nil)
	}
	return &KeyFile{use: UseRoot, name: k.name, key: k.sign}, nil
}

// Box opens what others seal to the party.
func (k *Keyring) Box() *seal.BoxKey { return k.box }

// Fingerprint of the party.
func (k *Keyring) Fingerprint() statement.Fingerprint { return statement.PartyOf(k.signer) }

// Wrap is keystore.KeyStore's: id of the KEK ‖ AES-256-GCM (docs/spec/keyring.md, section 4).
func (k *Keyring) Wrap(_ context.Context, n seal.KeyName, key *seal.DataKey) ([]byte, error) {
	first := k.keks[0]
	w, err := first.key.Wrap(n, key)
	if err != nil {
		return nil, err
	}
	return append(first.id[:], w...), nil
}

// Unwrap is keystore.KeyStore's.
func (k *Keyring) Unwrap(_ context.Context, n seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	id, err := keystore.WrappedBy(wrapped)
	if err != nil {
		return nil, err
	}
	for _, c := range k.keks {
		if c.id == id {
			key, err := c.key.Unwrap(n, wrapped[kekIDSize:])
			if err != nil {
				return nil, keystore.ErrRefused
			}
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w (KEK %s)", keystore.ErrMissing, id)
}

// KEKs lists the key encryption keys, the one that wraps first.
func (k *Keyring) KEKs(context.Context) ([]keystore.ID, error) {
	var out []keystore.ID
	for _, c := range k.keks {
		out = append(out, c.id)
	}
	return out, nil
}

// Renewed is the keyring with a fresh KEK, which wraps. It is not stored yet.
func (k *Keyring) Renewed() (*Keyring, keystore.ID, error) {
	if len(k.keks) >= maxKEKs {
		return nil, keystore.ID{}, fault.New(fault.Usage, "the keyring has too many key encryption keys", "run 'cordon key rotate --destroy-old'", nil)
	}
	fresh, err := newKEK()
	if err != nil {
		return nil, keystore.ID{}, err
	}
	next := *k
	next.keks = append([]kek{fresh}, k.keks...)
	return &next, fresh.id, nil
}

// Without is the keyring without a KEK that does not wrap. It is not stored yet.
func (k *Keyring) Without(id keystore.ID) (*Keyring, error) {
	next := *k
	next.keks = slices.DeleteFunc(slices.Clone(k.keks), func(c kek) bool { return c.id == id })
	switch {
	case len(next.keks) == len(k.keks):
		return nil, fmt.Errorf("%w (KEK %s)", keystore.ErrMissing, id)
	case k.keks[0].id == id:
		return nil, fault.New(fault.Usage, "the key encryption key that wraps can't be destroyed", "run 'cordon key rotate' first", nil)
	}
	return &next, nil
}
