package home_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

// A file in the memory of others' revocations is what its name says, or nothing is believed.
func TestOthersRevokedKeys(t *testing.T) {
	dir, err := home.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	k, err := keyring.New("bravo")
	if err != nil {
		t.Fatal(err)
	}
	root, err := k.TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	on, err := k.WithOnlineKey(root, keyring.Terms{From: time.UnixMilli(1), Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	e, err := root.RevokeKey(on.Signer().Public(), "stolen", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := statement.VerifyAuthor[statement.Revocation](e)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir.Revoked(), "others")
	for range 2 { // again is no harm
		if err := dir.AddOthersRevokedKey(v); err != nil {
			t.Fatal(err)
		}
	}
	list, err := dir.OthersRevokedKeys()
	if err != nil || len(list) != 1 || list[0].Body().Author != k.Fingerprint() {
		t.Fatal(list, err)
	}
	if own, err := dir.RevokedKeys(k.Fingerprint()); err != nil || len(own) != 0 {
		t.Error("taken for this party's own", err)
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	name := filepath.Join(folder, files[0].Name())
	src, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func() error{
		"another name": func() error { return os.WriteFile(filepath.Join(folder, "x.json"), src, 0o600) },
		"cut":          func() error { return os.WriteFile(name, src[:len(src)/2], 0o600) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if list, err := dir.OthersRevokedKeys(); err == nil || list != nil {
			t.Errorf("%s: believed", what)
		}
		os.Remove(filepath.Join(folder, "x.json"))
		if err := os.WriteFile(name, src, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
