package debian

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cordon-exchange/cordon/internal/need"
)

// made builds a small package.
func made(t *testing.T, files map[string]string) (Package, string) {
	t.Helper()
	_, err := exec.LookPath("dpkg-deb")
	need.That(t, err == nil, "no dpkg-deb (Debian package dpkg)")
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	files["DEBIAN/control"] = "Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: none <none@example.org>\nDescription: a sample\n"
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "sample.deb")
	if out, err := exec.Command("dpkg-deb", "--build", "--root-owner-group", root, path).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := Package{Name: "sample", Version: "1"}
	p.SHA256 = digestOf(t, path)
	return p, path
}

func digestOf(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("sha256sum", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out[:64])
}

func TestFiles(t *testing.T) {
	p, path := made(t, map[string]string{"boot/a": "A", "lib/b": "B", "lib/c": "C"})
	got, err := p.Files(context.Background(), path, "./boot/a", "./lib/c")
	if err != nil || len(got) != 2 || string(got["./boot/a"]) != "A" || string(got["./lib/c"]) != "C" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	p, path := made(t, map[string]string{"boot/a": "A"})
	if got, err := p.Files(context.Background(), path, "./boot/a", "./boot/none"); !errors.Is(err, ErrFile) || got != nil {
		t.Errorf("missing: %q, %v", got, err)
	}
	if got, err := p.Files(context.Background(), path, "./boot"); err == nil {
		t.Errorf("a folder: %q", got)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Files(context.Background(), path, "./boot/a"); !errors.Is(err, ErrDigest) || got != nil {
		t.Errorf("changed: %q, %v", got, err)
	}
}

// TestWhatIsThereIsChecked: a package that lies where a download would go is checked as one that was downloaded.
func TestWhatIsThereIsChecked(t *testing.T) {
	p, path := made(t, map[string]string{"boot/a": "A"})
	folder := t.TempDir()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(folder, p.SHA256+".deb")
	if err := os.WriteFile(there, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Fetch(context.Background(), folder); err != nil || got != there {
		t.Errorf("got %s, %v", got, err)
	}
	if err := os.WriteFile(there, b[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Fetch(context.Background(), folder); !errors.Is(err, ErrDigest) {
		t.Errorf("got %v", err)
	}
}
