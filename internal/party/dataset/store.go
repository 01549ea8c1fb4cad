package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"sync"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Published is one version that this party offers, or offered.
type Published struct {
	Offer   *statement.Verified[statement.Offer]
	Policy  *policy.Policy
	Retired bool
	// Destroyed says that the version has no keys any more: it is retired, too.
	Destroyed bool
	// Same is the first version with equal contents, as far as this owner's agent noticed; empty for that version itself.
	Same statement.Digest
}

// Store keeps the versions of one owner in its home folder. It is safe for concurrent use.
type Store struct {
	dir   string
	owner statement.Fingerprint
	keys  keystore.KeyStore

	mu       sync.Mutex
	versions map[statement.Digest]*Published
}

// Open reads all offers in the folder and verifies the owner's signature on each.
func Open(dir home.Dir, owner statement.Fingerprint, keys keystore.KeyStore) (*Store, error) {
	s := &Store{dir: dir.Datasets(), owner: owner, keys: keys, versions: map[statement.Digest]*Published{}}
	files, err := filepath.Glob(filepath.Join(s.dir, "*", "*", "offer.json"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := s.load(f); err != nil {
			return nil, fault.New(fault.Untrusted, "a stored offer can't be trusted", "restore the home folder from a backup: "+f, err)
		}
	}
	return s, nil
}

func (s *Store) load(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	e, err := statement.ParseEnvelope(b)
	if err != nil {
		return err
	}
	v, err := statement.Verify[statement.Offer](e, s.owner)
	if err != nil {
		return err
	}
	if v.Body().Owner != s.owner || s.folder(v.Body().Dataset, v.Body().Version) != filepath.Dir(file) {
		return errors.New("offer of another owner or version")
	}
	p, err := policy.Parse([]byte(v.Body().Policy))
	if err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(filepath.Dir(file), "retired.json"))
	retired := !errors.Is(err, fs.ErrNotExist) // unreadable counts as retired
	same, err := sameAs(filepath.Dir(file))
	if err != nil {
		return err
	}
	gone, err := destroyed(filepath.Dir(file), v.Digest())
	if err != nil {
		return err
	}
	s.versions[v.Digest()] = &Published{Offer: v, Policy: p, Retired: retired || gone, Destroyed: gone, Same: same}
	return nil
}

func (s *Store) folder(dataset, version string) string { return filepath.Join(s.dir, dataset, version) }

// NextVersion is the first number that no version of the data set has.
func (s *Store) NextVersion(dataset string) string {
	for n := 1; ; n++ {
		if _, err := os.Stat(s.folder(dataset, strconv.Itoa(n))); errors.Is(err, fs.ErrNotExist) {
			return strconv.Itoa(n)
		}
	}
}

// Spool makes a file in the owner's folder for ciphertext that waits for its upload. Where a file can be open without a name it has
// none, so that nothing is left of it if this process dies; else the caller removes it.
func (s *Store) Spool() (*os.File, error) {
	if err := home.MkdirAll(s.dir); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(s.dir, ".sealed-*") // 0600
	if err != nil {
		return nil, home.Storage("can't write what was sealed", err)
	}
	if runtime.GOOS != "windows" {
		err = os.Remove(f.Name())
	}
	if err != nil {
		f.Close()
		return nil, home.Storage("can't write what was sealed", err)
	}
	return f, nil
}

// Begin reserves the version and stores its wrapped keys and the mark of its contents. They are durable when it returns:
// an offer must never be posted whose keys could be lost.
func (s *Store) Begin(ctx context.Context, k *Keys, c Contents) error {
	dir := s.folder(k.id.Dataset, k.id.Version)
	if _, err := os.Stat(filepath.Join(dir, "offer.json")); err == nil {
		return fault.New(fault.Usage, "this version is published already", "choose another --version", nil)
	}
	if c.Key == nil {
		return errors.New("dataset: contents without their key")
	}
	same, err := s.first(ctx, k.id.Dataset, c)
	if err != nil {
		return err
	}
	if err := home.MkdirAll(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := home.MkdirAll(dir); err != nil {
		return err
	}
	version, err := seal.NewDataKey()
	if err != nil {
		return err
	}
	defer version.Wipe()
	b, err := k.wrap(ctx, s.keys, version)
	if err != nil {
		return err
	}
	if err := s.writeContents(k.id, version, c, same); err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(dir, "keys.json"), b)
}

// Finish stores the signed offer durably.
func (s *Store) Finish(e *statement.Envelope) error {
	v, err := statement.Verify[statement.Offer](e, s.owner)
	if err != nil {
		return err
	}
	p, err := policy.Parse([]byte(v.Body().Policy))
	if err != nil {
		return err
	}
	if _, noise := v.Body().Commitment(statement.NoiseKey); noise != p.Noisy() {
		return errors.New("dataset: an offer has a noise key if its policy says output: dp, and only then")
	}
	folder := s.folder(v.Body().Dataset, v.Body().Version)
	same, err := sameAs(folder)
	if err != nil {
		return err
	}
	if err := home.WriteFile(filepath.Join(folder, "offer.json"), e.Bytes()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[v.Digest()] = &Published{Offer: v, Policy: p, Same: same}
	return nil
}

// Retire stores the signed revocation durably: no key of the version is released from now on.
func (s *Store) Retire(offer statement.Digest, revocation *statement.Envelope) error {
	v, err := statement.Verify[statement.Revocation](revocation, s.owner)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.versions[offer]
	if p == nil || v.Body().Revokes != offer {
		return errors.New("dataset: revocation of another statement")
	}
	b := p.Offer.Body()
	if err := home.WriteFile(filepath.Join(s.folder(b.Dataset, b.Version), "retired.json"), revocation.Bytes()); err != nil {
		return err
	}
	retired := *p
	retired.Retired = true
	s.versions[offer] = &retired
	return nil
}

// Get returns a version by the digest of its offer.
func (s *Store) Get(offer statement.Digest) (Published, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.versions[offer]
	if !ok {
		return Published{}, false
	}
	return *p, true
}

// List returns all versions, by data set and then oldest first.
func (s *Store) List() []Published {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Published, 0, len(s.versions))
	for _, p := range s.versions {
		out = append(out, *p)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i].Offer.Body(), out[j].Offer.Body()
		if a.Dataset != b.Dataset {
			return a.Dataset < b.Dataset
		}
		if a.CreatedMS != b.CreatedMS {
			return a.CreatedMS < b.CreatedMS
		}
		return a.Version < b.Version
	})
	return out
}

// ReplacedBy returns the newest of the versions that came after this one, retired or not.
func (s *Store) ReplacedBy(offer statement.Digest) (Published, bool) {
	var found Published
	after := false
	own, ok := s.Get(offer)
	for _, p := range s.List() {
		switch {
		case !ok || p.Offer.Body().Dataset != own.Offer.Body().Dataset:
		case p.Offer.Digest() == offer:
			after = true
		case after:
			found = p
		}
	}
	return found, found.Offer != nil
}

// Latest returns the newest version of a data set that is not retired.
func (s *Store) Latest(dataset string) (Published, bool) {
	var found Published
	for _, p := range s.List() {
		if p.Offer.Body().Dataset == dataset && !p.Retired {
			found = p
		}
	}
	return found, found.Offer != nil
}

// Closed is a version on offer whose keys do not open, and why.
type Closed struct {
	Published
	Err error
}

// Closed lists the versions on offer whose keys do not open: a KEK or keys.json is missing, or the key store can't be used. Every
// job over one is refused, and its owner should learn that before others do. A key store that does not answer is asked once.
func (s *Store) Closed(ctx context.Context) []Closed {
	var out []Closed
	var away error
	for _, p := range s.List() {
		if p.Retired {
			continue
		}
		err := away
		if err == nil {
			err = s.opens(ctx, p.Offer.Body())
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, keystore.ErrMissing) && !errors.Is(err, keystore.ErrRefused) && !errors.Is(err, errFile) {
			away = err
		}
		out = append(out, Closed{Published: p, Err: err})
	}
	return out
}

func (s *Store) opens(ctx context.Context, o *statement.Offer) error {
	keys, err := s.unwrap(ctx, o, []string{statement.FooterKey})
	for _, k := range keys {
		k.Wipe()
	}
	return err
}

func (s *Store) unwrap(ctx context.Context, o *statement.Offer, names []string) (map[string]*seal.DataKey, error) {
	src, err := os.ReadFile(filepath.Join(s.folder(o.Dataset, o.Version), "keys.json"))
	if err != nil {
		return nil, noKeys(fmt.Errorf("%w is missing", errFile))
	}
	return unwrap(ctx, s.keys, ID{Owner: s.owner, Dataset: o.Dataset, Version: o.Version}, src, names)
}

// Release opens the keys of just the named columns, statement.NoiseKey maybe
// among them, and of the footer, and checks each against the offer's commitment
// before it leaves this package.
func (s *Store) Release(ctx context.Context, offer statement.Digest, columns []string) (*statement.OfferKeys, error) {
	p, ok := s.Get(offer)
	if p.Destroyed {
		return nil, noKeys(errors.New("they were destroyed"))
	}
	if !ok || p.Retired {
		return nil, noKeys(errors.New("no such version, or it is retired"))
	}
	o := p.Offer.Body()
	id := ID{Owner: s.owner, Dataset: o.Dataset, Version: o.Version}
	keys, err := s.unwrap(ctx, o, append(slices.Clone(columns), statement.FooterKey))
	if err != nil {
		return nil, err
	}
	out := &statement.OfferKeys{Offer: offer, Footer: keys[statement.FooterKey].BytesUnsafe(), Column: []statement.ColumnKey{}}
	for name, k := range keys {
		commit, ok := o.Commitment(name)
		if !ok || !seal.Committed(id.key(name), k, commit) {
			return nil, noKeys(fmt.Errorf("key of column %s is not the one committed to", name))
		}
	}
	for _, c := range columns {
		out.Column = append(out.Column, statement.ColumnKey{Column: c, Key: keys[c].BytesUnsafe()})
		keys[c].Wipe()
	}
	keys[statement.FooterKey].Wipe()
	return out, nil
}
