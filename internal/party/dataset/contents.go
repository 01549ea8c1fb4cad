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

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// ContentsFormat names the format of contents.json, with its version.
const ContentsFormat = "cordon-contents/1"

// Contents is a digest of rows in clear. It never leaves the agent's memory: contents.json has a mark of it alone.
type Contents [sha256.Size]byte

// contentsFile is contents.json: docs/spec/keyring.md, section 5.
type contentsFile struct {
	Format string           `json:"format"`
	Mark   []byte           `json:"mark"`
	Same   statement.Digest `json:"same,omitempty"` // the first version with equal contents
}

// mark is a MAC of the contents under a key that only the version key gives, and so only the keyring: contents can be
// guessed, and whoever has the folder alone must not be able to test a guess.
func mark(id ID, version *seal.DataKey, c Contents) ([]byte, error) {
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

// has compares with a version. One that was published before marks were kept has none, nor has one whose keys were destroyed: they count as others.
func (s *Store) has(ctx context.Context, p *Published, c Contents) (bool, error) {
	o := p.Offer.Body()
	id := ID{Owner: s.owner, Dataset: o.Dataset, Version: o.Version}
	have, err := readContents(s.folder(o.Dataset, o.Version))
	if errors.Is(err, fs.ErrNotExist) || p.Destroyed {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	src, err := os.ReadFile(filepath.Join(s.folder(o.Dataset, o.Version), "keys.json"))
	if err != nil {
		return false, noKeys(fmt.Errorf("%w is missing", errFile))
	}
	w, err := parseKeys(id, src)
	if err != nil {
		return false, err
	}
	version, err := s.keys.Unwrap(ctx, id.key(seal.VersionKey), w.Key)
	if err != nil {
		return false, noKeys(err)
	}
	defer version.Wipe()
	want, err := mark(id, version, c)
	return err == nil && hmac.Equal(want, have.Mark), err
}

func (s *Store) writeContents(id ID, m []byte, same statement.Digest) error {
	b, err := statement.Marshal(contentsFile{Format: ContentsFormat, Mark: m, Same: same})
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
	if err := statement.Unmarshal(b, &f); err != nil || f.Format != ContentsFormat || len(f.Mark) != sha256.Size || f.Same != "" && !f.Same.Valid() {
		return contentsFile{}, noKeys(errors.New("contents.json is damaged"))
	}
	return f, nil
}

// sameAs reads which version had a version's contents first.
func sameAs(folder string) (statement.Digest, error) {
	f, err := readContents(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return f.Same, err
}
