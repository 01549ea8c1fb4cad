package dataset

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Wrapped says which KEK wraps a version's key. Versions whose publication did not end have keys, too.
type Wrapped struct {
	Dataset string
	Version string
	KEK     keystore.ID
	Offered bool
}

// Wrappings lists the keys files of all versions. It needs no key store.
func (s *Store) Wrappings() ([]Wrapped, error) {
	files, err := filepath.Glob(filepath.Join(s.dir, "*", "*", "keys.json"))
	if err != nil {
		return nil, err
	}
	var out []Wrapped
	for _, f := range files {
		w, id, err := s.read(f)
		if err != nil {
			return nil, err
		}
		by, err := keystore.WrappedBy(w.Key)
		if err != nil {
			return nil, noKeys(fmt.Errorf("%w is damaged", errFile))
		}
		_, missing := os.Stat(filepath.Join(filepath.Dir(f), "offer.json"))
		out = append(out, Wrapped{Dataset: id.Dataset, Version: id.Version, KEK: by, Offered: missing == nil})
	}
	return out, nil
}

// read reads a keys file, whose place says of which version it must be.
func (s *Store) read(file string) (wrapped, ID, error) {
	id := ID{Owner: s.owner, Dataset: filepath.Base(filepath.Dir(filepath.Dir(file))), Version: filepath.Base(filepath.Dir(file))}
	src, err := os.ReadFile(file)
	if err != nil {
		return wrapped{}, id, home.Storage("can't read keys.json", err)
	}
	w, err := parseKeys(id, src)
	return w, id, err
}

// Onto says what wraps from now on.
type Onto struct {
	Store keystore.KeyStore   // required
	KEK   keystore.ID         // required: under which it wraps
	Anew  bool                // also what this KEK wraps already: its server may have renewed what stands behind it
	Tell  func(Wrapped) error // required: called ahead of each write; its error ends the work
}

// Rewrap has version keys wrapped by another KEK, and gives their number. Data is not touched: version keys stay what they are. Each
// keys.json is the old one or the new one, whole, so that whenever this ends, all versions open with the KEKs before it and that one.
func (s *Store) Rewrap(ctx context.Context, o Onto) (int, error) {
	list, err := s.Wrappings()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, w := range list {
		if w.KEK == o.KEK && !o.Anew {
			continue
		}
		if err := s.rewrap(ctx, w, o); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (s *Store) rewrap(ctx context.Context, v Wrapped, o Onto) error {
	file := filepath.Join(s.folder(v.Dataset, v.Version), "keys.json")
	w, id, err := s.read(file)
	if err != nil {
		return err
	}
	key, err := s.keys.Unwrap(ctx, id.key(seal.VersionKey), w.Key)
	if err != nil {
		return noKeys(fmt.Errorf("%s version %s: %w", v.Dataset, v.Version, err))
	}
	defer key.Wipe()
	if w.Key, err = wrapChecked(ctx, o, id.key(seal.VersionKey), key); err != nil {
		return err
	}
	b, err := statement.Marshal(w)
	if err != nil {
		return err
	}
	if err := o.Tell(v); err != nil {
		return err
	}
	return home.WriteFile(file, b)
}

// wrapChecked wraps, and opens what was wrapped: a store that gives back something else must not cost a key.
func wrapChecked(ctx context.Context, o Onto, name seal.KeyName, key *seal.DataKey) ([]byte, error) {
	w, err := o.Store.Wrap(ctx, name, key)
	if err != nil {
		return nil, noKeys(err)
	}
	if !bytes.HasPrefix(w, o.KEK[:]) {
		return nil, noKeys(errors.New("the key store wrapped under another key than it said"))
	}
	again, err := o.Store.Unwrap(ctx, name, w)
	if err != nil {
		return nil, noKeys(err)
	}
	defer again.Wipe()
	a, b := key.BytesUnsafe(), again.BytesUnsafe()
	defer clear(a)
	defer clear(b)
	if subtle.ConstantTimeCompare(a, b) != 1 {
		return nil, noKeys(errors.New("the key store does not give back what it wrapped"))
	}
	return w, nil
}
