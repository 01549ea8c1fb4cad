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
	name := strings.TrimPrefix(string(v.Body().Revokes), "sha256:") + ".json"
	return WriteFile(filepath.Join(d.Revoked(), name), v.Envelope().Bytes())
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
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	e, err := statement.ParseEnvelope(b)
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
