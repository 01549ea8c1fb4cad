package dataset

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/statement"
)

func (w *world) retire(t *testing.T, s *Store, version string) statement.Digest {
	t.Helper()
	offer := w.offers[version].Digest()
	e, err := statement.Sign(statement.Revocation{Author: w.ring.Fingerprint(), Revokes: offer, AtMS: 1}, w.ring.Signer())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Retire(offer, e); err != nil {
		t.Fatal(err)
	}
	return offer
}

// TestDestroy: nothing that opens the version is left, not even what a crash left of a write; and a copy that comes back is destroyed.
func TestDestroy(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	if err := s.Destroy(w.offers["1"].Digest(), 1); err == nil {
		t.Fatal("a version on offer was destroyed")
	}
	keys, err := os.ReadFile(w.file("1", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file("1", ".new-123"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(w.file("1", "keys.json")) // what the file's blocks hold after its name is gone
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	offer := w.retire(t, s, "1")
	if err := s.Destroy(offer, 5); err != nil {
		t.Fatal(err)
	}
	now := make([]byte, len(keys))
	if _, err := held.ReadAt(now, 0); err != nil || strings.Contains(string(now), "cordon-keys") || string(now[:64]) == string(keys[:64]) {
		t.Fatalf("the file was not overwritten: %.40q %v", now, err)
	}
	left, err := filepath.Glob(w.file("1", "*"))
	hidden, _ := filepath.Glob(w.file("1", ".*"))
	if err != nil || len(left) != 3 || len(hidden) != 0 { // offer, retired, destroyed
		t.Fatalf("left %v %v", left, hidden)
	}
	for _, s := range []*Store{s, w.open(t)} {
		if p, _ := s.Get(offer); !p.Destroyed || !p.Retired {
			t.Fatalf("%+v", p)
		}
		if k, err := s.Release(t.Context(), offer, []string{"size"}); k != nil || !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), "destroyed") {
			t.Fatalf("released: %v", err)
		}
		if _, err := s.Release(t.Context(), w.offers["2"].Digest(), []string{"size"}); err != nil {
			t.Fatalf("the other version: %v", err)
		}
	}
	if err := os.WriteFile(w.file("1", "keys.json"), keys, 0o600); err != nil {
		t.Fatal(err)
	}
	w.open(t)
	if _, err := os.Stat(w.file("1", "keys.json")); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a copy that came back is still there")
	}
	if list, err := w.open(t).Wrappings(); err != nil || len(list) != 1 {
		t.Fatalf("%v %v", list, err)
	}
	// The next version is published as if this one had other contents.
	w.publish(t, w.open(t), "3")
}

// TestDestroyedFile: a file that does not say what it must is not taken for one.
func TestDestroyedFile(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	if err := s.Destroy(w.retire(t, s, "1"), 5); err != nil {
		t.Fatal(err)
	}
	file := w.file("1", "destroyed.json")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "later": strings.Replace(string(good), "destroyed/1", "destroyed/2", 1), "more": string(good) + " ",
		"of another version": strings.Replace(string(good), string(w.offers["1"].Digest()), string(w.offers["2"].Digest()), 1),
	} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(w.dir, w.ring.Fingerprint(), w.ring); s != nil || fault.ExitCode(err) != int(fault.Untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
