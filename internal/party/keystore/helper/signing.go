package helper

import (
	"context"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

// MakeKey has the helper make a signing key in the store, and gives the public key.
func (s *Store) MakeKey(ctx context.Context) ([]byte, error) {
	return s.sized(ctx, wire.Request{Op: wire.OpMakeKey}, wire.PublicSize)
}

// PublicKey is that of the signing key.
func (s *Store) PublicKey(ctx context.Context) ([]byte, error) {
	return s.sized(ctx, wire.Request{Op: wire.OpPublic}, wire.PublicSize)
}

// Sign has the store sign. Nobody has verified the signature yet.
func (s *Store) Sign(ctx context.Context, msg []byte) ([]byte, error) {
	return s.sized(ctx, wire.Request{Op: wire.OpSign, Data: msg}, wire.SignatureSize)
}

// sized is a call whose answer has exactly n bytes.
func (s *Store) sized(ctx context.Context, q wire.Request, n int) ([]byte, error) {
	r, err := s.call(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(r.Data) != n {
		return nil, Away("the helper is of another version")
	}
	return r.Data, nil
}
