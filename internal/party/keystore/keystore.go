package keystore

import (
	"context"
	"errors"

	"github.com/cordon-exchange/cordon/seal"
)

// ErrMissing says that the key store does not have the key that wrapped the given bytes.
var ErrMissing = errors.New("keystore: the key that wraps this version is not here")

// ErrRefused says that wrapped bytes do not open under this name: changed, or wrapped for another name.
var ErrRefused = errors.New("keystore: wrapped key does not open")

// KeyStore wraps version keys. It may be called concurrently.
type KeyStore interface {
	// Wrap encrypts key, bound to name.
	Wrap(ctx context.Context, name seal.KeyName, key *seal.DataKey) ([]byte, error)
	// Unwrap opens what Wrap made for the same name. Its errors are ErrMissing, ErrRefused, or of the store itself.
	Unwrap(ctx context.Context, name seal.KeyName, wrapped []byte) (*seal.DataKey, error)
}
