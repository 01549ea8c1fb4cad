package recovery

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/recovery/shamir"
	"github.com/cordon-exchange/cordon/statement"
)

// Recovered is what a backup held.
type Recovered struct {
	Ring  *keyring.Keyring
	files []storedFile
}

// Open combines shares and opens the backup. Each share must be the one that the manifest commits to.
func Open(manifest, data []byte, shares []*Share) (*Recovered, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	parts, err := m.accept(shares)
	if err != nil {
		return nil, err
	}
	secret, err := shamir.Combine(parts)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, err := age.ParseHybridIdentity(string(secret))
	if err != nil {
		return nil, damaged("manifest.json", errors.New("its shares give no key"))
	}
	plain, err := decrypt(data, maxPayload, key)
	if errors.Is(err, ErrSealed) {
		return nil, fault.New(fault.Untrusted, "backup.age is of another backup than manifest.json", "use the two that were made together", ErrOther)
	}
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return m.unpack(manifest, plain)
}

// accept sorts out shares: each once, of this backup, unchanged, and as many as it takes.
func (m *Manifest) accept(shares []*Share) ([]shamir.Share, error) {
	have := map[int64]bool{}
	var parts []shamir.Share
	for _, s := range shares {
		if s.backup != m.ID {
			return nil, fault.New(fault.Untrusted, fmt.Sprintf("share %d is of another backup", s.Number()), "ask its custodian for the share of backup "+m.ID, ErrOther)
		}
		if s.Number() > int64(len(m.Shares)) || commitment(m.ID, s.s) != m.Shares[s.Number()-1].Commitment {
			return nil, fault.New(fault.Untrusted, fmt.Sprintf("share %d was changed: it is not the one that was made", s.Number()), "use another copy of it, or another custodian's", ErrShare)
		}
		if !have[s.Number()] {
			have[s.Number()] = true
			parts = append(parts, s.s)
		}
	}
	if int64(len(parts)) < m.Threshold {
		var missing []string
		for _, c := range m.Shares {
			if !have[c.Number] {
				missing = append(missing, c.Name)
			}
		}
		return nil, fault.New(fault.NoKey, fmt.Sprintf("%d shares of %d that it takes", len(parts), m.Threshold), "ask one of these custodians: "+strings.Join(missing, ", "), ErrFew)
	}
	return parts, nil
}

func (m *Manifest) unpack(manifest, plain []byte) (*Recovered, error) {
	p, err := parsePayload(plain)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(p.Manifest, manifest) {
		return nil, fault.New(fault.Untrusted, "manifest.json was changed", "use another copy of it", ErrFormat)
	}
	ring, err := keyring.Import(p.Keyring)
	if err != nil {
		return nil, err
	}
	if ring.Fingerprint() != m.Owner || ring.Name() != m.Name {
		return nil, damaged("backup.age", errors.New("another party's keyring"))
	}
	return &Recovered{Ring: ring, files: p.Files}, nil
}

func parsePayload(plain []byte) (*payload, error) {
	var p payload
	if err := statement.UnmarshalUpTo(plain, maxPayload, &p); err != nil || p.Format != PayloadFormat {
		return nil, damaged("backup.age", errors.New("not "+PayloadFormat))
	}
	seen := map[string]bool{}
	for _, f := range p.Files {
		if !kept(f.Path) || seen[f.Path] {
			return nil, damaged("backup.age", errors.New("a file that no backup holds"))
		}
		seen[f.Path] = true
	}
	return &p, nil
}

// WriteTo puts the files into a new home folder. The keyring is the caller's to write, last: without it the folder is no party.
func (r *Recovered) WriteTo(dir home.Dir) error {
	for _, f := range r.files {
		path := filepath.Join(dir.Path(), filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return home.Storage("can't make folder", err)
		}
		if err := home.WriteFile(path, f.Data); err != nil {
			return err
		}
	}
	return nil
}
