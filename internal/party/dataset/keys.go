package dataset

import (
	"context"
	"errors"
	"fmt"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// KeysFormat names the format of keys.json, with its version.
const KeysFormat = "cordon-keys/1"

// ErrKeys says that a version's keys are missing, changed or do not fit its offer.
var ErrKeys = errors.New("dataset: keys of the version do not open")

// ID names one version of one owner's data set.
type ID struct {
	Owner   statement.Fingerprint
	Dataset string
	Version string
}

func (id ID) key(name string) seal.KeyName {
	return seal.KeyName{Owner: id.Owner, Dataset: id.Dataset, Version: id.Version, Key: name}
}

// Keys are the fresh keys of a version that is being published.
type Keys struct {
	id    ID
	names []string // columns in schema order, then statement.FooterKey, then statement.NoiseKey if there is one
	keys  map[string]*seal.DataKey
}

// NewKeys makes a fresh key for each column and for the footer, and one for noise if the policy wants noise.
func NewKeys(id ID, columns []string, noise bool) (*Keys, error) {
	k := &Keys{id: id, keys: map[string]*seal.DataKey{}}
	names := append(append([]string{}, columns...), statement.FooterKey)
	if noise {
		names = append(names, statement.NoiseKey)
	}
	for _, name := range names {
		key, err := seal.NewDataKey()
		if err != nil {
			return nil, err
		}
		if k.keys[name] != nil {
			return nil, fmt.Errorf("%w: two columns of one name", ErrKeys)
		}
		k.names, k.keys[name] = append(k.names, name), key
	}
	return k, nil
}

// Commitments bind the owner to the keys, in the offer.
func (k *Keys) Commitments() []statement.Commitment {
	var out []statement.Commitment
	for _, name := range k.names {
		out = append(out, statement.Commitment{Key: name, Commit: seal.Commit(k.id.key(name), k.keys[name])})
	}
	return out
}

// FooterUnsafe is the clear footer key, for sealing.
func (k *Keys) FooterUnsafe() []byte { return k.keys[statement.FooterKey].BytesUnsafe() }

// ColumnsUnsafe are the clear column keys, for sealing. The noise key seals nothing.
func (k *Keys) ColumnsUnsafe() map[string][]byte {
	out := map[string][]byte{}
	for _, name := range k.names {
		if name != statement.FooterKey && name != statement.NoiseKey {
			out[name] = k.keys[name].BytesUnsafe()
		}
	}
	return out
}

// Wipe overwrites the keys.
func (k *Keys) Wipe() {
	for _, key := range k.keys {
		key.Wipe()
	}
}

// wrapped is keys.json: docs/spec/keyring.md, section 5.
type wrapped struct {
	Format  string                `json:"format"`
	Owner   statement.Fingerprint `json:"owner"`
	Dataset string                `json:"dataset"`
	Version string                `json:"version"`
	Key     []byte                `json:"key"` // the version key, wrapped by the key store
	Keys    []wrappedKey          `json:"keys"`
}

type wrappedKey struct {
	Name string `json:"name"`
	Key  []byte `json:"key"` // wrapped under the version key
}

// wrap makes keys.json: the version key wraps the keys, the key store wraps it.
func (k *Keys) wrap(ctx context.Context, store keystore.KeyStore, version *seal.DataKey) (src []byte, err error) {
	w := wrapped{Format: KeysFormat, Owner: k.id.Owner, Dataset: k.id.Dataset, Version: k.id.Version}
	if w.Key, err = store.Wrap(ctx, k.id.key(seal.VersionKey), version); err != nil {
		return nil, err
	}
	for _, name := range k.names {
		b, err := version.Wrap(k.id.key(name), k.keys[name])
		if err != nil {
			return nil, err
		}
		w.Keys = append(w.Keys, wrappedKey{Name: name, Key: b})
	}
	return statement.Marshal(w)
}

// unwrap opens just the named keys of keys.json.
func unwrap(ctx context.Context, store keystore.KeyStore, id ID, src []byte, names []string) (map[string]*seal.DataKey, error) {
	w, err := parseKeys(id, src)
	if err != nil {
		return nil, err
	}
	version, err := store.Unwrap(ctx, id.key(seal.VersionKey), w.Key)
	if err != nil {
		return nil, noKeys(err)
	}
	defer version.Wipe()
	have := map[string][]byte{}
	for _, k := range w.Keys {
		have[k.Name] = k.Key
	}
	out := map[string]*seal.DataKey{}
	for _, name := range names {
		key, err := version.Unwrap(id.key(name), have[name])
		if err != nil {
			return nil, noKeys(fmt.Errorf("%w: key of column %s", errFile, name))
		}
		out[name] = key
	}
	return out, nil
}

func parseKeys(id ID, src []byte) (wrapped, error) {
	var w wrapped
	if err := statement.Unmarshal(src, &w); err != nil || w.Format != KeysFormat {
		return wrapped{}, noKeys(fmt.Errorf("%w is damaged", errFile))
	}
	if (ID{w.Owner, w.Dataset, w.Version}) != id {
		return wrapped{}, noKeys(fmt.Errorf("%w is of another version", errFile))
	}
	return w, nil
}

// errFile says that it is keys.json that is wrong, not the key store.
var errFile = errors.New("keys.json")

// noKeys keeps the hint of a key store that knows what to do.
func noKeys(err error) error {
	if hint := fault.Hint(err); hint != "" {
		return fault.New(fault.Code(fault.ExitCode(err)), "the keys of a data set version do not open", hint, fmt.Errorf("%w: %w", ErrKeys, err))
	}
	return fault.New(fault.NoKey, "the keys of a data set version do not open",
		"restore the home folder and its keyring from the same backup", fmt.Errorf("%w: %w", ErrKeys, err))
}
