package custody

import (
	"context"
	"io"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11"
)

// OpenSigning is the keyring with its signing key at hand, wherever that lies. Nothing is asked of a token yet. The closer is nil if the
// key is in the keyring.
func OpenSigning(c home.Config, o Options) (*keyring.Keyring, io.Closer, error) {
	if !o.Ring.InToken() {
		return o.Ring, nil, nil // whatever the settings say: they are not protected, the keyring is
	}
	if c.SigningKey == "" {
		return nil, nil, fault.New(fault.NoKey, "the signing key lies in a token, and config.json does not say in which",
			"restore config.json from a backup, or certify another key: 'cordon party rotate-key'", keyring.ErrInToken)
	}
	at, err := o.token(c.SigningKey)
	if err != nil {
		return nil, nil, err
	}
	key, err := pkcs11.OpenSigningKey(at, o.Ring.Signer().Public())
	if err != nil {
		return nil, nil, err
	}
	ring, err := o.Ring.WithToken(key)
	return ring, key, err
}

// MakeSigning makes a signing key in the token that the URI names.
func MakeSigning(ctx context.Context, uri string, o Options) (*pkcs11.SigningKey, error) {
	at, err := o.token(uri)
	if err != nil {
		return nil, err
	}
	return pkcs11.MakeSigningKey(ctx, at)
}

func (o *Options) token(uri string) (pkcs11.Options, error) {
	if _, err := pkcs11.Parse(uri); err != nil {
		return pkcs11.Options{}, err
	}
	path, err := o.helper(pkcs11.Program)
	return pkcs11.Options{URI: uri, Helper: path}, err
}
