package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"os"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// Passphrase protects a keyring. The zero value is refused.
type Passphrase struct {
	_    [0]func()
	text []byte
}

const (
	generatedPrefix = "cordon-passphrase-"
	generatedBytes  = 20
	minPassphrase   = 8
	maxPassphrase   = 1024
)

// GeneratePassphrase makes a random one of 160 bits.
func GeneratePassphrase() (Passphrase, error) {
	b := make([]byte, generatedBytes)
	if _, err := rand.Read(b); err != nil {
		return Passphrase{}, err
	}
	return Passphrase{text: []byte(generatedPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b)))}, nil
}

// NewPassphrase takes what a person typed or a file holds; one line end behind it does not count.
func NewPassphrase(b []byte) (Passphrase, error) {
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	if len(b) < minPassphrase || len(b) > maxPassphrase || bytes.ContainsAny(b, "\r\n") {
		return Passphrase{}, fault.New(fault.NoKey, "the passphrase is empty, shorter than 8 characters or has several lines", "put at least 8 characters on one line", nil)
	}
	return Passphrase{text: bytes.Clone(b)}, nil
}

// ReadPassphrase reads one from a file.
func ReadPassphrase(path string) (Passphrase, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Passphrase{}, fault.New(fault.NoKey, "can't read the passphrase file", "check --passphrase-file", err)
	}
	return NewPassphrase(b)
}

// WriteTo writes it to a new file that only its owner reads. A file that exists is never overwritten.
func (p Passphrase) WriteTo(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the passphrase file", "name a file that does not exist yet", err)
	}
	_, err = f.Write(append(bytes.Clone(p.text), '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the passphrase file", "check free space", err)
	}
	return nil
}

func (p Passphrase) String() string   { return "keyring.Passphrase" }
func (p Passphrase) GoString() string { return "keyring.Passphrase" }

// workFactor is low only for passphrases in the form that GeneratePassphrase gives.
func (p Passphrase) workFactor() int {
	rest, ok := bytes.CutPrefix(p.text, []byte(generatedPrefix))
	raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(string(rest)))
	if ok && err == nil && len(raw) == generatedBytes {
		return randomWorkFactor
	}
	return humanWorkFactor
}
