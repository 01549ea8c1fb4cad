package pkcs11

import (
	"context"
	"errors"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// signTime bounds one signature, with the wait for those before it.
const signTime = 10 * time.Second

// Errors of a signing key, for errors.Is; also helper.ErrAway, ErrPIN and ErrWeak.
var (
	ErrTaken     = errors.New("pkcs11: the label has a signing key already")
	ErrSignature = errors.New("pkcs11: the token's signature is not the expected key's")
)

// SigningKey is an Ed25519 key in a token: a statement.Signer whose signatures are verified before anybody uses them. It has a helper
// of its own, so that signing and wrapping do not wait for each other. It may be used concurrently; the token signs one at a time.
type SigningKey struct {
	store  *helper.Store
	public statement.PublicKey
	turn   chan struct{} // held while the token signs: unlike a mutex, it can be waited for so long and no longer
	wait   time.Duration
}

// OpenSigningKey is the key that has this public key. Nothing is asked of the token yet.
func OpenSigningKey(o Options, public statement.PublicKey) (*SigningKey, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	return signingKey(s.Store, public), nil
}

func signingKey(s *helper.Store, public statement.PublicKey) *SigningKey {
	return &SigningKey{store: s, public: public, turn: make(chan struct{}, 1), wait: signTime}
}

// MakeSigningKey makes a key in the token, under a label that has none.
func MakeSigningKey(ctx context.Context, o Options) (*SigningKey, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	key, err := made(ctx, s.Store)
	if err != nil {
		_ = s.Close() // what went wrong is said already
		return nil, signing(err)
	}
	return signingKey(s.Store, key), nil
}

func made(ctx context.Context, s *helper.Store) (statement.PublicKey, error) {
	b, err := s.MakeKey(ctx)
	if err != nil {
		return statement.PublicKey{}, err
	}
	return statement.ParsePublicKey(statement.PublicKey(b).String()) // not one of small order
}

// Public is the public key that the party was told, not what the token says now.
func (k *SigningKey) Public() statement.PublicKey { return k.public }

// Close ends the helper.
func (k *SigningKey) Close() error { return k.store.Close() }

// Sign has the token sign, and verifies what comes back: a token that was exchanged, or that errs, signs nothing in the party's name.
func (k *SigningKey) Sign(msg []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), k.wait) // signers have no context: the bound is here
	defer cancel()
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, signing(helper.Away("it is busy"))
	}
	sig, err := k.store.Sign(ctx, msg)
	if err != nil {
		return nil, signing(err)
	}
	if !k.public.Verify(msg, sig) {
		return nil, fault.New(fault.Untrusted, "the token signed with another key than the party's signing key",
			"plug in the token that has it, or certify another key: 'cordon party rotate-key'", ErrSignature)
	}
	return sig, nil
}

// signing says of an error that the signing key is what it keeps from use.
func signing(err error) error {
	switch {
	case errors.Is(err, helper.ErrAway):
		code := fault.Code(fault.ExitCode(err))
		return fault.New(code, "the signing key can't be used", hintOf(err, code), err)
	case errors.Is(err, keystore.ErrMissing):
		return fault.New(fault.NoKey, "the token has no such signing key", "plug in the token that has it, or certify another key: 'cordon party rotate-key'", err)
	}
	return err
}

func hintOf(err error, code fault.Code) string {
	if code == fault.Unavailable {
		return "check that the token is plugged in; nothing is signed until then"
	}
	return fault.Hint(err)
}

// taken explains a label that is in use.
func taken(r wire.Reply) error {
	return fault.New(fault.Usage, r.Text, "choose another object= label: each signing key has its own", ErrTaken)
}
