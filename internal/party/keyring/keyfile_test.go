package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

func pass(t testing.TB) Passphrase {
	t.Helper()
	p, err := GeneratePassphrase()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func year() Terms { return Terms{From: time.UnixMilli(1), Until: time.Now().AddDate(1, 0, 0)} }

// TestKeyFile: one thing wrong with the file, its use or its passphrase per case.
func TestKeyFile(t *testing.T) {
	p := pass(t)
	root, err := fresh(t).TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "delta.root")
	if err := root.Write(file, p); err != nil {
		t.Fatal(err)
	}
	if err := root.Write(file, p); fault.ExitCode(err) != int(fault.LocalStorage) {
		t.Errorf("overwritten: %v", err)
	}
	back, err := ReadKeyFile(file, UseRoot, p)
	if err != nil || back.Fingerprint() != root.Fingerprint() || back.Name() != "delta" {
		t.Fatalf("%v came back: %v", back, err)
	}
	src, err := os.ReadFile(file)
	if err != nil || bytes.Contains(src, root.key.SeedUnsafe()) {
		t.Fatalf("seed in clear, or %v", err)
	}
	for name, c := range map[string]struct {
		file []byte
		use  string
		pass Passphrase
		code fault.Code
	}{
		"other passphrase": {src, UseRoot, pass(t), fault.NoKey},
		"other use":        {src, UseOfficer, p, fault.Input},
		"cut short":        {src[:len(src)-1], UseRoot, p, fault.Input},
		"a keyring":        {encrypted(t, fresh(t), p), UseRoot, p, fault.Input},
	} {
		other := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(other, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := ReadKeyFile(other, c.use, c.pass); k != nil || fault.ExitCode(err) != int(c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decrypt(src, p); !errors.Is(err, ErrFormat) {
		t.Errorf("a key file as a keyring: %v", err)
	}
	officer, err := NewKeyFile(UseOfficer, "olga")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := officer.RevokeKey(root.Signer().Public(), "", time.Now()); err == nil {
		t.Error("an officer revoked a key")
	}
}

func encrypted(t testing.TB, k *Keyring, p Passphrase) []byte {
	t.Helper()
	file, err := k.Encrypt(p)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestOnlineKey: the party stays, its keyring no longer holds the root, and other certificates than its own don't open it.
func TestOnlineKey(t *testing.T) {
	k, p := fresh(t), pass(t)
	root, err := k.TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	online, err := k.WithOnlineKey(root, year())
	if err != nil {
		t.Fatal(err)
	}
	file := encrypted(t, online, p)
	back, err := Decrypt(file, p)
	if err != nil {
		t.Fatal(err)
	}
	if back.Fingerprint() != k.Fingerprint() || back.Root() != k.Root() || back.Signer().Public() == k.Root() {
		t.Error("another party came back, or the root is its signing key")
	}
	plain, err := online.encode()
	if err != nil || bytes.Contains(plain, k.sign.SeedUnsafe()) {
		t.Errorf("the root is in the keyring: %v", err)
	}
	if _, err := back.TakeRoot(); fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("an online key taken for the root: %v", err)
	}
	next, err := back.WithOnlineKey(root, year())
	if err != nil {
		t.Fatal(err)
	}
	if c := statement.CertificateOf(next.Signer()).Body(); c.Serial != 2 || next.Signer().Public() == back.Signer().Public() {
		t.Errorf("certificate %d", c.Serial)
	}
	stranger, err := fresh(t).TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.WithOnlineKey(stranger, year()); fault.ExitCode(err) != int(fault.NoKey) {
		t.Errorf("certified by another party's root: %v", err)
	}
	// The certificate of one key beside the seed of another.
	mixed := *online
	mixed.sign = next.sign
	if _, err := Decrypt(encrypted(t, &mixed, p), p); !errors.Is(err, ErrFormat) {
		t.Errorf("a certificate of another key: %v", err)
	}
}

// TestRequest: a certificate from another machine is for the key that waits, and for this party.
func TestRequest(t *testing.T) {
	k, other := fresh(t), fresh(t)
	root, err := k.TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	pending, r, err := k.Request(time.UnixMilli(1))
	if err != nil {
		t.Fatal(err)
	}
	src, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if r, err = DecodeRequest(src); err != nil {
		t.Fatal(err)
	}
	cert, err := root.CertifyRequest(r, year())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := k.WithCertified(pending, cert)
	if err != nil || ring.Fingerprint() != k.Fingerprint() || ring.Signer().Public() != pending.Signer().Public() {
		t.Fatalf("%v", err)
	}
	if _, err := other.WithCertified(pending, cert); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("another party took it: %v", err)
	}
	later, _, err := k.Request(time.UnixMilli(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.WithCertified(later, cert); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("for another key: %v", err)
	}
	strange, err := other.TakeRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strange.CertifyRequest(r, year()); fault.ExitCode(err) != int(fault.NoKey) {
		t.Errorf("another root certified it: %v", err)
	}
	r.Proof[0] ^= 1
	if _, err := root.CertifyRequest(r, year()); fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("without the key's agreement: %v", err)
	}
	if _, err := DecodeRequest(append(src, ' ')); !errors.Is(err, ErrFormat) {
		t.Errorf("not strict: %v", err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	k := fresh(f)
	_, r, err := k.Request(time.UnixMilli(1))
	if err != nil {
		f.Fatal(err)
	}
	src, err := r.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := DecodeRequest(src)
		if err != nil {
			return
		}
		if again, err := r.Encode(); err != nil || !bytes.Equal(again, src) {
			t.Fatalf("encodes differently: %v", err)
		}
	})
}
