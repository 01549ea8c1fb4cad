package keystoretest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// Run checks a key store made by open, which returns a fresh and empty store each time.
func Run(t *testing.T, open func(t *testing.T) keystore.KeyStore) {
	name := seal.KeyName{Owner: "cordon1aa", Dataset: "strikes", Version: "1", Key: seal.VersionKey}
	key, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(t *testing.T, s keystore.KeyStore) []byte {
		w, err := s.Wrap(t.Context(), name, key)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	t.Run("what is wrapped unwraps", func(t *testing.T) {
		s := open(t)
		got, err := s.Unwrap(t.Context(), name, wrap(t, s))
		if err != nil || !bytes.Equal(got.BytesUnsafe(), key.BytesUnsafe()) {
			t.Fatalf("not the same key: %v", err)
		}
	})
	t.Run("wrapped key hides the key", func(t *testing.T) {
		if bytes.Contains(wrap(t, open(t)), key.BytesUnsafe()) {
			t.Fatal("key in clear")
		}
	})
	t.Run("same key twice gives other bytes", func(t *testing.T) {
		s := open(t)
		if bytes.Equal(wrap(t, s), wrap(t, s)) {
			t.Fatal("wrapping is deterministic: nonces repeat")
		}
	})
	others := map[string]func(*seal.KeyName){
		"owner":   func(n *seal.KeyName) { n.Owner = "cordon1bb" },
		"dataset": func(n *seal.KeyName) { n.Dataset = "hits" },
		"version": func(n *seal.KeyName) { n.Version = "2" },
		"key":     func(n *seal.KeyName) { n.Key = statement.FooterKey },
	}
	for field, change := range others {
		t.Run("other "+field+" is refused", func(t *testing.T) {
			s, n := open(t), name
			change(&n)
			if k, err := s.Unwrap(t.Context(), n, wrap(t, s)); !errors.Is(err, keystore.ErrRefused) || k != nil {
				t.Fatalf("want ErrRefused, got %v", err)
			}
		})
	}
	t.Run("every changed byte is refused", func(t *testing.T) {
		s := open(t)
		w := wrap(t, s)
		for i := range w {
			bad := bytes.Clone(w)
			bad[i] ^= 1
			if k, err := s.Unwrap(t.Context(), name, bad); err == nil || k != nil {
				t.Fatalf("byte %d changed, and it opened", i)
			}
		}
	})
	t.Run("short bytes are refused", func(t *testing.T) {
		s := open(t)
		w := wrap(t, s)
		for n := range w {
			if k, err := s.Unwrap(t.Context(), name, w[:n]); err == nil || k != nil {
				t.Fatalf("cut to %d bytes, and it opened", n)
			}
		}
	})
	t.Run("another store's wrapping is missing its key", func(t *testing.T) {
		if k, err := open(t).Unwrap(t.Context(), name, wrap(t, open(t))); !errors.Is(err, keystore.ErrMissing) || k != nil {
			t.Fatalf("want ErrMissing, got %v", err)
		}
	})
}
