package keystore

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/cordon-exchange/cordon/seal"
)

// ErrMissing says that the key store does not have the key that wrapped the given bytes.
var ErrMissing = errors.New("keystore: the key that wraps this version is not here")

// ErrRefused says that wrapped bytes do not open under this name: changed, or wrapped for another name.
var ErrRefused = errors.New("keystore: wrapped key does not open")

// ErrElsewhere says that a store's key encryption keys are made and destroyed by its server's own tools, not through Cordon.
var ErrElsewhere = errors.New("keystore: its keys are made and destroyed where they are kept")

// KeyStore wraps version keys. It may be called concurrently.
type KeyStore interface {
	// Wrap encrypts key, bound to name.
	Wrap(ctx context.Context, name seal.KeyName, key *seal.DataKey) ([]byte, error)
	// Unwrap opens what Wrap made for the same name. Its errors are ErrMissing, ErrRefused, or of the store itself.
	Unwrap(ctx context.Context, name seal.KeyName, wrapped []byte) (*seal.DataKey, error)
}

// Keeper is a key store whose key encryption keys (KEKs) can be listed and followed by new ones.
type Keeper interface {
	KeyStore
	// KEKs lists them, the one that wraps first.
	KEKs(ctx context.Context) ([]ID, error)
	// Renew makes a KEK that wraps from now on; the older ones still unwrap. It is durable on return.
	Renew(ctx context.Context) (ID, error)
	// Destroy destroys a KEK that does not wrap any more, for good.
	Destroy(ctx context.Context, id ID) error
}

// IDSize is the length of a KEK's id, in bytes.
const IDSize = 8

// ID stands in front of everything that a KEK wrapped.
type ID [IDSize]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// WrappedBy reads which KEK wrapped the bytes.
func WrappedBy(wrapped []byte) (ID, error) {
	if len(wrapped) < IDSize {
		return ID{}, ErrRefused
	}
	return ID(wrapped[:IDSize]), nil
}
