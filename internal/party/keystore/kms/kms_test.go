package kms

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper"
	"github.com/cordon-exchange/cordon/internal/party/keystore/keystoretest"
	"github.com/cordon-exchange/cordon/internal/party/keystore/kms/bao"
	"github.com/cordon-exchange/cordon/seal"
)

var name = seal.KeyName{Owner: "cordon1aa", Dataset: "strikes", Version: "1", Key: seal.VersionKey}

func opened(t *testing.T, url string) *Store {
	t.Helper()
	path, err := bao.Program()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{URL: url, Helper: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestVault(t *testing.T) {
	b, n := bao.New(t), 0
	keystoretest.Run(t, func(t *testing.T) keystore.KeyStore {
		n++
		return opened(t, b.Key(t, fmt.Sprint("conform-", n), nil))
	})
	s := opened(t, b.Key(t, "key", nil))
	key, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Wrap(t.Context(), name, key)
	if err != nil {
		t.Fatal(err)
	}
	unwraps := func(when string, w []byte) {
		t.Helper()
		if got, err := s.Unwrap(t.Context(), name, w); err != nil || !bytes.Equal(got.BytesUnsafe(), key.BytesUnsafe()) {
			t.Fatalf("%s: %v", when, err)
		}
	}
	// The server's own rotation: what was wrapped before opens, until the old version is disallowed there.
	b.Post(t, "transit/keys/key/rotate", nil)
	unwraps("rotated", w)
	again, err := s.Wrap(t.Context(), name, key)
	if err != nil || !strings.Contains(string(again), ":v2:") {
		t.Fatalf("%q %v", again, err)
	}
	b.Post(t, "transit/keys/key/config", map[string]any{"min_decryption_version": 2})
	if k, err := s.Unwrap(t.Context(), name, w); k != nil || !errors.Is(err, keystore.ErrRefused) {
		t.Fatalf("an old version that is disallowed: %v", err)
	}
	unwraps("the new version", again)
	if _, err := s.Renew(t.Context()); !errors.Is(err, keystore.ErrElsewhere) {
		t.Fatal(err)
	}
	if ids, err := s.KEKs(t.Context()); err != nil || len(ids) != 1 || !bytes.HasPrefix(again, ids[0][:]) {
		t.Fatalf("%v %v", ids, err)
	}
	if err := s.Destroy(t.Context(), keystore.ID{}); !errors.Is(err, keystore.ErrElsewhere) {
		t.Fatal(err)
	}
}

// TestVaultRefuses: one thing wrong with key, token or server per case.
func TestVaultRefuses(t *testing.T) {
	b := bao.New(t)
	good := b.Key(t, "good", nil)
	wrap := func(url string) error {
		key, err := seal.NewDataKey()
		if err != nil {
			t.Fatal(err)
		}
		w, err := opened(t, url).Wrap(t.Context(), name, key)
		if (w == nil) == (err == nil) {
			t.Fatal("both or neither")
		}
		return err
	}
	for what, url := range map[string]string{
		"exportable":            b.Key(t, "exportable", map[string]any{"exportable": true}),
		"backed up in clear":    b.Key(t, "backup", map[string]any{"allow_plaintext_backup": true}),
		"without authenticator": b.Key(t, "rsa", map[string]any{"type": "rsa-2048"}),
	} {
		if err := wrap(url); !errors.Is(err, ErrWeak) || fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := wrap(b.Key(t, "derived", map[string]any{"derived": true})); err == nil {
		t.Error("derived")
	}
	if err := wrap(b.URL("none")); !errors.Is(err, keystore.ErrMissing) {
		t.Errorf("no such key: %v", err)
	}
	if err := wrap(strings.Replace(good, "/transit/", "/elsewhere/", 1)); err == nil {
		t.Error("no such engine")
	}
	b.WriteToken(t, "another")
	if err := wrap(good); !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), "another") {
		t.Errorf("wrong token: %v", err)
	}
	b.Post(t, "sys/policies/acl/cordon", map[string]any{"policy": `path "transit/keys/good" { capabilities = ["read"] }
path "transit/encrypt/good" { capabilities = ["update"] }
path "transit/decrypt/good" { capabilities = ["update"] }`})
	b.WriteToken(t, b.Post(t, "auth/token/create", map[string]any{"policies": []string{"cordon"}}).Auth.ClientToken)
	if err := wrap(good); err != nil {
		t.Errorf("with the rights that the docs name: %v", err)
	}
	if err := os.Chmod(b.TokenFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := wrap(good); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "others can read") {
		t.Errorf("a token that others read: %v", err)
	}
	if err := os.Chmod(b.TokenFile, 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, good)
	if _, err := s.KEKs(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Post(t, "sys/mounts/other", map[string]any{"type": "transit"})
	if err := wrap(strings.Replace(good, b.Addr, bao.Free(t), 1)); !errors.Is(err, helper.ErrAway) || fault.ExitCode(err) != int(fault.Unavailable) {
		t.Errorf("nobody there: %v", err)
	}
	if err := wrap(strings.Replace(good, "vault+http", "vault", 1)); !errors.Is(err, helper.ErrAway) {
		t.Errorf("no TLS there: %v", err)
	}
}

// TestAWS speaks to local-kms, a server of AWS's KMS protocol that encrypts really. What AWS itself does was not tried.
func TestAWS(t *testing.T) {
	path, err := exec.LookPath("local-kms")
	need.That(t, err == nil, "needs local-kms (go install github.com/nsmithuk/local-kms)")
	addr := bao.Free(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = append(cmd.Environ(), "PORT="+port, "KMS_DATA_PATH="+t.TempDir())
	cmd.Dir = t.TempDir()
	bao.Serve(t, cmd, addr)
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_MAX_ATTEMPTS": "1", // this server hangs up on some malformed ciphertexts
		"AWS_CONFIG_FILE":  filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
	} {
		t.Setenv(k, v)
	}
	url := func(key string) string { return "awskms://" + key + "?region=eu-west-1&endpoint=http://" + addr }
	create := func(t *testing.T) string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Target", "TrentService.CreateKey")
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/kms/aws4_request, SignedHeaders=host, Signature=00")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		var out struct{ KeyMetadata struct{ KeyId string } }
		if err := json.NewDecoder(a.Body).Decode(&out); err != nil || out.KeyMetadata.KeyId == "" {
			t.Fatalf("no key was made: %s %v", a.Status, err)
		}
		return out.KeyMetadata.KeyId
	}
	keystoretest.Run(t, func(t *testing.T) keystore.KeyStore { return opened(t, url(create(t))) })
	key, _ := seal.NewDataKey()
	if _, err := opened(t, url("alias/none")).Wrap(t.Context(), name, key); !errors.Is(err, keystore.ErrMissing) {
		t.Errorf("no such key: %v", err)
	}
	if _, err := opened(t, strings.Replace(url("alias/none"), addr, bao.Free(t), 1)).Wrap(t.Context(), name, key); !errors.Is(err, helper.ErrAway) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestURL(t *testing.T) {
	file := "/run/token"
	for _, good := range []string{
		"vault://vault.example:8200/transit/cordon?token-file=" + file, "vault://v/a/b/cordon?token-file=/t&ca-file=/ca&namespace=x",
		"vault+http://127.0.0.1:8200/transit/cordon?token-file=/t", "vault+http://[::1]:8200/transit/cordon?token-file=/t",
		"awskms://alias/cordon?region=eu-west-1", "awskms:///arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k", "azurekeyvault://name.vault.azure.net/keys/cordon/0123456789abcdef0123456789abcdef",
	} {
		if k, err := Parse(good); err != nil || len(k.ID()) != keystore.IDSize {
			t.Errorf("%s: %v", good, err)
		}
	}
	for what, bad := range map[string]string{
		"scheme": "https://x/y", "no scheme": "vault:", "user": "vault://secret@host/transit/k?token-file=/t", "fragment": "vault://host/transit/k?token-file=/t#x",
		"no host": "vault:///transit/k?token-file=/t", "no engine": "vault://host/k?token-file=/t", "no token": "vault://host/transit/k",
		"token in it": "vault://host/transit/k?token=secret&token-file=/t", "relative": "vault://host/transit/k?token-file=t", "twice": "vault://host/transit/k?token-file=/t&token-file=/u",
		"climbs": "vault://host/transit/../sys/k?token-file=/t", "encoded": "vault://host/transit/%2e%2e/k?token-file=/t", "query": "vault://host/transit/k%3fx?token-file=/t",
		"plain elsewhere": "vault+http://host:8200/transit/k?token-file=/t", "plain by a name": "vault+http://localhost:8200/transit/k?token-file=/t",
		"plain with a look": "vault+http://127.0.0.1.evil:8200/transit/k?token-file=/t",
		"no AWS key":        "awskms://?region=x", "AWS secret": "awskms://alias/x?secret=y", "AWS plain": "awskms://alias/x?endpoint=http://evil", "AWS endpoint": "awskms://alias/x?endpoint=ftp://x",
		"Google": "gcpkms://projects/p", "Azure without version": "azurekeyvault://name.vault.azure.net/keys/cordon", "Azure host": "azurekeyvault://evil/keys/cordon/0123456789abcdef0123456789abcdef",
		"long": "vault://host/transit/" + strings.Repeat("k", 3000) + "?token-file=/t",
	} {
		if k, err := Parse(bad); err == nil || k != nil || fault.ExitCode(err) != int(fault.Usage) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
	a, _ := Parse("vault://a/transit/k?token-file=/t")
	b, _ := Parse("vault+http://127.0.0.1/transit/k?token-file=/u")
	c, _ := Parse("vault://a/transit/j?token-file=/t")
	if !bytes.Equal(a.ID(), b.ID()) || bytes.Equal(a.ID(), c.ID()) {
		t.Error("the id is the key's, not its server's")
	}
}

// FuzzParse: what is accepted speaks to nobody without TLS but this machine, and reads no file by a relative path.
func FuzzParse(f *testing.F) {
	f.Add("vault://host/transit/k?token-file=/t")
	f.Add("awskms://alias/x?endpoint=https://x")
	f.Add("azurekeyvault://name.vault.azure.net/keys/cordon/0123456789abcdef0123456789abcdef")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := Parse(s)
		if (k == nil) == (err == nil) {
			t.Fatal("both or neither")
		}
		if err != nil {
			return
		}
		if k.Scheme == VaultPlain && !loopback(k.Host) || strings.Contains(k.Path, "..") && k.Scheme != AWS || len(k.ID()) != keystore.IDSize {
			t.Fatalf("%+v", k)
		}
		if f, ok := k.Query["token-file"]; ok && !filepath.IsAbs(f) {
			t.Fatalf("%+v", k)
		}
	})
}
