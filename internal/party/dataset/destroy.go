package dataset

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/statement"
)

// DestroyedFormat names the format of destroyed.json, with its version.
const DestroyedFormat = "cordon-destroyed/1"

// destroyedFile is destroyed.json: from when it is there, the version has no keys.
type destroyedFile struct {
	Format string           `json:"format"`
	Offer  statement.Digest `json:"offer"`
	AtMS   int64            `json:"at_ms"`
}

// Destroy ends the keys of a retired version: all wrapped keys, and with them the version key, which exists nowhere else. What it
// can't reach are copies: backups, and blocks that a file system or a drive keeps. It is durable on return; interrupted, it is
// finished by the next Open.
func (s *Store) Destroy(offer statement.Digest, atMS int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.versions[offer]
	if p == nil || !p.Retired {
		return errors.New("dataset: only a retired version's keys are destroyed")
	}
	o := p.Offer.Body()
	b, err := statement.Marshal(destroyedFile{Format: DestroyedFormat, Offer: offer, AtMS: atMS})
	if err != nil {
		return err
	}
	folder := s.folder(o.Dataset, o.Version)
	if !p.Destroyed {
		if err := home.WriteFile(filepath.Join(folder, "destroyed.json"), b); err != nil {
			return err
		}
	}
	destroyed := *p
	destroyed.Destroyed = true
	s.versions[offer] = &destroyed
	return erase(folder)
}

// erase overwrites and removes what could open the version, and what its key could be tested with. Unfinished writes of before a
// crash are copies of the same.
func erase(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, ".new-*"))
	if err != nil {
		return err
	}
	for _, f := range append(files, filepath.Join(folder, "keys.json"), filepath.Join(folder, "contents.json")) {
		if err := shred(f); err != nil {
			return home.Storage("can't destroy "+filepath.Base(f), err)
		}
	}
	return home.SyncDir(folder)
}

func shred(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(overwrite(f), f.Close()); err != nil {
		return err
	}
	return os.Remove(file)
}

func overwrite(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	noise := make([]byte, st.Size())
	if _, err := rand.Read(noise); err != nil {
		return err
	}
	if _, err := f.WriteAt(noise, 0); err != nil {
		return err
	}
	return f.Sync()
}

// destroyed reads whether the version's keys were destroyed, and finishes that.
func destroyed(folder string, offer statement.Digest) (bool, error) {
	b, err := os.ReadFile(filepath.Join(folder, "destroyed.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var d destroyedFile
	if err := statement.Unmarshal(b, &d); err != nil || d.Format != DestroyedFormat || d.Offer != offer {
		return false, fault.New(fault.Input, "destroyed.json is damaged", "restore the home folder from a backup", err)
	}
	return true, erase(folder)
}
