package custody

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/kms"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11"
	"github.com/cordon-exchange/cordon/seal"
)

// Local names the keyring as a key store.
const Local = "local"

// Store is a key store that was opened by its name.
type Store interface {
	keystore.Keeper
	Close() error
}

// Options for opening stores.
type Options struct {
	Ring *keyring.Keyring // required: unlocked
	// Save stores a changed keyring durably. Default: it can't be changed.
	Save func(*keyring.Keyring) error
	// Helpers is the folder of the helpers. Default: that of this program, else those of the PATH.
	Helpers string
}

// Open opens the store that a name stands for: "local", or a URI. Nothing is asked of it yet: a token or server may be away.
func Open(name string, o Options) (Store, error) {
	switch {
	case name == "" || name == Local:
		return &local{Keyring: o.Ring, save: o.Save}, nil
	case strings.HasPrefix(name, pkcs11.Scheme):
		if _, err := pkcs11.Parse(name); err != nil {
			return nil, err
		}
		path, err := o.helper(pkcs11.Program)
		if err != nil {
			return nil, err
		}
		return pkcs11.New(pkcs11.Options{URI: name, Helper: path})
	}
	if kms.Known(name) {
		if _, err := kms.Parse(name); err != nil {
			return nil, err
		}
		path, err := o.helper(kms.Program)
		if err != nil {
			return nil, err
		}
		return kms.New(kms.Options{URL: name, Helper: path})
	}
	return nil, fault.New(fault.Usage, "not the name of a key store: "+shortened(name), "write local, or a URI that begins with pkcs11:, vault:, awskms:, gcpkms: or azurekeyvault:", nil)
}

// shortened shows how a name begins: what stands behind could be a secret that does not belong there.
func shortened(name string) string {
	before, _, ok := strings.Cut(name, ":")
	if !ok || len(before) > 16 {
		return "it has no known scheme"
	}
	return before + ":…"
}

// helper finds a helper by its name.
func (o *Options) helper(name string) (string, error) {
	if o.Helpers != "" {
		return filepath.Join(o.Helpers, name), nil
	}
	return helper.Find(name)
}

// local is the keyring as a store whose KEKs change. Each change is stored before it counts.
type local struct {
	mu sync.Mutex
	*keyring.Keyring
	save func(*keyring.Keyring) error
}

func (l *local) ring() *keyring.Keyring {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Keyring
}

func (l *local) Wrap(ctx context.Context, n seal.KeyName, key *seal.DataKey) ([]byte, error) {
	return l.ring().Wrap(ctx, n, key)
}

func (l *local) Unwrap(ctx context.Context, n seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	return l.ring().Unwrap(ctx, n, wrapped)
}

func (l *local) KEKs(ctx context.Context) ([]keystore.ID, error) { return l.ring().KEKs(ctx) }

func (l *local) Close() error { return nil }

func (l *local) Renew(context.Context) (keystore.ID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, id, err := l.Keyring.Renewed()
	if err != nil {
		return keystore.ID{}, err
	}
	return id, l.store(next)
}

func (l *local) Destroy(_ context.Context, id keystore.ID) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, err := l.Keyring.Without(id)
	if err != nil {
		return err
	}
	return l.store(next)
}

func (l *local) store(next *keyring.Keyring) error {
	if l.save == nil {
		return errors.New("custody: the keyring can't be changed here")
	}
	if err := l.save(next); err != nil {
		return err
	}
	l.Keyring = next
	return nil
}

// Set wraps in one store, and unwraps in it and in the one before, while version keys move from that to this.
type Set struct {
	now    Store
	before Store // nil unless a move is under way
}

// OpenSet opens what the settings name.
func OpenSet(c home.Config, o Options) (*Set, error) {
	s := &Set{}
	var err error
	if s.now, err = Open(c.KeyStore, o); err != nil {
		return nil, err
	}
	if c.KeyStoreBefore == "" {
		return s, nil
	}
	if s.before, err = Open(c.KeyStoreBefore, o); err != nil {
		return nil, errors.Join(err, s.now.Close())
	}
	return s, nil
}

// Wrap is keystore.KeyStore's.
func (s *Set) Wrap(ctx context.Context, n seal.KeyName, key *seal.DataKey) ([]byte, error) {
	return s.now.Wrap(ctx, n, key)
}

// Unwrap is keystore.KeyStore's. The store before is asked only for what the other one did not wrap.
func (s *Set) Unwrap(ctx context.Context, n seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	key, err := s.now.Unwrap(ctx, n, wrapped)
	if s.before == nil || err == nil || errors.Is(err, keystore.ErrRefused) {
		return key, err
	}
	key, other := s.before.Unwrap(ctx, n, wrapped)
	if other == nil {
		return key, nil
	}
	if errors.Is(other, keystore.ErrMissing) {
		return nil, err
	}
	return nil, other
}

// KEKs lists those of the store that wraps.
func (s *Set) KEKs(ctx context.Context) ([]keystore.ID, error) { return s.now.KEKs(ctx) }

// Close closes the stores.
func (s *Set) Close() error {
	err := s.now.Close()
	if s.before != nil {
		err = errors.Join(err, s.before.Close())
	}
	return err
}

// Begin gives a store its first KEK, for a new party, and tries it. A label that has keys already is another's.
func Begin(ctx context.Context, s Store) error {
	ids, err := s.KEKs(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		if _, err = s.Renew(ctx); err != nil {
			return err
		}
	} else if _, token := s.(*pkcs11.Store); token {
		return fault.New(fault.Usage, "the token has keys of this label already", "choose another object= for a new party: its keys are nobody else's", nil)
	}
	return try(ctx, s)
}

// try wraps and unwraps a key of no data set.
func try(ctx context.Context, s keystore.KeyStore) error {
	key, err := seal.NewDataKey()
	if err != nil {
		return err
	}
	name := seal.KeyName{Dataset: "-probe", Key: seal.VersionKey}
	w, err := s.Wrap(ctx, name, key)
	if err != nil {
		return err
	}
	got, err := s.Unwrap(ctx, name, w)
	if err != nil {
		return fmt.Errorf("custody: the store does not open what it wrapped: %w", err)
	}
	got.Wipe()
	return nil
}
