package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/keystoretest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func fresh(t testing.TB) *Keyring {
	t.Helper()
	k, err := New("delta")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestKeyStore(t *testing.T) {
	keystoretest.Run(t, func(t *testing.T) keystore.KeyStore { return fresh(t) })
}

func TestRoundTrip(t *testing.T) {
	k := fresh(t)
	p, err := GeneratePassphrase()
	if err != nil {
		t.Fatal(err)
	}
	file, err := k.Encrypt(p)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(file, k.sign.SeedUnsafe()) {
		t.Fatal("seed in clear")
	}
	got, err := Decrypt(file, p)
	if err != nil {
		t.Fatal(err)
	}
	if got.Fingerprint() != k.Fingerprint() || got.Name() != "delta" || !bytes.Equal(got.box.Public(), k.box.Public()) {
		t.Fatal("other keys came back")
	}
}

// TestRefused: one thing wrong with the file or the passphrase per case.
func TestRefused(t *testing.T) {
	k := fresh(t)
	p, _ := GeneratePassphrase()
	other, _ := GeneratePassphrase()
	file, err := k.Encrypt(p)
	if err != nil {
		t.Fatal(err)
	}
	contentsWith := func(change func(string) string) []byte {
		plain, err := k.encode()
		if err != nil {
			t.Fatal(err)
		}
		return encryptRaw(t, p, []byte(change(string(plain))))
	}
	flipped := bytes.Clone(file)
	flipped[len(flipped)-1] ^= 1
	cases := []struct {
		name string
		file []byte
		pass Passphrase
		want error
		exit int
	}{
		{"wrong passphrase", file, other, ErrPassphrase, 5},
		{"empty passphrase", file, Passphrase{}, ErrPassphrase, 5},
		{"empty file", nil, p, ErrFormat, 3},
		{"truncated file", file[:len(file)-7], p, ErrFormat, 3},
		{"truncated header", file[:40], p, ErrFormat, 3},
		{"flipped byte", flipped, p, ErrFormat, 3},
		{"too large", make([]byte, maxFile+1), p, ErrFormat, 3},
		{"wrong version", contentsWith(func(s string) string { return strings.Replace(s, "keyring/1", "keyring/2", 1) }), p, ErrFormat, 3},
		{"unknown field", contentsWith(func(s string) string { return strings.Replace(s, "{", `{"more":1,`, 1) }), p, ErrFormat, 3},
		{"bad name", contentsWith(func(s string) string { return strings.Replace(s, "delta", "DELTA", 1) }), p, ErrFormat, 3},
		{"work that never ends", bytes.Replace(file, []byte(" 10\n"), []byte(" 40\n"), 1), p, ErrFormat, 3},
		{"one KEK twice", contentsWith(func(s string) string {
			kek := s[strings.Index(s, `"keks":[`)+len(`"keks":[`) : strings.LastIndex(s, "]")]
			return strings.Replace(s, kek, kek+","+kek, 1)
		}), p, ErrFormat, 3},
		{"missing KEK", contentsWith(func(s string) string { return s[:strings.Index(s, `"keks":`)] + `"keks":[]}` }), p, ErrNoKEK, 5},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decrypt(c.file, c.pass)
			if !errors.Is(err, c.want) || got != nil || fault.ExitCode(err) != c.exit || fault.Hint(err) == "" {
				t.Fatalf("want %v with exit %d and a hint, got %v with %d", c.want, c.exit, err, fault.ExitCode(err))
			}
		})
	}
}

func encryptRaw(t *testing.T, p Passphrase, plain []byte) []byte {
	t.Helper()
	r, err := age.NewScryptRecipient(string(p.text))
	if err != nil {
		t.Fatal(err)
	}
	r.SetWorkFactor(randomWorkFactor)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPassphraseDoesNotPrint(t *testing.T) {
	p, err := NewPassphrase([]byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %s", p, p, p, p); strings.Contains(s, "horse") {
		t.Error(s)
	}
}

func TestMissingKEKOfAVersion(t *testing.T) {
	a, b := fresh(t), fresh(t)
	n := seal.KeyName{Owner: "x", Dataset: "d", Version: "1", Key: seal.VersionKey}
	key, _ := seal.NewDataKey()
	w, err := a.Wrap(t.Context(), n, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Unwrap(t.Context(), n, w); !errors.Is(err, keystore.ErrMissing) {
		t.Fatalf("want ErrMissing, got %v", err)
	}
}

func TestWorkFactor(t *testing.T) {
	gen, _ := GeneratePassphrase()
	typed, err := NewPassphrase([]byte("correct horse battery\n"))
	if err != nil {
		t.Fatal(err)
	}
	looksGenerated, err := NewPassphrase([]byte(generatedPrefix + "aaaa"))
	if err != nil {
		t.Fatal(err)
	}
	if gen.workFactor() != randomWorkFactor || typed.workFactor() != humanWorkFactor || looksGenerated.workFactor() != humanWorkFactor {
		t.Fatal("only a full random passphrase may be stretched little")
	}
}

func TestPassphraseFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pass")
	p, _ := GeneratePassphrase()
	if err := p.WriteTo(path); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", st.Mode(), err)
	}
	got, err := ReadPassphrase(path)
	if err != nil || !bytes.Equal(got.text, p.text) {
		t.Fatalf("read back: %v", err)
	}
	if err := p.WriteTo(path); err == nil {
		t.Fatal("overwrote a passphrase")
	}
	for _, bad := range []string{"", "\n", "short", "two lines\nof it"} {
		if _, err := NewPassphrase([]byte(bad)); fault.ExitCode(err) != 5 {
			t.Fatalf("%q was accepted", bad)
		}
	}
}

// FuzzDecode: what is accepted re-encodes to the same bytes; what is refused returns nothing.
func FuzzDecode(f *testing.F) {
	plain, err := fresh(f).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Add([]byte(`{"format":"cordon-keyring/1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := decode(b)
		if err != nil {
			if k != nil {
				t.Fatal("refused, but returned a keyring")
			}
			return
		}
		again, err := k.encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatal("re-encodes to other bytes")
		}
	})
}

var _ statement.Signer = (*seal.SigningKey)(nil)
