package pkcs11

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/softhsm"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func makeKey(t *testing.T, k *softhsm.Token, object string) *SigningKey {
	t.Helper()
	s, err := MakeSigningKey(t.Context(), Options{URI: k.URI(object), Helper: k.Helper})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openKey(t *testing.T, k *softhsm.Token, object string, public statement.PublicKey) *SigningKey {
	t.Helper()
	s, err := OpenSigningKey(Options{URI: k.URI(object), Helper: k.Helper}, public)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestSigner: a key of a token is a signer as one of the keyring is: its signatures verify, are those of RFC 8032 (one for each
// message), cover messages of every size, and it can be certified.
func TestSigner(t *testing.T) {
	k := softhsm.New(t)
	s := makeKey(t, k, "sign-1")
	again := openKey(t, k, "sign-1", s.Public())
	for _, n := range []int{1, 63, 64, 4096, 100_000, 2 << 20} {
		msg := bytes.Repeat([]byte{byte(n)}, n)
		a, err := s.Sign(msg)
		if err != nil || !s.Public().Verify(msg, a) {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if b, err := again.Sign(msg); err != nil || !bytes.Equal(a, b) {
			t.Fatalf("%d bytes, opened anew: %x %x %v", n, a, b, err)
		}
	}
	if sig, err := s.Sign(nil); sig != nil || err == nil {
		t.Error("nothing was signed")
	}
	if sig, err := s.Sign(make([]byte, statement.MaxPayload)); sig != nil || !errors.Is(err, helper.ErrAway) {
		t.Errorf("a message that no frame holds: %v", err)
	}
	if _, err := s.Sign([]byte("and after it")); err != nil {
		t.Error(err)
	}
	e, err := statement.Sign(statement.Party{Name: "delta", Key: s.Public().String(), Box: newBox(t), CreatedMS: 1}, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statement.Verify[statement.Party](e, s.Public().Fingerprint()); err != nil {
		t.Error(err)
	}
	if b, err := again.store.PublicKey(t.Context()); err != nil || statement.PublicKey(b) != s.Public() {
		t.Errorf("%x %v", b, err)
	}
}

func newBox(t *testing.T) []byte {
	t.Helper()
	b, err := seal.NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	return b.Public()
}

// TestOneKeyForALabel: a label keeps its key; another label has another.
func TestOneKeyForALabel(t *testing.T) {
	k := softhsm.New(t)
	s := makeKey(t, k, "sign-1")
	if again, err := MakeSigningKey(t.Context(), Options{URI: k.URI("sign-1"), Helper: k.Helper}); again != nil || !errors.Is(err, ErrTaken) || fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("%v", err)
	}
	if _, err := s.Sign([]byte("x")); err != nil {
		t.Fatal(err)
	}
	other := makeKey(t, k, "sign-2")
	if other.Public() == s.Public() {
		t.Fatal("the same key")
	}
	if sig, err := openKey(t, k, "none", s.Public()).Sign([]byte("x")); sig != nil || !errors.Is(err, keystore.ErrMissing) || fault.ExitCode(err) != int(fault.NoKey) {
		t.Errorf("no such label: %v", err)
	}
	// A label or token that was exchanged signs nothing in the name of the key that was certified.
	if sig, err := openKey(t, k, "sign-2", s.Public()).Sign([]byte("x")); sig != nil || !errors.Is(err, ErrSignature) || fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("another key: %v", err)
	}
}

// TestSigningAndWrapping at once, in one token.
func TestSigningAndWrapping(t *testing.T) {
	k := softhsm.New(t)
	s, w := makeKey(t, k, "delta"), fresh(t, k, "delta")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.Sign([]byte("message")); err != nil {
				t.Errorf("sign: %v", err)
			}
		})
		all.Go(func() {
			if _, err := w.Wrap(t.Context(), name, newKey(t)); err != nil {
				t.Errorf("wrap: %v", err)
			}
		})
	}
	all.Wait()
}

// TestSigningTokenAway: refused with a hint, and healed once it is back.
func TestSigningTokenAway(t *testing.T) {
	k := softhsm.New(t)
	s := makeKey(t, k, "sign-1")
	s.Close() // the next call starts a helper
	k.Unplug(t)
	for range 2 {
		if sig, err := s.Sign([]byte("x")); sig != nil || !errors.Is(err, helper.ErrAway) || fault.ExitCode(err) != int(fault.Unavailable) || !strings.Contains(fault.Hint(err), "nothing is signed") {
			t.Fatalf("away: %v", err)
		}
	}
	k.Plug(t)
	if _, err := s.Sign([]byte("x")); err != nil {
		t.Fatalf("back: %v", err)
	}
	k.WritePIN(t, "654321")
	s.Close()
	for range 2 {
		if _, err := s.Sign([]byte("x")); !errors.Is(err, ErrPIN) {
			t.Fatalf("wrong PIN: %v", err)
		}
	}
}

// TestSigningHangs: a token that does not answer holds up nobody for longer than the bound, however many wait.
func TestSigningHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cordon-pkcs11")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSigningKey(Options{URI: "pkcs11:token=t;object=o?module-path=/m&pin-source=/p", Helper: path}, statement.PublicKey{0: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.wait = 300 * time.Millisecond
	begun := time.Now()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if sig, err := s.Sign([]byte("x")); sig != nil || !errors.Is(err, helper.ErrAway) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
	if took := time.Since(begun); took > 15*time.Second { // one call of a helper has 20
		t.Errorf("took %v", took)
	}
}

// TestSigningKeyStaysInside: seen by another program, the key is sensitive, was made inside, signs alone and can't leave.
func TestSigningKeyStaysInside(t *testing.T) {
	k := softhsm.New(t)
	makeKey(t, k, "sign-1")
	out, err := tool(t, k, "--list-objects", "--type", "privkey")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	usage := ""
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && name == "Usage" {
			usage = strings.TrimSpace(value)
		}
	}
	if usage != "sign" {
		t.Errorf("usage is %q in:\n%s", usage, out)
	}
	for _, want := range []string{"sensitive", "always sensitive", "never extractable", "local", "sign-1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if strings.Contains(strings.ReplaceAll(out, "never extractable", ""), "extractable") {
		t.Errorf("extractable in:\n%s", out)
	}
	file := filepath.Join(t.TempDir(), "out")
	out, _ = tool(t, k, "--read-object", "--type", "privkey", "--label", "sign-1", "--output-file", file) // its exit code says nothing
	if b, err := os.ReadFile(file); err == nil && len(b) > 0 {
		t.Errorf("the key was read: %s", out)
	}
}

// TestWeakSigningKey: a key of the label that could leave, was brought from outside, or is one of two, signs nothing.
func TestWeakSigningKey(t *testing.T) {
	generated := func(args ...string) func(t *testing.T, k *softhsm.Token) {
		return func(t *testing.T, k *softhsm.Token) {
			if out, err := tool(t, k, append(args, "--keypairgen", "--label", "weak", "--id", "0011223344556677")...); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	for name, bring := range map[string]func(t *testing.T, k *softhsm.Token){
		"extractable":  generated("--key-type", "EC:edwards25519", "--sensitive", "--extractable"),
		"may derive":   generated("--key-type", "EC:edwards25519", "--sensitive", "--usage-sign", "--usage-derive"),
		"another kind": generated("--key-type", "EC:prime256v1", "--sensitive", "--usage-sign"),
		"imported":     func(t *testing.T, k *softhsm.Token) { bringKey(t, k, "0011223344556677") },
		"two":          func(t *testing.T, k *softhsm.Token) { makeKey(t, k, "weak"); bringKey(t, k, "0011223344556677") },
	} {
		t.Run(name, func(t *testing.T) {
			k := softhsm.New(t)
			bring(t, k)
			if sig, err := openKey(t, k, "weak", statement.PublicKey{0: 9}).Sign([]byte("x")); sig != nil || !errors.Is(err, ErrWeak) || fault.ExitCode(err) != int(fault.Untrusted) {
				t.Errorf("%v", err)
			}
		})
	}
}

// bringKey imports a key that was made outside.
func bringKey(t *testing.T, k *softhsm.Token, id string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("softhsm2-util", "--import", path, "--token", k.Label, "--label", "weak", "--id", id, "--pin", softhsm.PIN).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
