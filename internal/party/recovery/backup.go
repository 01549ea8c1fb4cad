package recovery

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/recovery/shamir"
	"github.com/cordon-exchange/cordon/statement"
)

// PayloadFormat names the format of what a backup encrypts, with its version.
const PayloadFormat = "cordon-recovery/1"

// maxPayload bounds what a backup holds: keys, offers and grants, never data.
const maxPayload = 64 << 20

// payload is the encrypted part.
type payload struct {
	Format   string       `json:"format"`
	Manifest []byte       `json:"manifest"` // as it stands beside, byte for byte
	Keyring  []byte       `json:"keyring"`
	Files    []storedFile `json:"files"`
}

type storedFile struct {
	Path string `json:"path"` // below the home folder, with /
	Data []byte `json:"data"`
}

// To names a custodian.
type To struct {
	Name      string
	Recipient string
}

// Options of a backup. All are required.
type Options struct {
	Home       home.Dir
	Ring       *keyring.Keyring
	Ledger     statement.LedgerHead
	KeyStore   string
	Versions   []Version
	Custodians []To
	Threshold  int
	AtMS       int64
}

// Backup is what is given away: data to keep anywhere, and a sealed share for each custodian.
type Backup struct {
	Manifest *Manifest
	Encoded  []byte   // of the manifest
	Data     []byte   // an age file
	Shares   [][]byte // age files, in the manifest's order
}

// Make reads the home folder, encrypts it under a fresh key, and splits that.
func Make(o Options) (*Backup, error) {
	m, err := o.manifest()
	if err != nil {
		return nil, err
	}
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, err
	}
	parts, err := shamir.Split([]byte(key.String()), len(o.Custodians), o.Threshold)
	if err != nil {
		return nil, fault.New(fault.Usage, "these shares can't be made", "a threshold is at least 2, and at most the number of custodians", err)
	}
	b := &Backup{Manifest: m}
	for i, p := range parts {
		m.Shares[i].Commitment = commitment(m.ID, p)
		s := &Share{backup: m.ID, owner: m.Owner, s: p}
		sealed, err := s.Seal(o.Custodians[i].Recipient)
		if err != nil {
			return nil, err
		}
		clear(p.Y)
		b.Shares = append(b.Shares, sealed)
	}
	if b.Encoded, err = statement.Marshal(m); err != nil {
		return nil, err
	}
	plain, err := o.payload(b.Encoded)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	b.Data, err = keyring.EncryptTo(plain, key.Recipient())
	return b, err
}

func (o *Options) manifest() (*Manifest, error) {
	id := make([]byte, idSize)
	if _, err := rand.Read(id); err != nil {
		return nil, err
	}
	m := &Manifest{
		Format: ManifestFormat, ID: hex.EncodeToString(id), Owner: o.Ring.Fingerprint(), Name: o.Ring.Name(), AtMS: o.AtMS,
		Threshold: int64(o.Threshold), Shares: []Custodian{}, KeyStore: o.KeyStore, Ledger: o.Ledger, Versions: append([]Version{}, o.Versions...),
	}
	for i, c := range o.Custodians {
		if !statement.ValidName(c.Name) || slices.ContainsFunc(o.Custodians[:i], func(d To) bool { return d.Name == c.Name || d.Recipient == c.Recipient }) {
			return nil, fault.New(fault.Usage, "a custodian's name is malformed, or two are the same", "each has a name of lower-case letters, digits and _, and a recipient of its own", nil)
		}
		m.Shares = append(m.Shares, Custodian{Number: int64(i + 1), Name: c.Name, Recipient: c.Recipient})
	}
	return m, nil
}

func (o *Options) payload(manifest []byte) ([]byte, error) {
	ring, err := o.Ring.ExportUnsafe()
	if err != nil {
		return nil, err
	}
	defer clear(ring)
	files, err := collect(o.Home.Path())
	if err != nil {
		return nil, err
	}
	plain, err := statement.Marshal(payload{Format: PayloadFormat, Manifest: manifest, Keyring: ring, Files: files})
	if err == nil && len(plain) > maxPayload {
		return nil, fault.New(fault.Input, "the home folder is too large for a backup", "it may hold 64 MiB beside ledger and jobs", nil)
	}
	return plain, err
}

// collect reads what a party can't do without: all but the keyring, which is exported; the ledger, whose newest copy alone is good;
// jobs; backups; and what a running agent leaves.
func collect(root string) ([]storedFile, error) {
	out := []storedFile{}
	total := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel = filepath.ToSlash(rel); d.IsDir() {
			if rel != "." && !kept(rel+"/x") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !kept(rel) {
			return nil
		}
		b, err := os.ReadFile(path)
		if total += len(b); err == nil && total > maxPayload {
			err = errors.New("too large")
		}
		out = append(out, storedFile{Path: rel, Data: b})
		return err
	})
	if err != nil {
		return nil, home.Storage("can't read the home folder", err)
	}
	return out, nil
}

// kept reports whether a file of the home folder belongs in a backup, and may come out of one.
func kept(path string) bool {
	if !statement.ValidObject(path) || strings.HasPrefix(path, ".") || strings.Contains(path, "/.") {
		return false
	}
	top, _, below := strings.Cut(path, "/")
	switch top {
	case "ledger", "jobs", "backups":
		return !below
	case "keyring.age", "agent.sock", "agent.lock":
		return false
	}
	return true
}

// Remember keeps the manifest in the home folder, where 'key destroy' finds it: before any share is given away.
func Remember(dir home.Dir, b *Backup) error {
	if err := home.MkdirAll(dir.Backups()); err != nil {
		return err
	}
	return home.WriteFile(filepath.Join(dir.Backups(), b.Manifest.ID+".json"), b.Encoded)
}

// Remembered lists the manifests of all backups that were made here, oldest first.
func Remembered(dir home.Dir) ([]*Manifest, error) {
	files, err := filepath.Glob(filepath.Join(dir.Backups(), "*.json"))
	if err != nil {
		return nil, err
	}
	var out []*Manifest
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			return nil, home.Storage("can't read a manifest", err)
		}
		m, err := ParseManifest(src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b *Manifest) int { return int(min(1, max(-1, a.AtMS-b.AtMS))) })
	return out, nil
}
