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
	name string
	sign *seal.SigningKey
	box  *seal.BoxKey
	keks []kek // the first wraps; all unwrap
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
	return &Keyring{name: name, sign: sign, box: box, keks: []kek{k}}, nil
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

// Signer signs statements as the party.
func (k *Keyring) Signer() *seal.SigningKey { return k.sign }

// Box opens what others seal to the party.
func (k *Keyring) Box() *seal.BoxKey { return k.box }

// Fingerprint of the party.
func (k *Keyring) Fingerprint() statement.Fingerprint { return k.sign.Fingerprint() }

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
