package dataset

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// ContentsFormat names the format of contents.json, with its version. Versions that were published before have the old one.
const (
	ContentsFormat    = "cordon-contents/2"
	oldContentsFormat = "cordon-contents/1"
)

// contentsName is the contents key's name where those of columns stand. No column can have it.
const contentsName = "-contents"

// Digest is one of rows in clear. It never leaves the agent's memory: contents.json has a mark of it alone.
type Digest [sha256.Size]byte

// ContentsKey is what a data set's contents are digested under. Its versions share it, so that they can be compared; nobody who
// chooses rows may know it.
type ContentsKey struct {
	key *seal.DataKey
	old bool
}

// NewContentsKey makes a key for rows that are compared with no others.
func NewContentsKey() (*ContentsKey, error) {
	key, err := seal.NewDataKey()
	return &ContentsKey{key: key}, err
}

// BytesUnsafe is a copy of the clear key.
func (k *ContentsKey) BytesUnsafe() []byte { return k.key.BytesUnsafe() }

// Old says that a version has a mark of the old format: to compare with it the rows have to be digested in the old way, too.
func (k *ContentsKey) Old() bool { return k.old }

// Wipe overwrites the key.
func (k *ContentsKey) Wipe() { k.key.Wipe() }

// Contents are the digests of a table's rows.
type Contents struct {
	Key *ContentsKey // required
	Sum Digest       // under the key
	Old Digest       // in the old way, if the key asks for it
}

// contentsFile is contents.json: docs/spec/keyring.md, section 5.
type contentsFile struct {
	Format string           `json:"format"`
	Key    []byte           `json:"key,omitempty"` // the contents key, wrapped under the version key; not in the old format
	Mark   []byte           `json:"mark"`
	Same   statement.Digest `json:"same,omitempty"` // the first version with equal contents
}

// mark is a MAC of the contents under a key that only the version key gives, and so only the keyring: contents can be
// guessed, and whoever has the folder alone must not be able to test a guess.
func mark(id ID, version *seal.DataKey, c Digest) ([]byte, error) {
	secret := version.BytesUnsafe()
	defer clear(secret)
	key, err := hkdf.Key(sha256.New, secret, nil, "cordon/contents-key/v1", sha256.Size)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	m := hmac.New(sha256.New, key)
	m.Write(statement.Frame("cordon/contents/v1", []byte(id.Owner), []byte(id.Dataset), []byte(id.Version), c[:]))
	return m.Sum(nil), nil
}

// ContentsKey is the key that the newest version of the data set has its contents digested under; a fresh one if none has.
func (s *Store) ContentsKey(ctx context.Context, dataset string) (_ *ContentsKey, err error) {
	out := &ContentsKey{}
	list := s.List()
	slices.Reverse(list)
	for _, p := range list {
		o := p.Offer.Body()
		if o.Dataset != dataset || p.Destroyed {
			continue
		}
		f, err := readContents(s.folder(o.Dataset, o.Version))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if f.Format == oldContentsFormat {
			out.old = true
			continue
		}
		if out.key != nil {
			continue
		}
		if out.key, err = s.contentsKey(ctx, &p, &f); err != nil {
			return nil, err
		}
	}
	if out.key == nil {
		out.key, err = seal.NewDataKey()
	}
	return out, err
}

func (s *Store) contentsKey(ctx context.Context, p *Published, f *contentsFile) (*seal.DataKey, error) {
	id, version, err := s.versionKey(ctx, p)
	if err != nil {
		return nil, err
	}
	defer version.Wipe()
	return unwrapContents(id, version, f)
}

func unwrapContents(id ID, version *seal.DataKey, f *contentsFile) (*seal.DataKey, error) {
	key, err := version.Unwrap(id.key(contentsName), f.Key)
	if err != nil {
		return nil, noKeys(errors.New("contents.json has the key of another version"))
	}
	return key, nil
}

// versionKey opens the version key of a version that has its keys.
func (s *Store) versionKey(ctx context.Context, p *Published) (ID, *seal.DataKey, error) {
	o := p.Offer.Body()
	id := ID{Owner: s.owner, Dataset: o.Dataset, Version: o.Version}
	src, err := os.ReadFile(filepath.Join(s.folder(o.Dataset, o.Version), "keys.json"))
	if err != nil {
		return id, nil, noKeys(fmt.Errorf("%w is missing", errFile))
	}
	w, err := parseKeys(id, src)
	if err != nil {
		return id, nil, err
	}
	version, err := s.keys.Unwrap(ctx, id.key(seal.VersionKey), w.Key)
	if err != nil {
		return id, nil, noKeys(err)
	}
	return id, version, nil
}

// Unchanged reports whether the newest version of the data set, retired or not, has these contents.
func (s *Store) Unchanged(ctx context.Context, dataset string, c Contents) (newest *Published, unchanged bool, err error) {
	for _, p := range s.List() {
		if p.Offer.Body().Dataset == dataset {
			newest = &p
		}
	}
	if newest == nil {
		return nil, false, nil
	}
	unchanged, err = s.has(ctx, newest, c)
	return newest, unchanged, err
}

// first is the oldest version of the data set with these contents, or "".
func (s *Store) first(ctx context.Context, dataset string, c Contents) (statement.Digest, error) {
	for _, p := range s.List() {
		if p.Offer.Body().Dataset != dataset {
			continue
		}
		if same, err := s.has(ctx, &p, c); err != nil {
			return "", err
		} else if same {
			return p.Offer.Digest(), nil
		}
	}
	return "", nil
}

// HasContents reports whether a version has these contents, as far as its mark tells.
func (s *Store) HasContents(ctx context.Context, offer statement.Digest, c Contents) (bool, error) {
	p, ok := s.Get(offer)
	if !ok {
		return false, nil
	}
	return s.has(ctx, &p, c)
}

// has compares with a version. One that was published before marks were kept has none, nor has one whose keys were destroyed: they
// count as others. So does one under another contents key, where files of several folders were mixed.
func (s *Store) has(ctx context.Context, p *Published, c Contents) (bool, error) {
	have, err := readContents(s.folder(p.Offer.Body().Dataset, p.Offer.Body().Version))
	if errors.Is(err, fs.ErrNotExist) || p.Destroyed {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	id, version, err := s.versionKey(ctx, p)
	if err != nil {
		return false, err
	}
	defer version.Wipe()
	digest, comparable, err := c.of(id, version, &have)
	if err != nil || !comparable {
		return false, err
	}
	want, err := mark(id, version, digest)
	return err == nil && hmac.Equal(want, have.Mark), err
}

// of is the digest that a version's mark is of, if there is one.
func (c *Contents) of(id ID, version *seal.DataKey, have *contentsFile) (_ Digest, comparable bool, err error) {
	if have.Format == oldContentsFormat {
		if !c.Key.old {
			return Digest{}, false, errors.New("dataset: contents were not digested in the old way")
		}
		return c.Old, true, nil
	}
	key, err := unwrapContents(id, version, have)
	if err != nil {
		return Digest{}, false, err
	}
	defer key.Wipe()
	return c.Sum, hmac.Equal(key.LendUnsafe(), c.Key.key.LendUnsafe()), nil
}

// writeContents stores a version's mark and, wrapped, the key that its contents were digested under.
func (s *Store) writeContents(id ID, version *seal.DataKey, c Contents, same statement.Digest) error {
	m, err := mark(id, version, c.Sum)
	if err != nil {
		return err
	}
	key, err := version.Wrap(id.key(contentsName), c.Key.key)
	if err != nil {
		return err
	}
	b, err := statement.Marshal(contentsFile{Format: ContentsFormat, Key: key, Mark: m, Same: same})
	if err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(s.folder(id.Dataset, id.Version), "contents.json"), b)
}

func readContents(folder string) (contentsFile, error) {
	var f contentsFile
	b, err := os.ReadFile(filepath.Join(folder, "contents.json"))
	if err != nil {
		return f, err
	}
	if err := statement.Unmarshal(b, &f); err != nil || !f.valid() {
		return contentsFile{}, noKeys(errors.New("contents.json is damaged"))
	}
	return f, nil
}

func (f *contentsFile) valid() bool {
	keyed := f.Format == ContentsFormat && len(f.Key) > 0 || f.Format == oldContentsFormat && len(f.Key) == 0
	return keyed && len(f.Mark) == sha256.Size && (f.Same == "" || f.Same.Valid())
}

// sameAs reads which version had a version's contents first.
func sameAs(folder string) (statement.Digest, error) {
	f, err := readContents(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return f.Same, err
}
