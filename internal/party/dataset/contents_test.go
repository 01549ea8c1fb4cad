package dataset

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
)

// TestContentsKey: versions of a data set share one key, over restarts, as long as one of them has its keys; another data set has
// another.
func TestContentsKey(t *testing.T) {
	w := newWorld(t)
	key := func(dataset string) []byte {
		t.Helper()
		k, err := w.open(t).ContentsKey(t.Context(), dataset)
		if err != nil {
			t.Fatal(err)
		}
		return k.BytesUnsafe()
	}
	first := key("strikes")
	if bytes.Equal(first, key("hunts")) || bytes.Equal(key("hunts"), key("hunts")) {
		t.Error("keys of data sets without versions are alike")
	}
	w.publish(t, w.open(t), "3")
	if !bytes.Equal(first, key("strikes")) {
		t.Error("another key after another version")
	}
	for _, version := range []string{"3", "1", "2"} {
		if !bytes.Equal(first, key("strikes")) {
			t.Errorf("another key before version %s is destroyed", version)
		}
		s := w.open(t)
		if err := s.Retire(w.offers[version].Digest(), w.revocation(t, version)); err != nil {
			t.Fatal(err)
		}
		if err := s.Destroy(w.offers[version].Digest(), 1); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(first, key("strikes")) {
		t.Error("the key outlives all versions")
	}
}

// TestContentsFile: one thing wrong per case. What was equal to what must not be forgotten in silence.
func TestContentsFile(t *testing.T) {
	for name, change := range map[string]func(w *world, s string) string{
		"no key":           func(_ *world, s string) string { return s[:strings.Index(s, `"key"`)] + s[strings.Index(s, `"mark"`):] },
		"a key in the old": func(_ *world, s string) string { return strings.Replace(s, ContentsFormat, oldContentsFormat, 1) },
		"a later format":   func(_ *world, s string) string { return strings.Replace(s, ContentsFormat, "cordon-contents/3", 1) },
		"of another version": func(w *world, _ string) string {
			b, _ := os.ReadFile(w.file("1", "contents.json"))
			return string(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b, err := os.ReadFile(w.file("2", "contents.json"))
			if err != nil {
				t.Fatal(err)
			}
			s := w.open(t)
			if err := os.WriteFile(w.file("2", "contents.json"), []byte(change(w, string(b))), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ContentsKey(t.Context(), "strikes"); fault.ExitCode(err) != int(fault.NoKey) || !errors.Is(err, ErrKeys) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestOtherContentsKey: digests under two keys are never compared.
func TestOtherContentsKey(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	c := contentsOf(t, s, 1)
	offer := w.offers["1"].Digest()
	if same, err := s.HasContents(t.Context(), offer, c); err != nil || !same {
		t.Fatalf("not its own: %v", err)
	}
	fresh, err := NewContentsKey()
	if err != nil {
		t.Fatal(err)
	}
	c.Key = fresh
	if same, err := s.HasContents(t.Context(), offer, c); err != nil || same {
		t.Errorf("the same number under another key: %v, %v", same, err)
	}
}
