package home

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

// AddRevokedKey stores the revocation of an online key durably.
func (d Dir) AddRevokedKey(v *statement.Verified[statement.Revocation]) error {
	if err := MkdirAll(d.Revoked()); err != nil {
		return err
	}
	return WriteFile(filepath.Join(d.Revoked(), revokedFile(v)), v.Envelope().Bytes())
}

// RevokedKeys are the party's own online keys that its root revoked. One that can't be read is an error: it may be the one in use.
func (d Dir) RevokedKeys(self statement.Fingerprint) ([]*statement.Verified[statement.Revocation], error) {
	files, err := os.ReadDir(d.Revoked())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Storage("can't read the revocations of keys", err)
	}
	var out []*statement.Verified[statement.Revocation]
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		v, err := readRevokedKey(filepath.Join(d.Revoked(), f.Name()), self)
		if err != nil {
			return nil, fault.New(fault.Untrusted, "the revocation of a key can't be trusted", "restore the home folder from a backup: revoked/"+f.Name(), err)
		}
		out = append(out, v)
	}
	return out, nil
}

func readRevokedKey(path string, self statement.Fingerprint) (*statement.Verified[statement.Revocation], error) {
	e, err := readEnvelope(path)
	if err != nil {
		return nil, err
	}
	v, err := statement.Verify[statement.Revocation](e, self)
	if err != nil {
		return nil, err
	}
	if v.Body().Author != self || v.Body().Key == "" {
		return nil, statement.ErrInvalid
	}
	return v, nil
}

// maxOthersRevoked bounds what an exchange can have a home keep.
const maxOthersRevoked = 1 << 14

func (d Dir) othersRevoked() string { return filepath.Join(d.Revoked(), "others") }

// revokedFile is the name of the file of a revocation.
func revokedFile(v *statement.Verified[statement.Revocation]) string {
	return strings.TrimPrefix(string(v.Body().Revokes), "sha256:") + ".json"
}

// AddOthersRevokedKey stores durably that another party's root revoked an online key.
func (d Dir) AddOthersRevokedKey(v *statement.Verified[statement.Revocation]) error {
	for _, dir := range []string{d.Revoked(), d.othersRevoked()} {
		if err := MkdirAll(dir); err != nil {
			return err
		}
	}
	files, err := os.ReadDir(d.othersRevoked())
	if err != nil {
		return Storage("can't read the revocations of others' keys", err)
	}
	if len(files) >= maxOthersRevoked {
		return fault.New(fault.Untrusted, "the exchange shows more revocations of keys than are believed", "ask who runs the exchange", nil)
	}
	return WriteFile(filepath.Join(d.othersRevoked(), revokedFile(v)), v.Envelope().Bytes())
}

// OthersRevokedKeys are the revocations of others' online keys that this party was ever shown. One that can't be read is an error: it
// may be of a key that is used again.
func (d Dir) OthersRevokedKeys() ([]*statement.Verified[statement.Revocation], error) {
	files, err := os.ReadDir(d.othersRevoked())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, Storage("can't read the revocations of others' keys", err)
	}
	var out []*statement.Verified[statement.Revocation]
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".new-") {
			continue // was being written
		}
		v, err := readOthersRevokedKey(filepath.Join(d.othersRevoked(), f.Name()))
		if err != nil || v.Body().Key == "" || revokedFile(v) != f.Name() {
			return nil, fault.New(fault.Untrusted, "the revocation of another party's key can't be trusted", "restore the home folder from a backup: revoked/others/"+f.Name(), err)
		}
		out = append(out, v)
	}
	return out, nil
}

func readOthersRevokedKey(path string) (*statement.Verified[statement.Revocation], error) {
	e, err := readEnvelope(path)
	if err != nil {
		return nil, err
	}
	return statement.VerifyAuthor[statement.Revocation](e)
}

func readEnvelope(path string) (*statement.Envelope, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return statement.ParseEnvelope(b)
}
