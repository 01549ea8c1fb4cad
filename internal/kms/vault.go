package kms

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path"
	"regexp"
	"runtime"
	"strings"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/internal/party/keystore/kms"
)

const (
	maxAnswer = 1 << 20
	maxToken  = 4 << 10
)

// vault speaks to the transit engine of HashiCorp Vault or OpenBao: three requests of its HTTP API.
type vault struct {
	base      string // https://host:port/v1/ENGINE
	key       string
	tokenFile string
	namespace string
	client    *http.Client
}

// openVault checks that the key is there and can't be exported.
func openVault(ctx context.Context, k *kms.Key) (*vault, error) {
	scheme := "https://"
	if k.Scheme == kms.VaultPlain {
		scheme = "http://"
	}
	engine, key := path.Split(k.Path)
	roots, err := readRoots(k.Query["ca-file"])
	if err != nil {
		return nil, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	v := &vault{
		base: scheme + k.Host + "/v1/" + strings.TrimSuffix(engine, "/"), key: key, tokenFile: k.Query["token-file"], namespace: k.Query["namespace"],
		// A redirect could send the token elsewhere.
		client: &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	return v, v.check(ctx)
}

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		return nil, fail(wire.CodeUsage, "ca-file= has no certificates")
	}
	return pool, nil
}

func (v *vault) check(ctx context.Context) error {
	var k struct {
		Type       string `json:"type"`
		Encrypts   bool   `json:"supports_encryption"`
		Decrypts   bool   `json:"supports_decryption"`
		Derived    bool   `json:"derived"`
		Exportable bool   `json:"exportable"`
		Backup     bool   `json:"allow_plaintext_backup"`
	}
	if err := v.call(ctx, http.MethodGet, "keys", nil, &k); err != nil {
		return err
	}
	if k.Exportable || k.Backup {
		return fail(wire.CodeWeak, "the key can be exported from the server, or backed up in clear")
	}
	switch k.Type {
	case "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305":
	default:
		return fail(wire.CodeWeak, "the key is not of a kind that authenticates what it encrypts: make an aes256-gcm96 key")
	}
	if !k.Encrypts || !k.Decrypts || k.Derived {
		return fail(wire.CodeUsage, "the key does not encrypt and decrypt without a context")
	}
	return nil
}

// Encrypt is keeper's.
func (v *vault) Encrypt(ctx context.Context, plain []byte) ([]byte, error) {
	var out struct {
		Ciphertext string `json:"ciphertext"`
	}
	in := struct {
		Plaintext []byte `json:"plaintext"`
	}{plain}
	if err := v.call(ctx, http.MethodPost, "encrypt", in, &out); err != nil {
		return nil, err
	}
	if !wellFormed([]byte(out.Ciphertext)) {
		return nil, fail(wire.CodeFailed, "Vault's answer is no ciphertext")
	}
	return []byte(out.Ciphertext), nil
}

// wellFormed keeps one spelling for each ciphertext: Vault itself takes v0 for v1.
func wellFormed(sealed []byte) bool {
	return regexp.MustCompile(`^vault:v[1-9][0-9]{0,9}:[A-Za-z0-9+/]+$`).Match(sealed)
}

// Decrypt is keeper's.
func (v *vault) Decrypt(ctx context.Context, sealed []byte) ([]byte, error) {
	var out struct {
		Plaintext []byte `json:"plaintext"`
	}
	if !wellFormed(sealed) {
		return nil, fail(wire.CodeRefused, "not what Vault wraps")
	}
	in := struct {
		Ciphertext string `json:"ciphertext"`
	}{string(sealed)}
	if err := v.call(ctx, http.MethodPost, "decrypt", in, &out); err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

// call makes one request about the key. What the server says in words stays here: it may quote what it was sent.
func (v *vault) call(ctx context.Context, method, what string, in, out any) error {
	token, err := readToken(v.tokenFile)
	if err != nil {
		return err
	}
	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return err
		}
		defer clear(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, v.base+"/"+what+"/"+v.key, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("X-Vault-Token", token)
	r.Header.Set("X-Vault-Request", "true")
	if v.namespace != "" {
		r.Header.Set("X-Vault-Namespace", v.namespace)
	}
	a, err := v.client.Do(r)
	if err != nil {
		return fail(wire.CodeAway, "Vault does not answer, or not over TLS as it should")
	}
	defer a.Body.Close()
	src, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	if err != nil {
		return fail(wire.CodeAway, "Vault's answer is cut short")
	}
	defer clear(src)
	if err := status(a.StatusCode); err != nil {
		return err
	}
	data := struct {
		Data any `json:"data"`
	}{out}
	if json.Unmarshal(src, &data) != nil {
		return fail(wire.CodeAway, "Vault's answer can't be read")
	}
	return nil
}

func status(code int) error {
	switch {
	case code == http.StatusOK:
		return nil
	case code == http.StatusForbidden || code == http.StatusUnauthorized:
		return fail(wire.CodeDenied, "Vault refuses the token, or it may not use the key")
	case code == http.StatusNotFound:
		return fail(wire.CodeMissing, "Vault has no such key or engine")
	case code == http.StatusServiceUnavailable:
		return fail(wire.CodeAway, "Vault is sealed")
	case code == http.StatusBadRequest || code == http.StatusInternalServerError:
		return fail(wire.CodeFailed, "Vault can't do that")
	}
	return fail(wire.CodeAway, "Vault is on standby, or overloaded")
}

// readToken reads a file that only its owner can read, each time: agents of Vault renew it.
func readToken(file string) (string, error) {
	st, err := os.Stat(file)
	if err != nil || st.Size() > maxToken {
		return "", fail(wire.CodeDenied, "the token's file can't be read")
	}
	if runtime.GOOS != "windows" && st.Mode().Perm()&0o077 != 0 {
		return "", fail(wire.CodeDenied, "others can read the token's file")
	}
	b, err := os.ReadFile(file)
	token := strings.TrimRight(string(b), "\r\n")
	if err != nil || token == "" || strings.ContainsAny(token, "\r\n\x00 ") {
		return "", fail(wire.CodeDenied, "the token's file is not one line")
	}
	return token, nil
}
