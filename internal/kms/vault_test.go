package kms

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
)

const goodKey = `{"data":{"type":"aes256-gcm96","supports_encryption":true,"supports_decryption":true}}`

// liar is a server that answers as it likes, over TLS. It is a double: what real servers do is in package keystore/kms.
type liar struct {
	*httptest.Server
	url    string
	status int
	answer string // to encrypt and decrypt
	seen   []string
}

func newLiar(t *testing.T) *liar {
	l := &liar{status: http.StatusOK}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		l.seen = append(l.seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Vault-Token")+" "+string(b))
		if strings.Contains(r.URL.Path, "/keys/") && l.answer != "at once" {
			io.WriteString(w, goodKey)
			return
		}
		if l.status == http.StatusTemporaryRedirect {
			w.Header().Set("Location", "https://"+r.Host+"/elsewhere")
		}
		w.WriteHeader(l.status)
		io.WriteString(w, l.answer)
	}))
	t.Cleanup(l.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw})
	for name, b := range map[string][]byte{"token": []byte("t0ken\n"), "ca": ca} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l.url = "vault://" + l.Listener.Addr().String() + "/transit/k?token-file=" + dir + "/token&ca-file=" + dir + "/ca"
	return l
}

func code(t *testing.T, r wire.Reply, err error) string {
	t.Helper()
	a := reply(r, err)
	if a.Code != "" && (a.Data != nil || a.Text == "") || strings.Contains(a.Text, "t0ken") {
		t.Fatalf("%+v", a)
	}
	return a.Code
}

// TestVaultAnswers: whatever the server says, nothing is taken for a key that is not one, and the token goes to no other address.
func TestVaultAnswers(t *testing.T) {
	l := newLiar(t)
	s, err := open(t.Context(), l.url)
	if err != nil {
		t.Fatal(err)
	}
	name := []byte("name")
	sealed := []byte("vault:v1:" + strings.Repeat("A", 124))
	ask := func(status int, answer string) string {
		l.status, l.answer = status, answer
		r, err := s.serve(t.Context(), &wire.Request{Op: wire.OpUnwrap, ID: s.id, AAD: name, Data: sealed})
		return code(t, r, err)
	}
	plain := func(b []byte) string {
		return `{"data":{"plaintext":"` + base64.StdEncoding.EncodeToString(b) + `"}}`
	}
	key := make([]byte, versionKeySize)
	if got := ask(200, plain(bind(name, key))); got != "" {
		t.Fatalf("the right one: %s", got)
	}
	for what, c := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"another name":   {200, plain(bind([]byte("other"), key)), wire.CodeRefused},
		"a bare key":     {200, plain(key), wire.CodeRefused},
		"another form":   {200, plain(append([]byte{2}, bind(name, key)[1:]...)), wire.CodeRefused},
		"longer":         {200, plain(append(bind(name, key), 0)), wire.CodeRefused},
		"nothing":        {200, `{}`, wire.CodeRefused},
		"no data":        {200, `{"data":null}`, wire.CodeRefused},
		"no text":        {200, `{"data":{"plaintext":5}}`, wire.CodeAway},
		"no JSON":        {200, `<html>`, wire.CodeAway},
		"empty":          {200, ``, wire.CodeAway},
		"endless":        {200, `{"data":{"plaintext":"` + strings.Repeat("A", 2<<20), wire.CodeAway},
		"denied":         {403, `{"errors":["t0ken"]}`, wire.CodeDenied},
		"not there":      {404, `{}`, wire.CodeMissing},
		"sealed":         {503, `{}`, wire.CodeAway},
		"standby":        {473, `{}`, wire.CodeAway},
		"redirect":       {307, ``, wire.CodeAway},
		"can't":          {400, `{"errors":["cipher: message authentication failed"]}`, wire.CodeFailed}, // and it can't do anything else either
		"internal error": {500, ``, wire.CodeFailed},
	} {
		if got := ask(c.status, c.answer); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	for _, line := range l.seen {
		if strings.Contains(line, "elsewhere") {
			t.Error("followed a redirect")
		}
	}
	l.status, l.answer = 200, `{"data":{"ciphertext":"vault:v0:AAAA"}}`
	r, err := s.serve(t.Context(), &wire.Request{Op: wire.OpWrap, AAD: name, Data: key})
	if got := code(t, r, err); got != wire.CodeFailed {
		t.Errorf("a ciphertext that is none: %q", got)
	}
	r, err = s.serve(t.Context(), &wire.Request{Op: wire.OpWrap, AAD: name, Data: key[:5]})
	if got := code(t, r, err); got != wire.CodeUsage {
		t.Errorf("a short key: %q", got)
	}
	r, err = s.serve(t.Context(), &wire.Request{Op: wire.OpUnwrap, ID: make([]byte, 8), AAD: name, Data: sealed})
	if got := code(t, r, err); got != wire.CodeMissing {
		t.Errorf("another key's: %q", got)
	}
	if r, err = s.serve(t.Context(), &wire.Request{Op: "open"}); code(t, r, err) != wire.CodeUsage {
		t.Error("opened twice")
	}
}

// TestVaultTLS: a server whose certificate nobody vouches for gets no token.
func TestVaultTLS(t *testing.T) {
	l := newLiar(t)
	before, _, _ := strings.Cut(l.url, "&ca-file")
	if _, err := open(t.Context(), before); err == nil {
		t.Fatal("opened")
	}
	if len(l.seen) != 0 {
		t.Fatalf("told %v", l.seen)
	}
	var f *failure
	if _, err := open(t.Context(), strings.Replace(l.url, "/ca", "/none", 1)); !errors.As(err, &f) || f.code != wire.CodeUsage {
		t.Fatalf("no roots: %v", err)
	}
	if _, err := open(context.Background(), "https://x"); err == nil {
		t.Fatal("another scheme")
	}
}

func TestBind(t *testing.T) {
	if n := len(bind([]byte("a"), make([]byte, versionKeySize))); n != plainSize || (n+12+16)%3 != 0 {
		t.Fatal(n)
	}
	b, err := json.Marshal(digest([]byte("a")))
	if err != nil || string(digest([]byte("a"))) == string(digest([]byte("b"))) || len(b) == 0 {
		t.Fatal(err)
	}
}

// TestVaultSize: an answer is read only as far as one can be.
func TestVaultSize(t *testing.T) {
	l := newLiar(t)
	s, err := open(t.Context(), l.url)
	if err != nil {
		t.Fatal(err)
	}
	l.answer = `{"data":{"plaintext":"` + base64.StdEncoding.EncodeToString(bind([]byte("name"), make([]byte, versionKeySize))) + `"}` + strings.Repeat(" ", maxAnswer) + `}`
	r, err := s.serve(t.Context(), &wire.Request{Op: wire.OpUnwrap, ID: s.id, AAD: []byte("name"), Data: []byte("vault:v1:" + strings.Repeat("A", 124))})
	if got := code(t, r, err); got != wire.CodeAway {
		t.Fatalf("%q", got)
	}
}
