package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/need"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
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

// world is a store with two versions of one data set.
type world struct {
	dir    home.Dir
	ring   *keyring.Keyring
	offers map[string]*statement.Envelope
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := home.Create(filepath.Join(t.TempDir(), "home"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.New("delta")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: dir, ring: ring, offers: map[string]*statement.Envelope{}}
	s := w.open(t)
	for _, version := range []string{"1", "2"} {
		w.publish(t, s, version)
	}
	return w
}

func (w *world) open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(w.dir, w.ring.Fingerprint(), w.ring)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stranger signs an offer of its own under the names of version 1.
func (w *world) stranger(t *testing.T) *statement.Envelope {
	t.Helper()
	other, err := keyring.New("delta")
	if err != nil {
		t.Fatal(err)
	}
	o, err := statement.DecodeUnverified[statement.Offer](w.offers["1"].Payload)
	if err != nil {
		t.Fatal(err)
	}
	o.Owner = other.Fingerprint()
	e, err := statement.Sign(*o, other.Signer())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// contentsOf are contents that one number tells from others.
func contentsOf(t *testing.T, s *Store, n byte) Contents {
	t.Helper()
	key, err := s.ContentsKey(t.Context(), "strikes")
	if err != nil {
		t.Fatal(err)
	}
	return Contents{Key: key, Sum: Digest{n}, Old: Digest{n, 1}}
}

func (w *world) publish(t *testing.T, s *Store, version string) {
	t.Helper()
	k, err := NewKeys(ID{Owner: w.ring.Fingerprint(), Dataset: "strikes", Version: version}, []string{"id", "size"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), k, contentsOf(t, s, 1)); err != nil {
		t.Fatal(err)
	}
	e, err := statement.Sign(statement.Offer{
		Owner: w.ring.Fingerprint(), Dataset: "strikes", Version: version,
		Schema:      []statement.Column{{Name: "id", Type: "int64"}, {Name: "size", Type: "varchar"}},
		Files:       []statement.File{{Object: "delta/strikes/" + version + "/part.parquet", Bytes: 1000, Rows: 1, AADPrefix: "delta/strikes/" + version}},
		Commitments: k.Commitments(), Policy: policyText, CreatedMS: 1,
	}, w.ring.Signer())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(e); err != nil {
		t.Fatal(err)
	}
	w.offers[version] = e
}

func (w *world) file(parts ...string) string {
	return filepath.Join(append([]string{w.dir.Datasets(), "strikes"}, parts...)...)
}

func (w *world) closed(t *testing.T) string {
	t.Helper()
	var out []string
	for _, p := range w.open(t).Closed(t.Context()) {
		out = append(out, p.Offer.Body().Version)
	}
	return strings.Join(out, " ")
}

// TestKeysFile: one thing wrong with a version's keys per case. None is released, and the owner is told which version it is.
func TestKeysFile(t *testing.T) {
	w := newWorld(t)
	if got := w.closed(t); got != "" {
		t.Fatalf("closed: %q", got)
	}
	path := w.file("1", "keys.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(w.file("2", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := keyring.New("delta")
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, with string) []byte { return bytes.Replace(good, []byte(old), []byte(with), 1) }
	for name, c := range map[string]struct {
		src  []byte
		ring *keyring.Keyring
		want string
	}{
		"missing":                      {nil, w.ring, "missing"},
		"empty":                        {[]byte{}, w.ring, "damaged"},
		"cut short":                    {good[:len(good)/2], w.ring, "damaged"},
		"something behind":             {append(bytes.Clone(good), ' '), w.ring, "damaged"},
		"far too large":                {bytes.Repeat([]byte("["), 4<<20), w.ring, "damaged"},
		"a later format":               {replace("cordon-keys/1", "cordon-keys/2"), w.ring, "damaged"},
		"unknown field":                {replace("{", `{"more":1,`), w.ring, "damaged"},
		"of another version":           {other, w.ring, "another version"},
		"that calls itself another":    {bytes.Replace(other, []byte(`"version":"2"`), []byte(`"version":"1"`), 1), w.ring, "keys of a data set version do not open"},
		"a column without key":         {replace(`"name":"size"`, `"name":"sise"`), w.ring, "column size"},
		"columns that changed places":  {[]byte(strings.NewReplacer(`"name":"size"`, `"name":"id"`, `"name":"id"`, `"name":"size"`).Replace(string(good))), w.ring, "key of column"},
		"key encryption key not there": {good, stranger, "the key that wraps this version is not here"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, c.src, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.src == nil {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Open(w.dir, w.ring.Fingerprint(), c.ring)
			if err != nil {
				t.Fatal(err)
			}
			keys, err := s.Release(t.Context(), w.offers["1"].Digest(), []string{"size"})
			if keys != nil || !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), c.want) || fault.ExitCode(err) != int(fault.NoKey) || fault.Hint(err) == "" {
				t.Errorf("want %q with exit 5 and a hint, got %v", c.want, err)
			}
		})
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // the cases come in any order
		t.Fatal(err)
	}
	if got := w.closed(t); got != "1" {
		t.Errorf("closed: %q", got)
	}
	// Nothing is lost for good: with its file the version opens again.
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := w.open(t).Release(t.Context(), w.offers["1"].Digest(), []string{"size"})
	if err != nil || len(keys.Column) != 1 || w.closed(t) != "" {
		t.Errorf("%v, closed %q", err, w.closed(t))
	}
}

// TestOfferFile: a store whose offers are not what the owner signed is not opened.
func TestOfferFile(t *testing.T) {
	w := newWorld(t)
	path := w.file("1", "offer.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, src := range map[string][]byte{
		"empty": {}, "cut short": good[:len(good)-2], "one bit": flipped, "too large": bytes.Repeat([]byte(" "), 8<<20),
		"of another owner": w.stranger(t).Bytes(), "of another version": w.offers["2"].Bytes(), "unsigned": unsigned(t, w.offers["1"]), "another type": bytes.Replace(good, []byte("payloadType"), []byte("payloadtype"), 1),
	} {
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(w.dir, w.ring.Fingerprint(), w.ring)
		if s != nil || fault.ExitCode(err) != int(fault.Untrusted) || fault.Hint(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	w.open(t)
}

// unsigned is an envelope without its signatures.
func unsigned(t *testing.T, e *statement.Envelope) []byte {
	t.Helper()
	b := e.Bytes()
	at := bytes.Index(b, []byte(`"signatures":[`))
	if at < 0 {
		t.Fatal("no signatures")
	}
	return append(bytes.Clone(b[:at]), []byte(`"signatures":[]}`)...)
}

// TestOtherKeys: keys that open, but are not the ones that the offer commits to, are not released.
func TestOtherKeys(t *testing.T) {
	w := newWorld(t)
	k, err := NewKeys(ID{Owner: w.ring.Fingerprint(), Dataset: "strikes", Version: "1"}, []string{"id", "size"}, false)
	if err != nil {
		t.Fatal(err)
	}
	version, err := seal.NewDataKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.wrap(t.Context(), w.ring, version)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.file("1", "keys.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := w.open(t).Release(t.Context(), w.offers["1"].Digest(), []string{"size"})
	if keys != nil || !errors.Is(err, ErrKeys) || !strings.Contains(err.Error(), "not the one committed to") {
		t.Errorf("%v", err)
	}
}

// TestVersionOnce: the keys of a version that is offered are never replaced.
func TestVersionOnce(t *testing.T) {
	w := newWorld(t)
	before, err := os.ReadFile(w.file("1", "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewKeys(ID{Owner: w.ring.Fingerprint(), Dataset: "strikes", Version: "1"}, []string{"id", "size"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.open(t).Begin(t.Context(), k, contentsOf(t, w.open(t), 1)); fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("%v", err)
	}
	if after, err := os.ReadFile(w.file("1", "keys.json")); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the keys were replaced: %v", err)
	}
}

func (w *world) revocation(t *testing.T, version string) *statement.Envelope {
	t.Helper()
	e, err := statement.Sign(statement.Revocation{Author: w.ring.Fingerprint(), Revokes: w.offers[version].Digest(), AtMS: 1}, w.ring.Signer())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestRetired: no key from that moment on, nor after a restart, nor where the revocation can't be read.
func TestRetired(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	released := func(s *Store, version string) bool {
		keys, err := s.Release(t.Context(), w.offers[version].Digest(), []string{"size"})
		return err == nil && keys != nil
	}
	if err := s.Retire(w.offers["1"].Digest(), w.revocation(t, "2")); err == nil {
		t.Error("retired by the revocation of another version")
	}
	if err := s.Retire(w.offers["1"].Digest(), w.revocation(t, "1")); err != nil {
		t.Fatal(err)
	}
	if released(s, "1") || released(w.open(t), "1") || !released(s, "2") {
		t.Error("keys of a retired version, or none of another")
	}
	need.That(t, os.Symlink("retired.json", w.file("2", "retired.json")) == nil, "no links here")
	if released(w.open(t), "2") {
		t.Error("keys of a version of which nobody can say that it is not retired")
	}
}

// TestNoiseKey: a version has one if its policy wants noise, and only then; it is released by name and not with the others.
func TestNoiseKey(t *testing.T) {
	w := newWorld(t)
	s := w.open(t)
	noisy := strings.Replace(policyText, "output: {lattice: [[size]]}", "output: dp\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3}", 1)
	for i, c := range []struct {
		policy string
		noise  bool
		passes bool
	}{{policyText, false, true}, {policyText, true, false}, {noisy, false, false}, {noisy, true, true}} {
		version := fmt.Sprint("n", i)
		k, err := NewKeys(ID{Owner: w.ring.Fingerprint(), Dataset: "strikes", Version: version}, []string{"id", "size"}, c.noise)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Begin(t.Context(), k, contentsOf(t, s, byte(i))); err != nil {
			t.Fatal(err)
		}
		e, err := statement.Sign(statement.Offer{
			Owner: w.ring.Fingerprint(), Dataset: "strikes", Version: version,
			Schema:      []statement.Column{{Name: "id", Type: "int64"}, {Name: "size", Type: "varchar"}},
			Files:       []statement.File{{Object: "delta/strikes/" + version + "/part.parquet", Bytes: 1000, Rows: 1, AADPrefix: "delta/strikes/" + version}},
			Commitments: k.Commitments(), Policy: c.policy, CreatedMS: 1,
		}, w.ring.Signer())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Finish(e); (err == nil) != c.passes {
			t.Fatalf("%d: %v", i, err)
		}
		if !c.passes {
			continue
		}
		if len(k.ColumnsUnsafe()) != 2 {
			t.Fatal("the noise key would seal a column")
		}
		plain, err := s.Release(t.Context(), e.Digest(), []string{"size"})
		if err != nil || len(plain.Column) != 1 {
			t.Fatalf("%d: %v", i, err)
		}
		with, err := s.Release(t.Context(), e.Digest(), []string{"size", statement.NoiseKey})
		if (err == nil) != c.noise || err == nil && (len(with.Column) != 2 || len(with.Column[1].Key) != seal.DataKeySize) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}
