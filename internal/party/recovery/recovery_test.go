package recovery

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/statement"
)

// world is a party with a backup for three custodians, of whom two open it.
type world struct {
	*testing.T
	dir    home.Dir
	ring   *keyring.Keyring
	ids    []*age.HybridIdentity
	to     []To
	backup *Backup
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t}
	var err error
	w.dir, err = home.Create(filepath.Join(t.TempDir(), "home"))
	w.must(err)
	w.ring, err = keyring.New("delta")
	w.must(err)
	w.must(w.dir.WriteConfig(home.Config{Name: "delta", Fingerprint: w.ring.Fingerprint(), Key: w.ring.Signer().Public().String(), CreatedMS: 1}))
	for path, text := range map[string]string{
		"datasets/strikes/1/keys.json": "wrapped", "grants/aa.json": "grant", "pools/bb.json": "pool", "heads/x.json": "head",
		// What a backup must not hold.
		"keyring.age": "ring", "ledger/ledger.ndjson": "ledger", "jobs/cc/reply.json": "reply", "agent.lock": "", "backups/x.json": "b",
		"datasets/strikes/1/.new-1": "half", ".new-2": "half",
	} {
		file := filepath.Join(w.dir.Path(), filepath.FromSlash(path))
		w.must(os.MkdirAll(filepath.Dir(file), 0o700))
		w.must(os.WriteFile(file, []byte(text), 0o600))
	}
	for _, name := range []string{"notary", "cfo", "cto"} {
		id, err := age.GenerateHybridIdentity()
		w.must(err)
		w.ids, w.to = append(w.ids, id), append(w.to, To{Name: name, Recipient: id.Recipient().String()})
	}
	w.backup = w.make(2)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) options(threshold int) Options {
	return Options{
		Home: w.dir, Ring: w.ring, Custodians: w.to, Threshold: threshold, AtMS: 7, KeyStore: "local",
		Ledger: statement.LedgerHead{Seq: 3, Digest: statement.Sum(nil)}, Versions: []Version{{"strikes", "1", "0011223344556677"}},
	}
}

func (w *world) make(threshold int) *Backup {
	w.Helper()
	b, err := Make(w.options(threshold))
	w.must(err)
	return b
}

// share opens the share of custodian i, from 0.
func (w *world) share(b *Backup, i int) *Share {
	w.Helper()
	s, err := OpenShare(b.Shares[i], w.ids[i])
	w.must(err)
	return s
}

func TestAnyTwoRecover(t *testing.T) {
	w := newWorld(t)
	for _, pair := range [][]int{{0, 1}, {2, 0}, {1, 2}, {0, 1, 2}, {1, 1, 0}} {
		var shares []*Share
		for _, i := range pair {
			shares = append(shares, w.share(w.backup, i))
		}
		r, err := Open(w.backup.Encoded, w.backup.Data, shares)
		w.must(err)
		if r.Ring.Fingerprint() != w.ring.Fingerprint() || !bytes.Equal(r.Ring.Box().Public(), w.ring.Box().Public()) {
			t.Fatal("another party")
		}
		dir, err := home.Create(filepath.Join(t.TempDir(), "new"))
		w.must(err)
		w.must(r.WriteTo(dir))
		var files []string
		w.must(filepath.WalkDir(dir.Path(), func(path string, d os.DirEntry, err error) error {
			if !d.IsDir() {
				rel, _ := filepath.Rel(dir.Path(), path)
				files = append(files, filepath.ToSlash(rel))
			}
			return err
		}))
		want := []string{"config.json", "datasets/strikes/1/keys.json", "freeze.json", "grants/aa.json", "heads/x.json", "pools/bb.json"}
		if slices.Sort(files); !slices.Equal(files, want) {
			t.Fatalf("files %v", files)
		}
	}
}

// TestRefused: one thing wrong with the shares or the files per case.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	other, b := w.make(2), w.backup
	changed := w.share(b, 1)
	changed.s.Y[5] ^= 1
	numbered := w.share(b, 1)
	numbered.s.X = 3
	beyond := w.share(b, 1)
	beyond.s.X = 9
	text := func(old, with string) []byte { return bytes.Replace(b.Encoded, []byte(old), []byte(with), 1) }
	cut := b.Data[:len(b.Data)-3]
	flipped := bytes.Clone(b.Data)
	flipped[len(flipped)-1] ^= 1
	good := []*Share{w.share(b, 0), w.share(b, 1)}
	for name, c := range map[string]struct {
		manifest, data []byte
		shares         []*Share
		want           error
		code           fault.Code
	}{
		"none":                        {b.Encoded, b.Data, nil, ErrFew, fault.NoKey},
		"one":                         {b.Encoded, b.Data, good[:1], ErrFew, fault.NoKey},
		"one, twice":                  {b.Encoded, b.Data, []*Share{good[0], good[0]}, ErrFew, fault.NoKey},
		"one of another backup":       {b.Encoded, b.Data, []*Share{good[0], w.share(other, 1)}, ErrOther, fault.Untrusted},
		"a wrong one beside two":      {b.Encoded, b.Data, append([]*Share{changed}, good...), ErrShare, fault.Untrusted},
		"changed":                     {b.Encoded, b.Data, []*Share{good[0], changed}, ErrShare, fault.Untrusted},
		"another number":              {b.Encoded, b.Data, []*Share{good[0], numbered}, ErrShare, fault.Untrusted},
		"a number that none has":      {b.Encoded, b.Data, []*Share{good[0], beyond}, ErrShare, fault.Untrusted},
		"data of another backup":      {b.Encoded, other.Data, good, ErrOther, fault.Untrusted},
		"manifest of another backup":  {other.Encoded, b.Data, good, ErrOther, fault.Untrusted},
		"manifest changed":            {text(`"at_ms":7`, `"at_ms":8`), b.Data, good, ErrFormat, fault.Untrusted},
		"manifest of another version": {text("backup/1", "backup/2"), b.Data, good, ErrFormat, fault.Input},
		"threshold one":               {text(`"threshold":2`, `"threshold":1`), b.Data, good, ErrFormat, fault.Input},
		"threshold too high":          {text(`"threshold":2`, `"threshold":4`), b.Data, good, ErrFormat, fault.Input},
		"manifest cut":                {b.Encoded[:50], b.Data, good, ErrFormat, fault.Input},
		"data cut":                    {b.Encoded, cut, good, ErrFormat, fault.Input},
		"data flipped":                {b.Encoded, flipped, good, ErrFormat, fault.Input},
		"no data":                     {b.Encoded, nil, good, ErrFormat, fault.Input},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(c.manifest, c.data, c.shares)
			if r != nil || !errors.Is(err, c.want) || fault.ExitCode(err) != int(c.code) || fault.Hint(err) == "" {
				t.Fatalf("%v (exit %d)", err, fault.ExitCode(err))
			}
		})
	}
}

// TestLowerThreshold: a manifest that asks for fewer shares does not make fewer do.
func TestLowerThreshold(t *testing.T) {
	w := newWorld(t)
	b := w.make(3)
	m := bytes.Replace(b.Encoded, []byte(`"threshold":3`), []byte(`"threshold":2`), 1)
	if r, err := Open(m, b.Data, []*Share{w.share(b, 0), w.share(b, 1)}); r != nil || err == nil || fault.ExitCode(err) == int(fault.Internal) {
		t.Fatalf("%v", err)
	}
}

func TestShares(t *testing.T) {
	w := newWorld(t)
	if _, err := OpenShare(w.backup.Shares[0], w.ids[1]); !errors.Is(err, ErrSealed) {
		t.Fatalf("another custodian's: %v", err)
	}
	s := w.share(w.backup, 0)
	secret := string(s.s.Y)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if out := fmt.Sprintf(verb, s); strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret[:4])) {
			t.Errorf("%s shows it", verb)
		}
	}
	to, err := age.GenerateX25519Identity()
	w.must(err)
	sealed, err := s.Seal(to.Recipient().String())
	w.must(err)
	again, err := OpenShare(sealed, to)
	if err != nil || again.Number() != 1 || again.Backup() != w.backup.Manifest.ID || !bytes.Equal(again.s.Y, s.s.Y) {
		t.Fatalf("%v", err)
	}
	if _, err := s.Seal("age1nonsense"); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("%v", err)
	}
	plain := `{"format":"cordon-share/1","backup":"x","owner":"` + string(w.ring.Fingerprint()) + `","number":1,"data":"AQ=="}`
	if _, err := parseShare([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"later": strings.Replace(plain, "share/1", "share/2", 1), "zero": strings.Replace(plain, `"number":1`, `"number":0`, 1),
		"beyond": strings.Replace(plain, `"number":1`, `"number":256`, 1), "empty": strings.Replace(plain, "AQ==", "", 1),
		"owner": strings.Replace(plain, "cordon1", "cordon2", 1), "more": plain + " ",
	} {
		if s, err := parseShare([]byte(bad)); s != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptions(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*Options){
		"threshold 1": func(o *Options) { o.Threshold = 1 }, "threshold 4": func(o *Options) { o.Threshold = 4 }, "none": func(o *Options) { o.Custodians = nil },
		"one name twice":     func(o *Options) { o.Custodians[1].Name = "notary" },
		"one recipient":      func(o *Options) { o.Custodians[1].Recipient = o.Custodians[0].Recipient },
		"name":               func(o *Options) { o.Custodians[0].Name = "../x" },
		"no recipient":       func(o *Options) { o.Custodians[0].Recipient = "x" },
		"secret as a public": func(o *Options) { o.Custodians[0].Recipient = w.ids[0].String() },
	} {
		o := w.options(2)
		o.Custodians = slices.Clone(o.Custodians)
		change(&o)
		if b, err := Make(o); b != nil || fault.ExitCode(err) != int(fault.Usage) || strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPayloadPaths: a backup puts files nowhere but where a home folder has them.
func TestPayloadPaths(t *testing.T) {
	for _, path := range []string{
		"../x", "/x", "datasets/../../x", "keyring.age", "ledger/ledger.ndjson", "jobs/a/b", "backups/x.json", "agent.sock", ".ssh/x", "datasets/.new-1", "a\\b", "", "X",
	} {
		src, err := statement.Marshal(payload{Format: PayloadFormat, Manifest: []byte("{}"), Keyring: []byte("x"), Files: []storedFile{{Path: path, Data: []byte("x")}}})
		if err != nil {
			t.Fatal(err)
		}
		if p, err := parsePayload(src); p != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func TestRemembered(t *testing.T) {
	w := newWorld(t)
	w.must(os.Remove(filepath.Join(w.dir.Backups(), "x.json")))
	w.must(Remember(w.dir, w.backup))
	list, err := Remembered(w.dir)
	if err != nil || len(list) != 1 || !list[0].Has("strikes", "1") || list[0].Has("strikes", "2") {
		t.Fatalf("%v %v", list, err)
	}
}

// FuzzManifest: what is accepted re-encodes to the same bytes, and its shares can be looked up.
func FuzzManifest(f *testing.F) {
	c := strings.Repeat("a", 64)
	f.Add([]byte(`{"format":"cordon-backup/1","id":"00000000000000000000000000000000","owner":"cordon1` + c + `","name":"delta","at_ms":1,"threshold":2,"shares":[{"number":1,"name":"a","recipient":"x","commitment":"sha256:` + c + `"},{"number":2,"name":"b","recipient":"y","commitment":"sha256:` + c + `"}],"key_store":"local","ledger":{"seq":0,"digest":""},"versions":[]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := ParseManifest(src)
		if (m == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if err != nil {
			return
		}
		again, err := statement.Marshal(m)
		if err != nil || !bytes.Equal(again, src) || m.Threshold < 2 || m.Threshold > int64(len(m.Shares)) {
			t.Fatalf("%q", src)
		}
	})
}

// FuzzShare and FuzzPayload: what is refused gives nothing.
func FuzzShare(f *testing.F) {
	f.Add([]byte(`{"format":"cordon-share/1","backup":"x","owner":"cordon1` + strings.Repeat("a", 64) + `","number":1,"data":"AQ=="}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := parseShare(src)
		if (s == nil) == (err == nil) || err == nil && (s.Number() < 1 || len(s.s.Y) == 0) {
			t.Fatalf("%v", err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"format":"cordon-recovery/1","manifest":"e30=","keyring":"AA==","files":[{"path":"config.json","data":"AA=="}]}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := parsePayload(src)
		if (p == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		for i := 0; err == nil && i < len(p.Files); i++ {
			if !filepath.IsLocal(filepath.FromSlash(p.Files[i].Path)) {
				t.Fatalf("%q", p.Files[i].Path)
			}
		}
	})
}
