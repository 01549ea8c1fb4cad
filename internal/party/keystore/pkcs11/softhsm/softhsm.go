package softhsm

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

// PIN of the tokens' user, and of their security officer.
const PIN = "123456"

// Token of SoftHSM's.
type Token struct {
	Label   string
	Module  string
	PINFile string
	Helper  string // cordon-pkcs11
	dir     string
}

// New makes a token. It is the only one that this test's processes see.
func New(t testing.TB) *Token {
	t.Helper()
	k := &Token{Label: "cordon-test", Module: module(), dir: t.TempDir()}
	_, err := exec.LookPath("softhsm2-util")
	need.That(t, err == nil && k.Module != "", "needs SoftHSM v2 (Debian: softhsm2)")
	t.Setenv("SOFTHSM2_CONF", filepath.Join(k.dir, "softhsm2.conf"))
	k.PINFile = filepath.Join(k.dir, "pin")
	k.write(t, "softhsm2.conf", "directories.tokendir = "+filepath.Join(k.dir, "tokens")+"\nobjectstore.backend = file\nlog.level = ERROR\n")
	k.write(t, "pin", PIN+"\n")
	if err := os.Mkdir(k.folder(), 0o700); err != nil {
		t.Fatal(err)
	}
	k.Init(t, k.Label)
	if k.Helper, err = built(); err != nil {
		t.Fatal(err)
	}
	return k
}

// Init makes another token beside the first one.
func (k *Token) Init(t testing.TB, label string) {
	t.Helper()
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN).CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
}

// URI of the keys with a label.
func (k *Token) URI(object string) string {
	return "pkcs11:token=" + k.Label + ";object=" + object + "?module-path=" + url.PathEscape(k.Module) + "&pin-source=file:" + k.PINFile
}

// Unplug takes the tokens away, until Plug.
func (k *Token) Unplug(t testing.TB) {
	t.Helper()
	move(t, k.folder(), k.folder()+".away")
	if err := os.Mkdir(k.folder(), 0o700); err != nil {
		t.Fatal(err)
	}
}

// Plug puts the tokens back.
func (k *Token) Plug(t testing.TB) {
	t.Helper()
	if err := os.Remove(k.folder()); err != nil {
		t.Fatal(err)
	}
	move(t, k.folder()+".away", k.folder())
}

// WritePIN changes what the file of the PIN says.
func (k *Token) WritePIN(t testing.TB, pin string) { k.write(t, "pin", pin) }

// Dir is everything that SoftHSM keeps.
func (k *Token) Dir() string { return k.dir }

func (k *Token) folder() string { return filepath.Join(k.dir, "tokens") }

func (k *Token) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func module() string {
	for _, pattern := range []string{"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/*/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// built makes the helper, once for each test process; the build cache makes that cheap.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cordon-pkcs11-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cordon-pkcs11")
	cmd := exec.Command("go", "build", "-o", path, "github.com/cordon-exchange/cordon/cmd/cordon-pkcs11")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})
