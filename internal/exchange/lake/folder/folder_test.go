//go:build !windows

package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/lake"
	"github.com/cordon-exchange/cordon/internal/exchange/lake/laketest"
)

func openIn(t *testing.T, dir string) *Lake {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestConformance(t *testing.T) {
	laketest.Run(t, func(t *testing.T) lake.Lake { return openIn(t, t.TempDir()) })
}

// files in dir, by their names relative to it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(dir)+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestNothingStaysOfAFailedUpload(t *testing.T) {
	dir := t.TempDir()
	l := openIn(t, dir)
	broken := errors.New("broken")
	r := io.MultiReader(strings.NewReader("some bytes"), failing{broken})
	if err := l.Put(t.Context(), "a/b", r); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Fatalf("left: %v", left)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestOpenRemovesPartialFiles(t *testing.T) {
	dir := t.TempDir()
	if err := openIn(t, dir).Put(t.Context(), "a/b", strings.NewReader("whole")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a", "c.17a2.tmp"), []byte("part"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := openIn(t, dir)
	if left := files(t, dir); fmt.Sprint(left) != "[a/b]" {
		t.Fatalf("left: %v", left)
	}
	if _, err := l.Size(t.Context(), "a/b"); err != nil {
		t.Fatal(err)
	}
}

// TestTruncated cuts a file behind the lake's back.
func TestTruncated(t *testing.T) {
	dir := t.TempDir()
	l := openIn(t, dir)
	if err := l.Put(t.Context(), "a/b", strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func(io.Reader) error{
		"read": func(r io.Reader) error { _, err := io.ReadAll(struct{ io.Reader }{r}); return err },
		"copy": func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err },
	} {
		r, err := l.Read(t.Context(), "a/b", 2, 8)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, "a", "b"), 5); err != nil {
			t.Fatal(err)
		}
		if err := read(r); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v", name, err)
		}
		r.Close()
		if err := os.Truncate(filepath.Join(dir, "a", "b"), 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "a", "b"), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(t.Context(), "a/b", 2, 8); !errors.Is(err, lake.ErrRange) {
		t.Errorf("range of a file cut short: %v", err)
	}
}

const childDir = "CORDON_LAKE_TEST_DIR"

// TestMain also is the process of TestFull: its files can't grow past fileLimit.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := fillDisk(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestFull(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if left := files(t, dir); fmt.Sprint(left) != "[a/small]" {
		t.Errorf("left: %v", left)
	}
}

// TestSharedFolder: what another process uploads now stays, what one left behind long ago does not.
func TestSharedFolder(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"young.tmp": time.Minute, "old.tmp": time.Hour, "old.parquet": time.Hour} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	l, err := OpenShared(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if left := fmt.Sprint(files(t, dir)); left != "[old.parquet young.tmp]" {
		t.Errorf("left: %s", left)
	}
	openIn(t, dir) // one that has the folder for itself
	if left := fmt.Sprint(files(t, dir)); left != "[old.parquet]" {
		t.Errorf("left: %s", left)
	}
}
