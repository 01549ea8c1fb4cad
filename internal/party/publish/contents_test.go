package publish

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// contentsFiles are all marks of the owner's versions.
func contentsFiles(t *testing.T, p *publisher) (out []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.home.Datasets(), "strikes", "*", "contents.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no marks: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

// TestUnchanged: what no query can tell from the newest version is refused, before anything leaves; what one can is not.
func TestUnchanged(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(goodCSV), "\n")
	reordered := strings.Join([]string{lines[0], lines[3], lines[1], lines[4], lines[2]}, "\n") + "\n"
	for name, c := range map[string]struct {
		csv     string
		change  func(*Request)
		refused bool
	}{
		"the same file":         {goodCSV, nil, true},
		"rows in another order": {reordered, nil, true},
		"columns in another order": {goodCSV, func(r *Request) {
			r.Columns[1], r.Columns[2] = r.Columns[2], r.Columns[1]
		}, true},
		"another form of a number": {strings.Replace(goodCSV, "12.5", "12.50", 1), nil, true},
		"another policy": {goodCSV, func(r *Request) {
			r.Policy = bytes.Replace(r.Policy, []byte("min_units: 10"), []byte("min_units: 11"), 1)
		}, true},
		"a column that has no role": {strings.Replace(goodCSV, "1990-01-09", "1990-02-09", 1), nil, true},
		"a value":                   {strings.Replace(goodCSV, "12.5", "12.6", 1), nil, false},
		"NULL for a value":          {strings.Replace(goodCSV, "12.5", "", 1), nil, false},
		"one row less":              {strings.Replace(goodCSV, lines[4]+"\n", "", 1), nil, false},
		"values that swap":          {strings.NewReplacer("r1,Small", "r1,Large", "r2,Large", "r2,Small").Replace(goodCSV), nil, false},
		"the owner means to":        {goodCSV, func(r *Request) { r.EvenIfUnchanged = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPublisher(t)
			first, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet)
			if err != nil {
				t.Fatal(err)
			}
			r := request(write(t, "t.csv", []byte(c.csv)))
			if c.change != nil {
				c.change(&r)
			}
			objects := len(p.ex.Objects)
			second, err := p.Publish(t.Context(), r, quiet)
			if c.refused {
				if fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(err.Error(), "version 1") || !strings.Contains(fault.Hint(err), "--even-if-unchanged") {
					t.Fatalf("published: %v", err)
				}
				if len(p.ex.Objects) != objects || len(p.Store.List()) != 1 {
					t.Fatal("something was left behind")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			v, _ := p.Store.Get(second.Digest())
			if want := name == "the owner means to"; (v.Same == first.Digest()) != want {
				t.Errorf("same as %q", v.Same)
			}
			if p.Notes(second) == nil || p.Notes(first) == nil {
				t.Error("the owner is not told of the other version")
			}
		})
	}
}

// TestVersionsAndTheirNoise: an owner is told what two versions side by side mean, by what their policies promise.
func TestVersionsAndTheirNoise(t *testing.T) {
	noisy := strings.Replace(policyText, "output: {lattice: [[size]]}", "output: dp\ndp: {epsilon_max_query: 1, epsilon: 10, delta: 0.000001, max_groups_per_unit: 3}", 1)
	for _, c := range []struct{ first, second, says string }{
		{policyText, policyText, "sees their difference"},
		{noisy, noisy, "share one privacy budget"},
		{noisy, policyText, "sees what the budget was for"},
		{policyText, noisy, "sees their difference"},
	} {
		p := newPublisher(t)
		publish := func(policy string) *statement.Verified[statement.Offer] {
			r := request(write(t, "t.csv", []byte(goodCSV)))
			r.Policy, r.EvenIfUnchanged = []byte(policy), true
			o, err := p.Publish(t.Context(), r, quiet)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		publish(c.first)
		if notes := p.Notes(publish(c.second)); len(notes) != 2 || !strings.Contains(notes[1], c.says) {
			t.Errorf("%q, want %q", notes, c.says)
		}
	}
}

// TestContentsComeBack: a version with the contents of one before the newest is published, and known for what it is after a restart.
func TestContentsComeBack(t *testing.T) {
	p := newPublisher(t)
	var last dataset.Published
	for i, csv := range []string{goodCSV, strings.Replace(goodCSV, "12.5", "13", 1), goodCSV} {
		v, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(csv))), quiet)
		if err != nil {
			t.Fatalf("version %d: %v", i+1, err)
		}
		last, _ = p.Store.Get(v.Digest())
	}
	first := p.Store.List()[0].Offer.Digest()
	again, err := dataset.Open(p.home, p.ring.Fingerprint(), p.ring)
	if err != nil {
		t.Fatal(err)
	}
	reopened, _ := again.Get(last.Offer.Digest())
	if last.Same != first || reopened.Same != first {
		t.Fatalf("same as %q, after a restart %q, want %q", last.Same, reopened.Same, first)
	}
	if newest, ok := again.ReplacedBy(first); !ok || newest.Offer.Digest() != last.Offer.Digest() {
		t.Error("the newest version does not replace the first")
	}
	if _, ok := again.ReplacedBy(last.Offer.Digest()); ok {
		t.Error("the newest version is replaced")
	}
}

// markOld gives version 1 of goodCSV the mark that it would have had in the old format.
func markOld(t *testing.T, p *publisher) {
	t.Helper()
	folder := filepath.Join(p.home.Datasets(), "strikes", "1")
	src, err := os.ReadFile(filepath.Join(folder, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var keys struct {
		Key []byte `json:"key"`
	}
	if err := json.Unmarshal(src, &keys); err != nil {
		t.Fatal(err)
	}
	owner := p.ring.Fingerprint()
	version, err := p.ring.Unwrap(t.Context(), seal.KeyName{Owner: owner, Dataset: "strikes", Version: "1", Key: seal.VersionKey}, keys.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hkdf.Key(sha256.New, version.BytesUnsafe(), nil, "cordon/contents-key/v1", sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	contents, mac := oldContents(), hmac.New(sha256.New, key)
	mac.Write(statement.Frame("cordon/contents/v1", []byte(owner), []byte("strikes"), []byte("1"), contents[:]))
	b, err := statement.Marshal(struct {
		Format string `json:"format"`
		Mark   []byte `json:"mark"`
	}{"cordon-contents/1", mac.Sum(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "contents.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOldMarks: a version that was marked in the old format is compared with, as the newest and behind others, as long as it has keys.
func TestOldMarks(t *testing.T) {
	p := newPublisher(t)
	good, changed := write(t, "t.csv", []byte(goodCSV)), write(t, "u.csv", []byte(strings.Replace(goodCSV, "12.5", "13", 1)))
	first, err := p.Publish(t.Context(), request(good), quiet)
	if err != nil {
		t.Fatal(err)
	}
	markOld(t, p)
	if _, err := p.Publish(t.Context(), request(good), quiet); fault.ExitCode(err) != int(fault.Refused) {
		t.Fatalf("published again: %v", err)
	}
	if _, err := p.Publish(t.Context(), request(changed), quiet); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), request(changed), quiet); fault.ExitCode(err) != int(fault.Refused) {
		t.Fatalf("published again: %v", err)
	}
	third, err := p.Publish(t.Context(), request(good), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := p.Store.Get(third.Digest()); v.Same != first.Digest() {
		t.Errorf("same as %q", v.Same)
	}
}

// TestMarksAreKeyed: contents can be guessed. Equal ones leave marks that differ, and none leaves their digest.
func TestMarksAreKeyed(t *testing.T) {
	p := newPublisher(t)
	r := request(write(t, "t.csv", []byte(goodCSV)))
	r.EvenIfUnchanged = true
	for range 2 {
		if _, err := p.Publish(t.Context(), r, quiet); err != nil {
			t.Fatal(err)
		}
	}
	marks := contentsFiles(t, p)
	mark := func(s string) string {
		_, after, _ := strings.Cut(s, `"mark":`)
		before, _, _ := strings.Cut(after, ",")
		return strings.Trim(before, `"}`)
	}
	if mark(marks[0]) == mark(marks[1]) {
		t.Error("equal contents have equal marks: who has the folder can compare and guess")
	}
	key, err := p.Store.ContentsKey(t.Context(), "strikes")
	if err != nil {
		t.Fatal(err)
	}
	s, err := newScan(t.Context(), r, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s.request.contentsKey = key
	tab, err := s.run(t.Context(), nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if same, err := p.Store.HasContents(t.Context(), p.Store.List()[0].Offer.Digest(), tab.contents); err != nil || !same {
		t.Fatalf("another digest: %v", err)
	}
	for _, secret := range [][]byte{tab.contents.Sum[:], key.BytesUnsafe()} {
		noClear(t, p.home.Path(), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), string(secret))
	}
}

// TestDamagedContents: what was equal to what must not be forgotten in silence.
func TestDamagedContents(t *testing.T) {
	p := newPublisher(t)
	if _, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.home.Datasets(), "strikes", "1", "contents.json")
	if err := os.WriteFile(file, []byte(`{"format":"cordon-contents/1","mark":"AAAA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(goodCSV))), quiet); fault.ExitCode(err) != int(fault.NoKey) {
		t.Fatalf("published beside a damaged mark: %v", err)
	}
	if _, err := dataset.Open(p.home, p.ring.Fingerprint(), p.ring); err == nil {
		t.Fatal("opened with a damaged mark")
	}
}

// TestClockSetBack: the newest version is the one that was published last.
func TestClockSetBack(t *testing.T) {
	p := newPublisher(t)
	now := p.Now()
	for i, csv := range []string{goodCSV, strings.Replace(goodCSV, "12.5", "13", 1)} {
		at := now.AddDate(0, 0, -i)
		p.Now = func() time.Time { return at }
		if _, err := p.Publish(t.Context(), request(write(t, "t.csv", []byte(csv))), quiet); err != nil {
			t.Fatal(err)
		}
	}
	list := p.Store.List()
	if newest, ok := p.Store.ReplacedBy(list[0].Offer.Digest()); !ok || newest.Offer.Body().Version != "2" {
		t.Errorf("version 1 is replaced by %v", newest.Offer)
	}
}

// posting fails to post so many statements.
type posting struct {
	*partytest.Exchange
	fails int
}

func (x *posting) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	if x.fails > 0 {
		x.fails--
		return "", errors.New("away")
	}
	return x.Exchange.PostStatement(ctx, e)
}

// TestInterrupted: who publishes again what was not recorded, or not posted, gets it done.
func TestInterrupted(t *testing.T) {
	offers := func(p *publisher) int {
		items, err := p.ex.AllStatements(t.Context(), client.Query{Kind: client.Offers})
		if err != nil {
			t.Fatal(err)
		}
		return len(items)
	}
	t.Run("not recorded", func(t *testing.T) {
		p := newPublisher(t)
		r := request(write(t, "t.csv", []byte(goodCSV)))
		if err := p.Ledger.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Publish(t.Context(), r, quiet); err == nil || offers(p) != 0 {
			t.Fatal("published without a record")
		}
		l, err := ledger.Open(p.home.Ledger(), p.ring.Fingerprint(), p.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		p.Ledger = l
		v, err := p.Publish(t.Context(), r, quiet)
		if err != nil || v.Body().Version != "1" || len(l.Entries()) != 1 || offers(p) != 1 {
			t.Fatalf("not made up for: %v", err)
		}
	})
	t.Run("not posted", func(t *testing.T) {
		p := newPublisher(t)
		p.Exchange = &posting{p.ex, 1}
		r := request(write(t, "t.csv", []byte(goodCSV)))
		if _, err := p.Publish(t.Context(), r, quiet); err == nil || offers(p) != 0 {
			t.Fatal("published to nobody")
		}
		if _, err := p.Publish(t.Context(), r, quiet); fault.ExitCode(err) != int(fault.Refused) || offers(p) != 1 || len(p.Ledger.Entries()) != 1 {
			t.Fatalf("not made up for: %v", err)
		}
	})
	t.Run("retired", func(t *testing.T) {
		p := newPublisher(t)
		r := request(write(t, "t.csv", []byte(goodCSV)))
		v, err := p.Publish(t.Context(), r, quiet)
		if err != nil {
			t.Fatal(err)
		}
		e, err := statement.Sign(statement.Revocation{Author: p.ring.Fingerprint(), Revokes: v.Digest(), AtMS: 1}, p.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Store.Retire(v.Digest(), e); err != nil {
			t.Fatal(err)
		}
		p.Exchange = &posting{p.ex, 1} // which would be told otherwise
		if _, err := p.Publish(t.Context(), r, quiet); fault.ExitCode(err) != int(fault.Refused) {
			t.Fatalf("a retired version is offered again: %v", err)
		}
	})
}
