package bao

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/need"
)

// Program makes cordon-kms, once for each test process.
var Program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cordon-kms-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cordon-kms")
	cmd := exec.Command("go", "build", "-o", path, "github.com/cordon-exchange/cordon/cmd/cordon-kms")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

// Serve runs a program that listens at an address of this machine.
func Serve(t testing.TB, cmd *exec.Cmd, addr string) {
	t.Helper()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("no server at %s: %s", addr, log.String())
		}
	}
}

// Free is an address of this machine that nobody listens at.
func Free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Server has a transit engine. Its root is the test.
type Server struct {
	Addr      string
	TokenFile string
}

const rootToken = "root-of-the-test"

// New starts a server.
func New(t testing.TB) *Server {
	t.Helper()
	path, err := exec.LookPath("bao")
	if err != nil {
		path, err = exec.LookPath("vault")
	}
	need.That(t, err == nil, "needs OpenBao's bao or HashiCorp's vault")
	b := &Server{Addr: Free(t), TokenFile: filepath.Join(t.TempDir(), "token")}
	cmd := exec.Command(path, "server", "-dev", "-dev-no-store-token", "-dev-root-token-id="+rootToken, "-dev-listen-address="+b.Addr)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "SKIP_SETCAP=1")
	Serve(t, cmd, b.Addr)
	b.WriteToken(t, rootToken)
	b.Post(t, "sys/mounts/transit", map[string]any{"type": "transit"})
	return b
}

// WriteToken changes the token that URLs name.
func (b *Server) WriteToken(t testing.TB, token string) {
	t.Helper()
	if err := os.WriteFile(b.TokenFile, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Answer of a server: a token that was made.
type Answer struct {
	Auth struct {
		ClientToken string `json:"client_token"`
	} `json:"auth"`
}

// Post makes a request as the server's root, until it is ready.
func (b *Server) Post(t testing.TB, path string, in any) (out Answer) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+b.Addr+"/v1/"+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Vault-Token", rootToken)
		a, err := http.DefaultClient.Do(r)
		if err == nil && a.StatusCode < 300 {
			_ = json.NewDecoder(a.Body).Decode(&out)
			a.Body.Close()
			return out
		}
		if err == nil {
			a.Body.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s fails", path)
	return out
}

// URL of a key.
func (b *Server) URL(key string) string {
	return "vault+http://" + b.Addr + "/transit/" + key + "?token-file=" + b.TokenFile
}

// Key makes a key and gives its URL.
func (b *Server) Key(t testing.TB, name string, options map[string]any) string {
	t.Helper()
	b.Post(t, "transit/keys/"+name, options)
	return b.URL(name)
}
