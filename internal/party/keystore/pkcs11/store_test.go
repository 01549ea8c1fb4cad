package pkcs11

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/internal/party/keystore/keystoretest"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/softhsm"
	"github.com/cordon-exchange/cordon/seal"
)

var name = seal.KeyName{Owner: "cordon1aa", Dataset: "strikes", Version: "1", Key: seal.VersionKey}

func opened(t *testing.T, k *softhsm.Token, object string) *Store {
	t.Helper()
	s, err := New(Options{URI: k.URI(object), Helper: k.Helper})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fresh has a first key.
func fresh(t *testing.T, k *softhsm.Token, object string) *Store {
	t.Helper()
	s := opened(t, k, object)
	if _, err := s.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newKey(t *testing.T) *seal.DataKey {
	t.Helper()
	key, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeyStore(t *testing.T) {
	k, n := softhsm.New(t), 0
	open := func(t *testing.T) keystore.Keeper {
		n++
		return fresh(t, k, fmt.Sprint("key-", n))
	}
	keystoretest.Run(t, func(t *testing.T) keystore.KeyStore { return open(t) })
	keystoretest.RunKeeper(t, open)
}

func TestConcurrent(t *testing.T) {
	s := fresh(t, softhsm.New(t), "key")
	key := newKey(t)
	w, err := s.Wrap(t.Context(), name, key)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			if got, err := s.Unwrap(t.Context(), name, w); err != nil || !bytes.Equal(got.BytesUnsafe(), key.BytesUnsafe()) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// TestTokenAway: a token that is unplugged fails calls, and the store goes on once it is back.
func TestTokenAway(t *testing.T) {
	k := softhsm.New(t)
	s := fresh(t, k, "key")
	w, err := s.Wrap(t.Context(), name, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // the next call starts a helper
	k.Unplug(t)
	for range 2 {
		if key, err := s.Unwrap(t.Context(), name, w); key != nil || !errors.Is(err, helper.ErrAway) || fault.Hint(err) == "" || errors.Is(err, keystore.ErrMissing) {
			t.Fatalf("away: %v", err)
		}
	}
	k.Plug(t)
	if _, err := s.Unwrap(t.Context(), name, w); err != nil {
		t.Fatalf("back: %v", err)
	}
}

// TestPIN: a wrong PIN is said, tried once, and never again by this process, whatever is asked.
func TestPIN(t *testing.T) {
	k := softhsm.New(t)
	fresh(t, k, "key").Close()
	k.WritePIN(t, "654321")
	s := opened(t, k, "key")
	for range 3 {
		if _, err := s.KEKs(t.Context()); !errors.Is(err, ErrPIN) || fault.ExitCode(err) != int(fault.NoKey) {
			t.Fatalf("wrong PIN: %v", err)
		}
	}
	k.WritePIN(t, softhsm.PIN)
	if _, err := s.KEKs(t.Context()); !errors.Is(err, ErrPIN) {
		t.Fatalf("tried again without a new start: %v", err)
	}
	if _, err := opened(t, k, "key").KEKs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(k.PINFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := opened(t, k, "key").KEKs(t.Context()); !errors.Is(err, helper.ErrAway) || !strings.Contains(err.Error(), "others can read") {
		t.Fatalf("PIN that others read: %v", err)
	}
	for _, text := range []string{"", "1\n2", strings.Repeat("1", 300)} {
		k.WritePIN(t, text)
		if err := os.Chmod(k.PINFile, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := opened(t, k, "key").KEKs(t.Context()); err == nil || strings.Contains(err.Error(), "111") {
			t.Fatalf("PIN %.3q: %v", text, err)
		}
	}
}

func TestOtherFaults(t *testing.T) {
	k := softhsm.New(t)
	for name, o := range map[string]Options{
		"no helper":  {URI: k.URI("key"), Helper: filepath.Join(t.TempDir(), "none")},
		"no token":   {URI: strings.Replace(k.URI("key"), "cordon-test", "other", 1), Helper: k.Helper},
		"no module":  {URI: strings.Replace(k.URI("key"), "libsofthsm2", "libnone", 1), Helper: k.Helper},
		"no serial":  {URI: strings.Replace(k.URI("key"), ";object", ";serial=1;object", 1), Helper: k.Helper},
		"not helper": {URI: k.URI("key"), Helper: "/bin/cat"},
	} {
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Wrap(t.Context(), seal.KeyName{}, newKey(t)); !errors.Is(err, helper.ErrAway) || fault.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := opened(t, k, "empty").Wrap(t.Context(), name, newKey(t)); !errors.Is(err, keystore.ErrMissing) {
		t.Errorf("no key yet: %v", err)
	}
	k.Init(t, k.Label)
	if _, err := opened(t, k, "key").KEKs(t.Context()); !errors.Is(err, helper.ErrAway) || !strings.Contains(err.Error(), "several") {
		t.Errorf("two tokens of one name: %v", err)
	}
}

// tool runs OpenSC's pkcs11-tool: a second program that speaks to the token.
func tool(t *testing.T, k *softhsm.Token, args ...string) (string, error) {
	t.Helper()
	_, err := exec.LookPath("pkcs11-tool")
	need.That(t, err == nil, "needs OpenSC's pkcs11-tool (Debian: opensc)")
	out, err := exec.Command("pkcs11-tool", append([]string{"--module", k.Module, "--token-label", k.Label, "--login", "--pin", softhsm.PIN}, args...)...).CombinedOutput()
	return string(out), err
}

// TestKeyStaysInside: seen by another program, the key is sensitive, was made inside and can't leave.
func TestKeyStaysInside(t *testing.T) {
	k := softhsm.New(t)
	s := fresh(t, k, "key")
	ids, err := s.KEKs(t.Context())
	if err != nil || len(ids) != 1 {
		t.Fatalf("%v %v", ids, err)
	}
	out, err := tool(t, k, "--list-objects", "--type", "secrkey")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"AES length 32", "sensitive", "always sensitive", "never extractable", "local", ids[0].String()} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for _, bad := range []string{" extractable,", "wrap"} {
		if strings.Contains(strings.ReplaceAll(out, "never extractable", ""), bad) {
			t.Errorf("%q in:\n%s", bad, out)
		}
	}
	if out, err := tool(t, k, "--read-object", "--type", "secrkey", "--id", ids[0].String(), "--output-file", filepath.Join(t.TempDir(), "out")); err == nil {
		t.Errorf("the key was read: %s", out)
	}
}

// TestWeakKey: a key of the label that was brought from outside, or could leave, is refused, and nothing is wrapped under it.
func TestWeakKey(t *testing.T) {
	for name, args := range map[string][]string{
		"extractable": {"--keygen", "--key-type", "AES:32", "--sensitive", "--extractable", "--private"},
		"not private": {"--keygen", "--key-type", "AES:32", "--sensitive"},
		"short":       {"--keygen", "--key-type", "AES:16", "--sensitive", "--private"},
	} {
		k := softhsm.New(t)
		if out, err := tool(t, k, append(args, "--label", "key", "--id", "ffffffff00000000")...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s := opened(t, k, "key")
		if w, err := s.Wrap(t.Context(), seal.KeyName{}, newKey(t)); w != nil || !errors.Is(err, ErrWeak) || fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestURI(t *testing.T) {
	good := "pkcs11:token=my%20token;object=cordon?module-path=/usr/lib/m.so&pin-source=file:/run/pin"
	o, err := Parse(good)
	if want := (wire.Token{Token: "my token", Object: "cordon", Module: "/usr/lib/m.so", PINFile: "/run/pin"}); err != nil || o != want {
		t.Fatalf("%+v %v", o, err)
	}
	for name, bad := range map[string]string{
		"scheme": "pkcs12:token=a", "no token": strings.Replace(good, "token=my%20token;", "", 1), "no object": strings.Replace(good, ";object=cordon", "", 1),
		"no module": strings.Replace(good, "module-path=/usr/lib/m.so&", "", 1), "no PIN": strings.Replace(good, "&pin-source=file:/run/pin", "", 1),
		"PIN itself": good + "&pin-value=1234", "relative module": strings.Replace(good, "/usr", "usr", 1), "relative PIN": strings.Replace(good, "/run", "run", 1),
		"twice": strings.Replace(good, ";object", ";token=x;object", 1), "unknown": good + "&x=y", "empty": strings.Replace(good, "cordon", "", 1),
		"encoding": strings.Replace(good, "%20", "%2", 1), "zero byte": strings.Replace(good, "%20", "%00", 1), "long": good + strings.Repeat("x", 3000),
		"long label": strings.Replace(good, "my", strings.Repeat("m", 40), 1), "program as PIN": strings.Replace(good, "file:/run/pin", "%7C/bin/x", 1),
	} {
		if o, err := Parse(bad); o != (wire.Token{}) || fault.ExitCode(err) != int(fault.Usage) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: %+v %v", name, o, err)
		}
	}
}

// FuzzParse: what is accepted names absolute files and has no PIN.
func FuzzParse(f *testing.F) {
	f.Add("pkcs11:token=t;object=o?module-path=/m&pin-source=/p")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := Parse(s)
		if (err == nil) != (o != wire.Token{}) {
			t.Fatalf("%+v %v", o, err)
		}
		if err == nil && (!filepath.IsAbs(o.Module) || !filepath.IsAbs(o.PINFile) || o.Token == "" || o.Object == "" || strings.Contains(s, "pin-value")) {
			t.Fatalf("%+v", o)
		}
	})
}
