package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/wire"
	"github.com/cordon-exchange/cordon/seal"
)

// Errors of a token, for errors.Is.
var (
	ErrPIN   = errors.New("pkcs11: the PIN is wrong, or the token is locked")
	ErrToken = errors.New("pkcs11: the token can't be used now")
	ErrWeak  = errors.New("pkcs11: a key could leave the token")
)

// Options of a store. All are required.
type Options struct {
	URI    string
	Helper string // path of cordon-pkcs11
}

// Store wraps under the newest key of one label in a token. It starts its helper when it is first needed, and again after the
// token went away, so that an agent outlives both.
type Store struct {
	open   wire.Open
	helper string

	mu      sync.Mutex
	process *process
	refused error // the token refused the PIN: it is not tried again, which would lock the token
}

// New checks the options; nothing is started yet.
func New(o Options) (*Store, error) {
	if o.Helper == "" {
		return nil, errors.New("pkcs11: an option is missing")
	}
	open, err := Parse(o.URI)
	if err != nil {
		return nil, err
	}
	return &Store{open: open, helper: o.Helper}, nil
}

// Close ends the helper.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end()
	return nil
}

func (s *Store) end() {
	if s.process != nil {
		s.process.end()
		s.process = nil
	}
}

// call asks the helper, and once more if the token went away meanwhile.
func (s *Store) call(ctx context.Context, q wire.Request) (wire.Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.process != nil
	r, err := s.try(ctx, q)
	if had && s.process == nil && ctx.Err() == nil && s.refused == nil {
		r, err = s.try(ctx, q)
	}
	return r, err
}

func (s *Store) try(ctx context.Context, q wire.Request) (wire.Reply, error) {
	if err := s.ready(ctx); err != nil {
		return wire.Reply{}, err
	}
	r, err := s.process.call(ctx, q)
	if err != nil {
		s.end()
		return wire.Reply{}, unusable(err.Error())
	}
	if r.Code == wire.CodeGone {
		s.end()
	}
	return r, said(r)
}

// ready starts a helper where none runs. It tries the PIN once; a wrong one is remembered.
func (s *Store) ready(ctx context.Context) error {
	if s.refused != nil {
		return s.refused
	}
	if s.process != nil {
		return nil
	}
	p, err := start(s.helper)
	if err != nil {
		return fault.New(fault.NoKey, "the helper for tokens does not start", "install cordon-pkcs11 beside cordon, or in the PATH", ErrToken)
	}
	r, err := p.call(ctx, wire.Request{Op: wire.OpOpen, Open: &s.open})
	if err != nil {
		p.end()
		return unusable(err.Error())
	}
	if err := said(r); err != nil {
		p.end()
		if errors.Is(err, ErrPIN) {
			s.refused = err
		}
		return err
	}
	s.process = p
	return nil
}

func unusable(why string) error {
	return fault.New(fault.Unavailable, "the token can't be used: "+why, "check that it is plugged in and its service runs; nothing is released until then", ErrToken)
}

// said turns a helper's code into what a person, or the agent, can act on.
func said(r wire.Reply) error {
	switch r.Code {
	case "":
		return nil
	case wire.CodeMissing:
		return fmt.Errorf("%w (token: %s)", keystore.ErrMissing, r.Text)
	case wire.CodeRefused:
		return keystore.ErrRefused
	case wire.CodeToken, wire.CodeGone:
		return unusable(r.Text)
	case wire.CodeModule:
		return fault.New(fault.Input, r.Text, "check module-path= of the key store: the vendor's PKCS#11 library, for this machine", ErrToken)
	case wire.CodePINFile:
		return fault.New(fault.NoKey, r.Text, "put the PIN on one line of the file that pin-source= names, readable by its owner alone (mode 0600)", ErrToken)
	case wire.CodePIN:
		return fault.New(fault.NoKey, r.Text, "correct the file of the PIN, then start again: a wrong PIN is not tried twice, which could lock the token", ErrPIN)
	case wire.CodeLocked:
		return fault.New(fault.NoKey, r.Text, "have its security officer set a new PIN", ErrPIN)
	case wire.CodeWeak:
		return fault.New(fault.Untrusted, r.Text, "choose another object= label, under which Cordon makes its own key", ErrWeak)
	}
	return fault.New(fault.Unavailable, "the token refused: "+r.Text, "see the vendor's manual; the token must offer AES-256-GCM (CKM_AES_GCM)", ErrToken)
}

// Wrap is keystore.KeyStore's: id of the key (8 bytes) ‖ nonce ‖ AES-256-GCM inside the token, with the name as additional data.
func (s *Store) Wrap(ctx context.Context, n seal.KeyName, key *seal.DataKey) ([]byte, error) {
	clearKey := key.BytesUnsafe()
	defer clear(clearKey)
	r, err := s.call(ctx, wire.Request{Op: wire.OpWrap, AAD: n.WrappingContext(), Data: clearKey})
	return r.Data, err
}

// Unwrap is keystore.KeyStore's.
func (s *Store) Unwrap(ctx context.Context, n seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	id, err := keystore.WrappedBy(wrapped)
	if err != nil {
		return nil, err
	}
	r, err := s.call(ctx, wire.Request{Op: wire.OpUnwrap, ID: id[:], AAD: n.WrappingContext(), Data: wrapped[keystore.IDSize:]})
	defer clear(r.Data)
	if err != nil {
		return nil, err
	}
	return seal.DataKeyFromBytes(r.Data)
}

// KEKs is keystore.Keeper's.
func (s *Store) KEKs(ctx context.Context) ([]keystore.ID, error) {
	r, err := s.call(ctx, wire.Request{Op: wire.OpList})
	if err != nil {
		return nil, err
	}
	var out []keystore.ID
	for _, id := range r.IDs {
		if len(id) != keystore.IDSize {
			return nil, unusable("the helper is of another version")
		}
		out = append(out, keystore.ID(id))
	}
	return out, nil
}

// Renew is keystore.Keeper's.
func (s *Store) Renew(ctx context.Context) (keystore.ID, error) {
	r, err := s.call(ctx, wire.Request{Op: wire.OpRenew})
	if err != nil {
		return keystore.ID{}, err
	}
	if len(r.Data) != keystore.IDSize {
		return keystore.ID{}, unusable("the helper is of another version")
	}
	return keystore.ID(r.Data), nil
}

// Destroy is keystore.Keeper's.
func (s *Store) Destroy(ctx context.Context, id keystore.ID) error {
	_, err := s.call(ctx, wire.Request{Op: wire.OpDestroy, ID: id[:]})
	return err
}
