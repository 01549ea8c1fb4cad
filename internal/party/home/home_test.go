package home

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

func created(t *testing.T) Dir {
	t.Helper()
	d, err := Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConfig(t *testing.T) {
	d := created(t)
	if _, err := Open(d.Path()); fault.ExitCode(err) != int(fault.Input) {
		t.Fatalf("a folder without settings is a home: %v", err)
	}
	want := Config{Name: "delta", Fingerprint: statement.Fingerprint("cordon1" + strings.Repeat("a", 64)), Key: "k", CreatedMS: 1}
	if err := d.WriteConfig(want); err != nil {
		t.Fatal(err)
	}
	d, err := Open(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Config()
	if want.Format = ConfigFormat; err != nil || got != want {
		t.Fatalf("%+v %v", got, err)
	}
	good, err := os.ReadFile(d.configFile())
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"cut short": string(good[:10]), "another version": strings.Replace(string(good), "home/1", "home/2", 1),
		"bad name": strings.Replace(string(good), "delta", "DELTA", 1), "bad fingerprint": strings.Replace(string(good), "cordon1a", "cordon1x", 1),
		"unknown field": strings.Replace(string(good), "{", `{"x":1,`, 1),
	} {
		if err := os.WriteFile(d.configFile(), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Config(); fault.ExitCode(err) != int(fault.Input) || got != (Config{}) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestCreateKeepsKeyring: what looks like a party is never overwritten.
func TestCreateKeepsKeyring(t *testing.T) {
	d := created(t)
	if _, err := Create(d.Path()); err != nil {
		t.Fatalf("an unfinished home can't be made again: %v", err)
	}
	if err := os.WriteFile(d.Keyring(), []byte("keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(d.Path()); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("got %v", err)
	}
	for _, dir := range []string{d.Path(), d.Ledger(), d.Datasets(), d.Jobs(), d.Pools(), d.Grants()} {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := Create(""); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("got %v", err)
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two"} {
		if err := WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Fatalf("%q %v", b, err)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", st.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); len(left) != 0 {
		t.Fatalf("left %v", left)
	}
	err := WriteFile(filepath.Join(t.TempDir(), "none", "f"), nil)
	if fault.ExitCode(err) != int(fault.LocalStorage) || fault.Hint(err) == "" {
		t.Fatalf("got %v", err)
	}
}

func TestLock(t *testing.T) {
	d := created(t)
	release, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lock(); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("locked twice: %v", err)
	}
	release()
	again, err := d.Lock()
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestSocket(t *testing.T) {
	long := Dir{path: "/" + strings.Repeat("x", 120)}
	if s, err := long.Socket(); fault.ExitCode(err) != int(fault.Usage) || s != "" {
		t.Fatalf("%q %v", s, err)
	}
	if s, err := (Dir{path: "/a"}).Socket(); err != nil || s != filepath.Join("/a", "agent.sock") {
		t.Fatalf("%q %v", s, err)
	}
	deep := filepath.Join(t.TempDir(), strings.Repeat("y", 60))
	if err := os.MkdirAll(filepath.Join(deep, "home"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if s, err := (Dir{path: filepath.Join(deep, "home")}).Socket(); err != nil || len(s) > maxSocketPath {
		t.Fatalf("%q %v", s, err)
	}
}
