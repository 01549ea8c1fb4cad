package exchange

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// Settler is the exchange's settlement key: what it signs, owners believe as far as they said. It signs settlements, opens nothing,
// and is no party.
type Settler struct{ key ed25519.PrivateKey }

// SettlerFile is the name of its file in the exchange's home. Exchanges over one database share one key.
const SettlerFile = "settlement.key"

const settlerPrefix = "cordon-settlement-key/1 "

// Public key.
func (s *Settler) Public() statement.PublicKey { return statement.PublicKey(s.key[ed25519.SeedSize:]) }

// Sign signs.
func (s *Settler) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// ReadSettler reads the key.
func ReadSettler(file string) (*Settler, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fault.New(fault.NoKey, "settlement key can't be read", "make one: 'cordon exchange settler --home DIR'", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.NoKey, "settlement key can be read by others", "chmod 600 "+file, nil)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.New(fault.NoKey, "settlement key can't be read", "check its owner and mode", err)
	}
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(b), "\n"), settlerPrefix)
	seed, err := hex.DecodeString(text)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, fault.New(fault.NoKey, "settlement key is damaged", "restore it from a backup, or make another, which owners have to name anew", nil)
	}
	return &Settler{ed25519.NewKeyFromSeed(seed)}, nil
}

// MakeSettler makes a key in a file, unless there is one, and reads it.
func MakeSettler(file string) (*Settler, error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return ReadSettler(file)
	}
	var seed [ed25519.SeedSize]byte
	rand.Read(seed[:]) // never fails
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, fault.New(fault.LocalStorage, "settlement key can't be written", "check the folder's owner and mode", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fault.New(fault.LocalStorage, "settlement key can't be written", "check the folder's owner and mode", err)
	}
	_, err = f.WriteString(settlerPrefix + hex.EncodeToString(seed[:]) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fault.New(fault.LocalStorage, "settlement key can't be written", "make room, remove what is left of "+file+", and try again", err)
	}
	return ReadSettler(file)
}
