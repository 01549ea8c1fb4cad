package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/pme"
)

// maxKeysFile bounds a keys file: 32,768 columns with long paths fit.
const maxKeysFile = 16 << 20

// parquetKeys are the contents of a keys file.
type parquetKeys struct {
	keys      pme.Keys
	aadPrefix []byte // nil if absent
}

const keysHint = `a keys file is {"footer": base64, "columns": {"path.in.schema": base64}, "aad_prefix": text}, keys of 16, 24 or 32 bytes`

func readParquetKeys(path string) (*parquetKeys, error) {
	src, err := readBounded(path, maxKeysFile)
	if err != nil {
		return nil, fault.New(fault.Input, "can't read the keys file", keysHint, err)
	}
	k, err := parseParquetKeys(src)
	if err != nil {
		return nil, fault.New(fault.Input, "can't use the keys file", keysHint, err)
	}
	return k, nil
}

// parseParquetKeys decodes a keys file strictly: unknown, repeated and null members, other key sizes, loose base64 and
// anything behind the object are refused. Errors name members, never what is in them.
func parseParquetKeys(src []byte) (*parquetKeys, error) {
	if !utf8.Valid(src) {
		return nil, errors.New("not UTF-8")
	}
	d := keysDecoder{json.NewDecoder(bytes.NewReader(src))}
	k := &parquetKeys{}
	err := d.object(func(name string) (err error) {
		switch name {
		case "footer":
			k.keys.Footer, err = d.key(name)
		case "columns":
			k.keys.Columns, err = d.columns()
		case "aad_prefix":
			k.aadPrefix, err = d.text(name)
		default:
			err = fmt.Errorf("unknown member %q", name)
		}
		return err
	})
	if err == nil {
		err = d.end()
	}
	if err == nil && k.keys.Footer == nil {
		err = errors.New("no footer key")
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

type keysDecoder struct{ *json.Decoder }

// object reads an object and calls member after each name, which must be new.
func (d keysDecoder) object(member func(name string) error) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok || strings.ContainsRune(name, utf8.RuneError) {
			return errors.New("not JSON")
		}
		if seen[name] {
			return fmt.Errorf("member %q twice", name)
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("not JSON")
	}
	return nil
}

func (d keysDecoder) end() error {
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

func (d keysDecoder) text(name string) ([]byte, error) {
	t, err := d.Token()
	s, ok := t.(string)
	if err != nil || !ok || s == "" || strings.ContainsRune(s, utf8.RuneError) {
		return nil, fmt.Errorf("%q is not text", name)
	}
	return []byte(s), nil
}

func (d keysDecoder) key(name string) ([]byte, error) {
	s, err := d.text(name)
	if err != nil {
		return nil, err
	}
	// The library skips line breaks within base64; one encoding per key.
	if bytes.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("%q is not base64", name)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(string(s))
	if err != nil {
		return nil, fmt.Errorf("%q is not base64", name)
	}
	if n := len(key); n != 16 && n != 24 && n != 32 {
		return nil, fmt.Errorf("%q is no key of 16, 24 or 32 bytes", name)
	}
	return key, nil
}

func (d keysDecoder) columns() (map[string][]byte, error) {
	out := make(map[string][]byte)
	err := d.object(func(path string) error {
		key, err := d.key(path)
		out[path] = key
		return err
	})
	return out, err
}

// newParquetKeys makes fresh 256-bit keys for these columns.
func newParquetKeys(columns []string, aadPrefix string) *parquetKeys {
	k := &parquetKeys{keys: pme.Keys{Footer: randomBytes(32), Columns: make(map[string][]byte, len(columns))}}
	for _, c := range columns {
		k.keys.Columns[c] = randomBytes(32)
	}
	if aadPrefix == "" {
		aadPrefix = "file-" + hex.EncodeToString(randomBytes(16))
	}
	k.aadPrefix = []byte(aadPrefix)
	return k
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

// write makes a keys file that only its owner can read. An existing one is never replaced: its keys may be the only ones.
func (k *parquetKeys) write(path string) error {
	b, err := json.MarshalIndent(struct {
		Footer    []byte            `json:"footer"`
		Columns   map[string][]byte `json:"columns,omitempty"`
		AADPrefix string            `json:"aad_prefix"`
	}{k.keys.Footer, k.keys.Columns, string(k.aadPrefix)}, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fault.New(fault.Usage, "the keys file exists already", "leave --new-keys out to use it, or name another with --keys", nil)
	}
	if err != nil {
		return fault.New(fault.LocalStorage, "can't write the keys file", "choose a place with --keys that can be written", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(path)
		return fault.New(fault.LocalStorage, "can't write the keys file", "free some space on the disk", err)
	}
	return nil
}
