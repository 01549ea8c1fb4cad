package custody

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/keystore"
	"github.com/cordon-exchange/cordon/internal/party/keystore/keystoretest"
	"github.com/cordon-exchange/cordon/internal/party/keystore/kms/bao"
	"github.com/cordon-exchange/cordon/internal/party/keystore/pkcs11/softhsm"
	"github.com/cordon-exchange/cordon/internal/party/officers"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

const policyText = `policy: 1
dataset: strikes
unit: {column: id, rows_are_units: true}
columns:
  id: {roles: [unit]}
  size: {roles: [dimension, filter]}
output: {lattice: [[size]]}
guard: {min_units: 10, rounding: {count: 5, value_digits: 4}}
purposes: [research]
analysts: [any]
operators: [cordon1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
evidence: {accept: [simulated], builds: ["sha256:0000000000000000000000000000000000000000000000000000000000000000"], perimeters: [process]}
valid: {from: 2020-01-01, until: 2100-01-01}
max_queries: {per_analyst: 200, period: 30d}
`

// world is a party with three versions, and one whose publication did not end.
type world struct {
	*testing.T
	dir     home.Dir
	pass    keyring.Passphrase
	helpers string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
	w := &world{T: t, dir: dir}
	w.must(err)
	w.pass, err = keyring.GeneratePassphrase()
	w.must(err)
	ring, err := keyring.New("delta")
	w.must(err)
	w.must(dir.WriteConfig(home.Config{Name: "delta", Fingerprint: ring.Fingerprint(), Key: ring.Signer().Public().String(), CreatedMS: 1}))
	w.must(w.save(ring))
	s, err := dataset.Open(dir, ring.Fingerprint(), ring)
	w.must(err)
	for _, version := range []string{"1", "2", "3", "unfinished"} {
		w.publish(s, ring, version)
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) save(r *keyring.Keyring) error {
	file, err := r.Encrypt(w.pass)
	if err != nil {
		return err
	}
	return home.WriteFile(w.dir.Keyring(), file)
}

func (w *world) publish(s *dataset.Store, ring *keyring.Keyring, version string) {
	w.Helper()
	k, err := dataset.NewKeys(dataset.ID{Owner: ring.Fingerprint(), Dataset: "strikes", Version: version}, []string{"id", "size"}, false)
	w.must(err)
	key, err := s.ContentsKey(w.Context(), "strikes")
	w.must(err)
	w.must(s.Begin(w.Context(), k, dataset.Contents{Key: key, Sum: dataset.Digest{1}}))
	if version == "unfinished" {
		return
	}
	e, err := statement.Sign(statement.Offer{
		Owner: ring.Fingerprint(), Dataset: "strikes", Version: version,
		Schema:      []statement.Column{{Name: "id", Type: "int64"}, {Name: "size", Type: "varchar"}},
		Files:       []statement.File{{Object: "delta/strikes/" + version + "/part.parquet", Bytes: 1000, Rows: 1, AADPrefix: "delta/strikes/" + version}},
		Commitments: k.Commitments(), Policy: policyText, CreatedMS: 1,
	}, ring.Signer())
	w.must(err)
	w.must(s.Finish(e))
}

// ring is what lies on the disk.
func (w *world) ring() *keyring.Keyring {
	w.Helper()
	file, err := os.ReadFile(w.dir.Keyring())
	w.must(err)
	r, err := keyring.Decrypt(file, w.pass)
	w.must(err)
	return r
}

func (w *world) config() home.Config {
	w.Helper()
	c, err := w.dir.Config()
	w.must(err)
	return c
}

// keys are those of a process that starts now.
func (w *world) keys() *Keys {
	w.Helper()
	return &Keys{
		Approve: func(context.Context, officers.KeyOperation) error { return nil },
		Home:    w.dir, Set: Options{Ring: w.ring(), Save: w.save, Helpers: w.helpers}, Tell: func(string) error { return nil },
	}
}

// opens checks, as an agent that starts now would, that the keys of all versions are released, and gives the KEKs that wrap them.
func (w *world) opens(when string) map[keystore.ID]bool {
	w.Helper()
	set, err := OpenSet(w.config(), Options{Ring: w.ring(), Helpers: w.helpers})
	w.must(err)
	defer set.Close()
	s, err := dataset.Open(w.dir, w.config().Fingerprint, set)
	w.must(err)
	if list := s.List(); len(list) != 3 {
		w.Fatalf("%s: %d versions", when, len(list))
	}
	for _, p := range s.List() {
		if _, err := s.Release(w.Context(), p.Offer.Digest(), []string{"id", "size"}); err != nil {
			w.Fatalf("%s: version %s: %v", when, p.Offer.Body().Version, err)
		}
	}
	all, err := s.Wrappings()
	w.must(err)
	if len(all) != 4 {
		w.Fatalf("%s: %d keys files", when, len(all))
	}
	out := map[keystore.ID]bool{}
	for _, v := range all {
		out[v.KEK] = true
	}
	return out
}

func TestLocalIsAKeyStore(t *testing.T) {
	open := func(t *testing.T) keystore.Keeper {
		ring, err := keyring.New("delta")
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(Local, Options{Ring: ring, Save: func(*keyring.Keyring) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	keystoretest.Run(t, func(t *testing.T) keystore.KeyStore { return open(t) })
	keystoretest.RunKeeper(t, open)
	fixed, _ := Open("", Options{Ring: must(keyring.New("delta"))})
	if _, err := fixed.Renew(t.Context()); err == nil {
		t.Fatal("a keyring that can't be stored was changed")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRotate(t *testing.T) {
	w := newWorld(t)
	before := w.opens("before")
	r, err := w.keys().Rotate(t.Context(), false)
	w.must(err)
	after := w.opens("after")
	if r.Versions != 4 || len(r.Old) != 1 || len(after) != 1 || after[must(w.ring().KEKs(t.Context()))[1]] || len(r.Destroyed) != 0 {
		t.Fatalf("%+v, wrapped by %v", r, after)
	}
	if r, err = w.keys().Rotate(t.Context(), true); err != nil || len(r.Destroyed) != 2 || len(r.Old) != 0 || len(r.Notes) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	left := must(w.ring().KEKs(t.Context()))
	if len(left) != 1 || before[left[0]] || !w.opens("at the end")[left[0]] {
		t.Fatalf("left %v", left)
	}
}

var errKilled = errors.New("killed")

// TestKilledAnywhere ends each change at each of its writes, and does it again: all versions open at every moment.
func TestKilledAnywhere(t *testing.T) {
	token := softhsm.New(t)
	for name, change := range map[string]func(ctx context.Context, k *Keys, run int) (*Report, error){
		"rotate": func(ctx context.Context, k *Keys, _ int) (*Report, error) { return k.Rotate(ctx, true) },
		"move to a token": func(ctx context.Context, k *Keys, run int) (*Report, error) {
			return k.Move(ctx, token.URI(fmt.Sprint("killed-", run)), true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				w := newWorld(t)
				w.helpers = filepath.Dir(token.Helper)
				if !w.killed(n, func(k *Keys) (*Report, error) { return change(t.Context(), k, n) }) {
					if n < 6 {
						t.Fatalf("only %d writes", n)
					}
					return
				}
				w.opens(fmt.Sprint("killed at write ", n))
				r, err := change(t.Context(), w.keys(), n)
				w.must(err)
				kek := w.opens("done again")
				if len(kek) != 1 || len(r.Old) != 0 {
					t.Fatalf("wrapped by %v, %+v", kek, r)
				}
			}
		})
	}
}

// killed runs a change that ends at its write number n, and reports whether it got so far.
func (w *world) killed(n int, change func(*Keys) (*Report, error)) bool {
	w.Helper()
	k, writes := w.keys(), 0
	step := func() error {
		if writes++; writes > n {
			return errKilled
		}
		return nil
	}
	k.Tell = func(string) error { return step() }
	k.Set.Save = func(r *keyring.Keyring) error {
		if err := step(); err != nil {
			return err
		}
		w.must(w.save(r))
		return step()
	}
	_, err := change(k)
	if err == nil {
		return false
	}
	if !errors.Is(err, errKilled) {
		w.Fatal(err)
	}
	return true
}

func TestMove(t *testing.T) {
	token := softhsm.New(t)
	w := newWorld(t)
	w.helpers = filepath.Dir(token.Helper)
	first := w.opens("before")
	a, b := token.URI("a"), token.URI("b")
	r, err := w.keys().Move(t.Context(), a, true)
	w.must(err)
	if c := w.config(); c.KeyStore != a || c.KeyStoreBefore != "" || r.Versions != 4 || len(r.Destroyed) != 1 {
		t.Fatalf("%+v %+v", c, r)
	}
	for id := range w.opens("in the token") {
		if first[id] {
			t.Fatal("still under the keyring's key")
		}
	}
	for _, id := range must(w.ring().KEKs(t.Context())) {
		if first[id] {
			t.Fatal("the keyring's old key is still there")
		}
	}
	if _, err := w.keys().Move(t.Context(), a, false); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("moved to where it is: %v", err)
	}
	if _, err := w.keys().Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.opens("rotated in the token")

	// A move that did not end is the only change that goes on.
	w.killed(1, func(k *Keys) (*Report, error) { return k.Move(t.Context(), b, false) })
	if c := w.config(); c.KeyStore != b || c.KeyStoreBefore != a {
		t.Fatalf("%+v", c)
	}
	if _, err := w.keys().Move(t.Context(), Local, false); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("another move: %v", err)
	}
	if _, err := w.keys().Rotate(t.Context(), false); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("rotated meanwhile: %v", err)
	}
	if r, err := w.keys().Move(t.Context(), b, false); err != nil || len(r.Old) == 0 {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := w.keys().Move(t.Context(), Local, false); err != nil {
		t.Fatal(err)
	}
	if ids := w.opens("back"); len(ids) != 1 || !ids[must(w.ring().KEKs(t.Context()))[0]] {
		t.Fatalf("%v", ids)
	}
}

// TestMoveToNowhere: a store that can't be used changes nothing.
func TestMoveToNowhere(t *testing.T) {
	token := softhsm.New(t)
	w := newWorld(t)
	w.helpers = filepath.Dir(token.Helper)
	before := w.config()
	token.Unplug(t)
	for _, to := range []string{token.URI("a"), "pkcs11:token=x", "nonsense", "https://secret@host", "vault:"} {
		_, err := w.keys().Move(t.Context(), to, true)
		if err == nil || fault.Hint(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Fatalf("%s: %v", to, err)
		}
		if c := w.config(); c != before {
			t.Fatalf("%+v", c)
		}
	}
	w.opens("after")
}

// lying is a store that wraps something else than it was given.
type lying struct{ Store }

func (l lying) Unwrap(ctx context.Context, n seal.KeyName, wrapped []byte) (*seal.DataKey, error) {
	return seal.NewDataKey()
}

// TestLyingStore: what a store does not give back is not entrusted to it.
func TestLyingStore(t *testing.T) {
	w := newWorld(t)
	ring := w.ring()
	s := must(dataset.Open(w.dir, ring.Fingerprint(), ring))
	to := must(Open(Local, Options{Ring: must(keyring.New("delta"))}))
	kek := must(to.KEKs(t.Context()))[0]
	tell := func(dataset.Wrapped) error { return nil }
	if n, err := s.Rewrap(t.Context(), dataset.Onto{Store: lying{to}, KEK: kek, Tell: tell}); err == nil || n != 0 {
		t.Fatalf("%d %v", n, err)
	}
	if n, err := s.Rewrap(t.Context(), dataset.Onto{Store: to, KEK: keystore.ID{1}, Tell: tell}); err == nil || n != 0 {
		t.Fatalf("under another key than it said: %d %v", n, err)
	}
	w.opens("after")
}

func TestBegin(t *testing.T) {
	token := softhsm.New(t)
	s := must(Open(token.URI("a"), Options{Helpers: filepath.Dir(token.Helper)}))
	defer s.Close()
	if err := Begin(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := Begin(t.Context(), s); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("a label of another party: %v", err)
	}
}

// TestVaultRotation: where the server has versions of its key, rotating wraps everything under its newest.
func TestVaultRotation(t *testing.T) {
	b := bao.New(t)
	w := newWorld(t)
	w.helpers = filepath.Dir(must(bao.Program()))
	if _, err := w.keys().Move(t.Context(), b.Key(t, "cordon", nil), true); err != nil {
		t.Fatal(err)
	}
	w.opens("in Vault")
	b.Post(t, "transit/keys/cordon/rotate", nil)
	r, err := w.keys().Rotate(t.Context(), true)
	if err != nil || r.Versions != 4 || len(r.Destroyed) != 0 || len(r.Notes) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	b.Post(t, "transit/keys/cordon/config", map[string]any{"min_decryption_version": 2})
	w.opens("with the new version alone")
	if r, err = w.keys().Move(t.Context(), Local, true); err != nil || r.Versions != 4 {
		t.Fatalf("%+v %v", r, err)
	}
	w.opens("back")
}
