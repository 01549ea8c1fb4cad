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

// RunKeeper checks a store whose KEKs Cordon makes and destroys. open returns a store with one KEK each time.
func RunKeeper(t *testing.T, open func(t *testing.T) keystore.Keeper) {
	name := seal.KeyName{Owner: "cordon1aa", Dataset: "strikes", Version: "1", Key: seal.VersionKey}
	key, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	wrap := func(t *testing.T, s keystore.KeyStore) ([]byte, keystore.ID) {
		w, err := s.Wrap(t.Context(), name, key)
		if err != nil {
			t.Fatal(err)
		}
		id, err := keystore.WrappedBy(w)
		if err != nil {
			t.Fatal(err)
		}
		return w, id
	}
	list := func(t *testing.T, s keystore.Keeper) []keystore.ID {
		ids, err := s.KEKs(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	renew := func(t *testing.T, s keystore.Keeper) keystore.ID {
		id, err := s.Renew(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	t.Run("a new KEK wraps, the old one unwraps", func(t *testing.T) {
		s := open(t)
		old, first := wrap(t, s)
		id := renew(t, s)
		now, by := wrap(t, s)
		if ids := list(t, s); len(ids) != 2 || ids[0] != id || ids[1] != first || by != id || id == first {
			t.Fatalf("%v, wraps %v", ids, by)
		}
		for _, w := range [][]byte{old, now} {
			if got, err := s.Unwrap(t.Context(), name, w); err != nil || !bytes.Equal(got.BytesUnsafe(), key.BytesUnsafe()) {
				t.Fatal(err)
			}
		}
	})
	t.Run("many KEKs are in order", func(t *testing.T) {
		s := open(t)
		for range 5 {
			id := renew(t, s)
			if _, by := wrap(t, s); by != id || list(t, s)[0] != id {
				t.Fatal("the newest does not wrap")
			}
		}
	})
	t.Run("a destroyed KEK opens nothing", func(t *testing.T) {
		s := open(t)
		old, first := wrap(t, s)
		renew(t, s)
		if err := s.Destroy(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if ids := list(t, s); len(ids) != 1 || ids[0] == first {
			t.Fatalf("%v", ids)
		}
		if k, err := s.Unwrap(t.Context(), name, old); !errors.Is(err, keystore.ErrMissing) || k != nil {
			t.Fatalf("%v", err)
		}
	})
	t.Run("the KEK that wraps is not destroyed", func(t *testing.T) {
		s := open(t)
		w, first := wrap(t, s)
		if err := s.Destroy(t.Context(), first); err == nil {
			t.Fatal("destroyed")
		}
		if _, err := s.Unwrap(t.Context(), name, w); err != nil {
			t.Fatal(err)
		}
		if err := s.Destroy(t.Context(), keystore.ID{1}); !errors.Is(err, keystore.ErrMissing) {
			t.Fatalf("an unknown one: %v", err)
		}
	})
}
