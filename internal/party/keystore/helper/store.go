package helper

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/seal"
)

// ErrAway says that the helper, or what it reaches, can't be used now.
var ErrAway = errors.New("keystore: can't be reached now")

// Options of a store. All are required.
type Options struct {
	Path string       // of the helper
	Open wire.Request // what it opens
	// Explain turns a failure that is this kind of store's own into what a person can act on. Missing, refused, gone and elsewhere
	// are the same for all.
	Explain func(wire.Reply) error
	// Final reports whether a failure to open must not be tried again by this process.
	Final func(error) bool
}

// Store starts its helper when it is first needed, and again after either went away, so that an agent outlives both.
type Store struct {
	opt Options

	mu      sync.Mutex
	process *process
	refused error // for good
}

// New checks the options; nothing is started yet.
func New(o Options) (*Store, error) {
	if o.Path == "" || o.Open.Op != wire.OpOpen || o.Explain == nil || o.Final == nil {
		return nil, errors.New("helper: an option is missing")
	}
	return &Store{opt: o}, nil
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

// call asks the helper, and once more if it, or the token, went away meanwhile.
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
		return wire.Reply{}, Away(err.Error())
	}
	if r.Code == wire.CodeGone {
		s.end()
	}
	return r, s.said(r)
}

// ready starts a helper where none runs, and has it open the store once.
func (s *Store) ready(ctx context.Context) error {
	if s.refused != nil {
		return s.refused
	}
	if s.process != nil {
		return nil
	}
	p, err := start(s.opt.Path)
	if err != nil {
		return fault.New(fault.NoKey, "the helper of the key store does not start", "install it beside cordon, or in the PATH", ErrAway)
	}
	r, err := p.call(ctx, s.opt.Open)
	if err != nil {
		p.end()
		return Away(err.Error())
	}
	if err := s.said(r); err != nil {
		p.end()
		if s.opt.Final(err) {
			s.refused = err
		}
		return err
	}
	s.process = p
	return nil
}

// Away is the error of a store that can't be reached now.
func Away(why string) error {
	return fault.New(fault.Unavailable, "the key store can't be used: "+why, "check that the token is plugged in, or the server runs; nothing is released until then", ErrAway)
}

func (s *Store) said(r wire.Reply) error {
	switch r.Code {
	case "":
		return nil
	case wire.CodeMissing:
		return fmt.Errorf("%w (%s)", keystore.ErrMissing, r.Text)
	case wire.CodeRefused:
		return keystore.ErrRefused
	case wire.CodeElsewhere:
		return keystore.ErrElsewhere
	case wire.CodeAway, wire.CodeGone:
		return Away(r.Text)
	}
	return s.opt.Explain(r)
}

// Wrap is keystore.KeyStore's: id of the KEK (8 bytes) ‖ what the helper made of the key and its name.
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
			return nil, Away("the helper is of another version")
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
		return keystore.ID{}, Away("the helper is of another version")
	}
	return keystore.ID(r.Data), nil
}

// Destroy is keystore.Keeper's.
func (s *Store) Destroy(ctx context.Context, id keystore.ID) error {
	_, err := s.call(ctx, wire.Request{Op: wire.OpDestroy, ID: id[:]})
	return err
}
