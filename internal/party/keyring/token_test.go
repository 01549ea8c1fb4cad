package keyring

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// TestTokenKey: a keyring whose signing key is elsewhere holds its public half and certificate, signs nothing without it, and takes no
// other key for it.
func TestTokenKey(t *testing.T) {
	k, err := New("delta")
	if err != nil {
		t.Fatal(err)
	}
	root, err := k.TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	key, other := newSigner(t), newSigner(t)
	terms := Terms{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour)}
	if _, err := k.WithToken(key); err == nil {
		t.Error("a token's key for a keyring that has its own")
	}
	in, err := k.WithTokenKey(root, key, terms)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := in.ExportUnsafe()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(plain, []byte(`"seed"`)) {
		t.Error("a seed beside a token's key")
	}
	back, err := Import(plain)
	if err != nil || !back.InToken() || back.Fingerprint() != k.Fingerprint() {
		t.Fatalf("%v", err)
	}
	if sig, err := back.Signer().Sign([]byte("x")); sig != nil || !errors.Is(err, ErrInToken) {
		t.Errorf("signed without the token: %v", err)
	}
	if _, err := back.WithToken(other); err == nil {
		t.Error("another key than the certificate's")
	}
	ready, err := back.WithToken(key)
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := ready.Signer().Sign([]byte("x")); err != nil || !key.Public().Verify([]byte("x"), sig) {
		t.Error(err)
	}
	next, err := ready.WithOnlineKey(root, terms)
	if err != nil || next.InToken() || statement.CertificateOf(next.Signer()).Body().Serial != 2 {
		t.Errorf("back into the keyring: %v", err)
	}

	for name, change := range map[string]func(*contents){
		"a seed as well":          func(c *contents) { c.Seed = make([]byte, 32) },
		"no certificate":          func(c *contents) { c.Certificate = nil },
		"of another key":          func(c *contents) { c.TokenKey = other.Public().String() },
		"no key":                  func(c *contents) { c.TokenKey = "ed25519:00" },
		"neither seed nor token":  func(c *contents) { c.TokenKey = "" },
		"certificate not of ours": func(c *contents) { c.Certificate = []byte("{}") },
	} {
		var c contents
		if err := statement.Unmarshal(plain, &c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		src, err := statement.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := Import(src); r != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newSigner(t *testing.T) *seal.SigningKey {
	t.Helper()
	k, err := seal.NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}
