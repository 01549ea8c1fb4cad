package helper

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/helper/wire"
	"github.com/cordon-exchange/cordon/seal"
)

// TestMain makes this program a helper as well: one that behaves as the first request tells it.
func TestMain(m *testing.M) {
	if os.Getenv("CORDON_TEST_HELPER") == "1" {
		os.Exit(behave())
	}
	os.Exit(m.Run())
}

func behave() int {
	var q wire.Request
	if wire.Read(os.Stdin, &q) != nil {
		return 1
	}
	how := q.URL
	if how == "refuses" {
		_ = wire.Write(os.Stdout, wire.Reply{Code: wire.CodePIN, Text: "no"})
		return 0
	}
	_ = wire.Write(os.Stdout, wire.Reply{})
	for n := 0; ; n++ {
		var q wire.Request
		if wire.Read(os.Stdin, &q) != nil {
			return 0
		}
		switch {
		case how == "hangs" && string(q.AAD) != "":
			time.Sleep(30 * time.Second)
			return 1
		case how == "dies":
			return 1
		case how == "dies second" && n == 1:
			return 1
		case how == "babbles":
			os.Stdout.WriteString("hello, I am a vendor's library\n")
		case how == "gone":
			_ = wire.Write(os.Stdout, wire.Reply{Code: wire.CodeGone, Text: "went away"})
		case how == "short":
			_ = wire.Write(os.Stdout, wire.Reply{Data: []byte{1}, IDs: [][]byte{{1}}})
		default:
			_ = wire.Write(os.Stdout, wire.Reply{Data: make([]byte, 32), IDs: [][]byte{make([]byte, keystore.IDSize)}})
		}
	}
}

var errFinal = errors.New("final")

func opened(t *testing.T, how string) *Store {
	t.Helper()
	t.Setenv("CORDON_TEST_HELPER", "1")
	s, err := New(Options{
		Path: os.Args[0], Open: wire.Request{Op: wire.OpOpen, URL: how},
		Explain: func(wire.Reply) error { return errFinal }, Final: func(err error) bool { return errors.Is(err, errFinal) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func unwrap(ctx context.Context, s *Store) error {
	key, err := s.Unwrap(ctx, seal.KeyName{Owner: "x"}, make([]byte, 60))
	if (key == nil) == (err == nil) {
		return errors.New("a key and an error, or neither")
	}
	return err
}

// TestBadHelpers: whatever a helper does, a call ends with an error, and the next one starts another.
func TestBadHelpers(t *testing.T) {
	for _, how := range []string{"dies", "babbles", "gone"} {
		s := opened(t, how)
		for range 3 {
			if err := unwrap(t.Context(), s); !errors.Is(err, ErrAway) {
				t.Errorf("%s: %v", how, err)
			}
		}
	}
	s := opened(t, "dies second")
	for range 6 {
		if err := unwrap(t.Context(), s); err != nil {
			t.Errorf("one that ends in between: %v", err)
		}
	}
	if err := unwrap(t.Context(), opened(t, "short")); err == nil {
		t.Error("a key of one byte")
	}
	if _, err := opened(t, "short").KEKs(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("an id of one byte: %v", err)
	}
	if _, err := opened(t, "short").Renew(t.Context()); !errors.Is(err, ErrAway) {
		t.Errorf("an id of one byte: %v", err)
	}
}

// TestSigningSizes: a public key and a signature have their size, or are none.
func TestSigningSizes(t *testing.T) {
	s := opened(t, "") // answers 32 bytes, whatever is asked
	if k, err := s.PublicKey(t.Context()); err != nil || len(k) != wire.PublicSize {
		t.Errorf("%x %v", k, err)
	}
	if sig, err := s.Sign(t.Context(), []byte("x")); sig != nil || !errors.Is(err, ErrAway) {
		t.Errorf("a signature of 32 bytes: %x %v", sig, err)
	}
	s = opened(t, "short")
	if k, err := s.MakeKey(t.Context()); k != nil || !errors.Is(err, ErrAway) {
		t.Errorf("a public key of one byte: %x %v", k, err)
	}
}

// TestHangingHelper: a call that is given up ends the helper, and does not hold up the next one.
func TestHangingHelper(t *testing.T) {
	s := opened(t, "hangs")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if err := unwrap(ctx, s); !errors.Is(err, ErrAway) || time.Since(begun) > 20*time.Second {
		t.Fatalf("after %v: %v", time.Since(begun), err)
	}
	if _, err := s.KEKs(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestKilledHelper: its end between two calls costs nothing.
func TestKilledHelper(t *testing.T) {
	s := opened(t, "")
	for range 3 {
		if err := unwrap(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := s.process.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFinal(t *testing.T) {
	s := opened(t, "refuses")
	if err := unwrap(t.Context(), s); !errors.Is(err, errFinal) {
		t.Fatal(err)
	}
	s.opt.Path = "/nonexistent" // a second start would say so
	if err := unwrap(t.Context(), s); !errors.Is(err, errFinal) {
		t.Fatalf("tried again: %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Fatal("no options")
	}
	if p, err := Find("cordon-none"); p != "" || err == nil {
		t.Fatal(p)
	}
}
