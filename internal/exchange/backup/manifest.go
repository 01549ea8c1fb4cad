package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
)

// Sentinel errors, one per reason.
var (
	ErrNoBackup = errors.New("backup: no whole backup is there")
	ErrChanged  = errors.New("backup: a file is not the one that was written")
	ErrNotEmpty = errors.New("backup: something is there already")
	ErrUnfinish = errors.New("backup: an earlier run left something behind")
)

const (
	manifestType = "cordon/exchange-backup/v1"
	manifestName = "manifest.json"
	storeName    = "exchange.db"
	objectsName  = "objects"
	maxManifest  = 1 << 30 // bytes; some five million objects
	unfinished   = ".partial"
)

// Manifest says what a backup holds. It is written last.
type Manifest struct {
	Type     string   `json:"type"`
	Exchange string   `json:"exchange"` // id
	Schema   int64    `json:"schema"`
	MadeMS   int64    `json:"made_ms"`
	Store    File     `json:"store"`
	Copied   bool     `json:"copied,omitempty"`  // objects are in the backup as well
	Objects  []Object `json:"objects,omitempty"` // that offers in force name, in the order of their paths
}

// File of a backup.
type File struct {
	Bytes  int64            `json:"bytes"`
	Digest statement.Digest `json:"digest"`
}

// Object of the lake.
type Object struct {
	Path   string           `json:"path"`
	Bytes  int64            `json:"bytes"`
	Digest statement.Digest `json:"digest,omitempty"` // where it was copied
}

// Read reads and checks a backup's manifest.
func Read(dir string) (*Manifest, error) {
	name := filepath.Join(dir, manifestName)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoBackup
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxManifest {
		return nil, fmt.Errorf("%w: its manifest is too large", ErrNoBackup)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var m Manifest
	if err := statement.UnmarshalUpTo(b, maxManifest, &m); err != nil {
		return nil, fmt.Errorf("%w: its manifest is malformed", ErrNoBackup)
	}
	if err := m.valid(); err != nil {
		return nil, err
	}
	return &m, nil
}

func (m *Manifest) valid() error {
	bad := func(what string) error { return fmt.Errorf("%w: its manifest has a malformed %s", ErrNoBackup, what) }
	if m.Type != manifestType {
		return bad("type, or is of another version")
	}
	if m.Store.Bytes <= 0 || !m.Store.Digest.Valid() || m.Schema < 1 || m.Exchange == "" {
		return bad("store")
	}
	before := ""
	for _, o := range m.Objects {
		// The path becomes the name of a file: only the lake's own form is one.
		_, ok := wire.ObjectOwner(o.Path)
		if !ok || o.Path <= before || o.Bytes < 0 || m.Copied != o.Digest.Valid() || !m.Copied && o.Digest != "" {
			return bad("object")
		}
		before = o.Path
	}
	return nil
}
