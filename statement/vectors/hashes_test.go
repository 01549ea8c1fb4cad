package vectors_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

func hashesFile(t *testing.T, a *receipttest.Account) vectors.Hashes {
	h := vectors.Hashes{Comment: comment}
	for _, f := range []struct {
		label string
		parts [][]byte
	}{
		{"", nil},
		{"cordon/test/v1", nil},
		{"cordon/test/v1", [][]byte{{}}},
		{"cordon/test/v1", [][]byte{[]byte("ab"), []byte("c")}},
		{"cordon/test/v1", [][]byte{[]byte("a"), []byte("bc")}},
		{"cordon/test/v1", [][]byte{[]byte("abc")}},
		{"cordon/test/v", [][]byte{[]byte("1abc")}},
	} {
		parts := []string{}
		for _, p := range f.parts {
			parts = append(parts, hex.EncodeToString(p))
		}
		h.Frames = append(h.Frames, vectors.Frame{Label: f.label, Parts: parts,
			Frame: hex.EncodeToString(statement.Frame(f.label, f.parts...)), Sum: string(statement.LabelledSum(f.label, f.parts...))})
	}
	for _, p := range a.Everyone() {
		h.Fingerprints = append(h.Fingerprints, vectors.Fingerprint{
			Seed: hex.EncodeToString(receipttest.Seed("signing key", p.Name)), Key: p.Key.Public().String(), Fingerprint: string(p.Fingerprint()),
		})
	}
	h.BadKeys, h.BadDigests = badKeys(h.Fingerprints[0].Key), badDigests(string(other))
	commit, err := a.Body.Commit()
	if err != nil {
		t.Fatal(err)
	}
	h.Bodies = []vectors.Body{{Body: text(t, a.Body), Commitment: string(commit)}}
	s := a.SessionKeys()
	h.Sessions = []vectors.Session{{Key: s.Key, Box: s.Box, Digest: string(s.Digest())}}
	r := body[statement.Receipt](t, a.Bundle.Receipt)
	shown, err := r.Evidence.Digest()
	if err != nil {
		t.Fatal(err)
	}
	h.Evidence = []vectors.EvidenceSum{{Evidence: text(t, r.Evidence), Digest: string(shown)}}
	for _, key := range []string{"cost", statement.FooterKey, seal.VersionKey} {
		n := seal.KeyName{Owner: a.Owners[0].Fingerprint(), Dataset: "strikes", Version: "2026-01", Key: key}
		k := receipttest.DataKey(t, n)
		h.Commitments = append(h.Commitments, vectors.Commitment{Name: keyName(n), Key: hex.EncodeToString(k.BytesUnsafe()), Commit: string(seal.Commit(n, k))})
	}
	hello := evidence.HelloBinding(r.Job, s.Digest())
	h.Hello = []vectors.Binding{{Job: string(r.Job), Session: string(s.Digest()), ReportData: hex.EncodeToString(hello[:])}}
	quote := evidence.QuoteBinding(r.Job, s.Digest(), r.Plan, r.Readies)
	h.Quote = []vectors.Binding{{Job: string(r.Job), Session: string(s.Digest()), Plan: string(r.Plan), Readies: names(r.Readies), ReportData: hex.EncodeToString(quote[:])}}
	return h
}

func keyName(n seal.KeyName) vectors.KeyName {
	return vectors.KeyName{Owner: string(n.Owner), Dataset: n.Dataset, Version: n.Version, Key: n.Key}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := statement.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func badKeys(good string) []vectors.Bad {
	bad := []vectors.Bad{
		{Name: "empty"}, {Name: "no prefix", Text: good[len("ed25519:"):]}, {Name: "capitals", Text: "ed25519:" + strings.ToUpper(good[8:])},
		{Name: "too short", Text: good[:70]}, {Name: "too long", Text: good + "00"}, {Name: "space", Text: good + " "},
		{Name: "fingerprint", Text: string(someone)}, {Name: "not hex", Text: "ed25519:" + strings.Repeat("0g", 32)},
	}
	for name, y := range weakKeys() {
		bad = append(bad, vectors.Bad{Name: name, Text: "ed25519:" + hex.EncodeToString(y[:])})
	}
	for _, k := range []struct{ name, first string }{{"not reduced: p", "ed"}, {"not reduced: p+1", "ee"}, {"not reduced: 2^255-1", "ff"}} {
		bad = append(bad, vectors.Bad{Name: k.name, Text: "ed25519:" + k.first + strings.Repeat("ff", 30) + "7f"},
			vectors.Bad{Name: k.name + ", negative", Text: "ed25519:" + k.first + strings.Repeat("ff", 31)})
	}
	sortBad(bad)
	return bad
}

func badDigests(good string) []vectors.Bad {
	return []vectors.Bad{
		{Name: "empty"}, {Name: "no prefix", Text: good[7:]}, {Name: "capitals", Text: "sha256:" + strings.ToUpper(good[7:])},
		{Name: "prefix in capitals", Text: "SHA256:" + good[7:]}, {Name: "too short", Text: good[:70]}, {Name: "too long", Text: good + "0"},
		{Name: "another hash", Text: "sha512:" + good[7:]}, {Name: "newline", Text: good + "\n"}, {Name: "not hex", Text: good[:70] + "g"},
	}
}

// frame is section 2 of the spec, written here a second time.
func frame(label string, parts ...[]byte) []byte {
	var out bytes.Buffer
	for _, p := range append([][]byte{[]byte(label)}, parts...) {
		_ = binary.Write(&out, binary.BigEndian, int64(len(p)))
		out.Write(p)
	}
	return out.Bytes()
}

func sum(label string, parts ...string) string {
	var b [][]byte
	for _, p := range parts {
		b = append(b, []byte(p))
	}
	h := sha256.Sum256(frame(label, b...))
	return "sha256:" + hex.EncodeToString(h[:])
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestHashes computes each hash from its parts, without the code under test, and with it.
func TestHashes(t *testing.T) {
	h := vectors.AllHashes()
	seen := map[string]bool{}
	for _, f := range h.Frames {
		var parts [][]byte
		for _, p := range f.Parts {
			parts = append(parts, unhex(t, p))
		}
		got := frame(f.Label, parts...)
		if s := sha256.Sum256(got); hex.EncodeToString(got) != f.Frame || "sha256:"+hex.EncodeToString(s[:]) != f.Sum || seen[f.Sum] {
			t.Errorf("frame of %q %v", f.Label, f.Parts)
		}
		seen[f.Sum] = true
	}
	for _, f := range h.Fingerprints {
		k, err := statement.ParsePublicKey(f.Key)
		want := "cordon1" + sum("cordon/party-key/v1", string(k[:]))[7:]
		if err != nil || f.Fingerprint != want || string(k.Fingerprint()) != want || k.String() != f.Key {
			t.Errorf("fingerprint of %s", f.Key)
		}
	}
	for _, b := range h.BadKeys {
		if k, err := statement.ParsePublicKey(b.Text); err == nil || k != (statement.PublicKey{}) {
			t.Errorf("key accepted: %s", b.Name)
		}
	}
	for _, b := range h.BadDigests {
		if d := statement.Digest(b.Text); d.Valid() || d.Bytes() != nil {
			t.Errorf("digest accepted: %s", b.Name)
		}
		if statement.Fingerprint(strings.Replace(b.Text, "sha256:", "cordon1", 1)).Valid() {
			t.Errorf("fingerprint accepted: %s", b.Name)
		}
	}
	if len(h.Fingerprints) == 0 || len(h.BadKeys) < 15 || len(h.BadDigests) < 8 {
		t.Fatal("vectors are missing")
	}
	labelled(t, h)
	bindings(t, h)
}

func labelled(t *testing.T, h vectors.Hashes) {
	if len(h.Bodies)*len(h.Sessions)*len(h.Evidence)*len(h.Commitments) == 0 {
		t.Fatal("vectors are missing")
	}
	for _, b := range h.Bodies {
		var body statement.Body
		if err := statement.Unmarshal([]byte(b.Body), &body); err != nil {
			t.Fatal(err)
		}
		if got, err := body.Commit(); err != nil || string(got) != b.Commitment || sum("cordon/job-body/v1", b.Body) != b.Commitment {
			t.Errorf("commitment to a body: %v", err)
		}
	}
	for _, s := range h.Sessions {
		if got := (&statement.Session{Key: s.Key, Box: s.Box}).Digest(); string(got) != s.Digest || sum("cordon/session/v1", s.Key, string(s.Box)) != s.Digest {
			t.Error("digest of a session")
		}
	}
	for _, e := range h.Evidence {
		var ev statement.Evidence
		if err := statement.Unmarshal([]byte(e.Evidence), &ev); err != nil {
			t.Fatal(err)
		}
		if got, err := ev.Digest(); err != nil || string(got) != e.Digest || sum("cordon/evidence/v1", e.Evidence) != e.Digest {
			t.Errorf("digest of evidence: %v", err)
		}
	}
	for _, c := range h.Commitments {
		n := seal.KeyName{Owner: statement.Fingerprint(c.Name.Owner), Dataset: c.Name.Dataset, Version: c.Name.Version, Key: c.Name.Key}
		k, err := seal.DataKeyFromBytes(unhex(t, c.Key))
		if err != nil || !seal.Committed(n, k, statement.Digest(c.Commit)) ||
			sum("cordon/key-commitment/v1", c.Name.Owner, c.Name.Dataset, c.Name.Version, c.Name.Key, string(unhex(t, c.Key))) != c.Commit {
			t.Errorf("commitment to %s: %v", c.Name.Key, err)
		}
	}
}

func bindings(t *testing.T, h vectors.Hashes) {
	if len(h.Hello)*len(h.Quote) == 0 {
		t.Fatal("vectors are missing")
	}
	sum := func(label string, parts ...string) string {
		var b [][]byte
		for _, p := range parts {
			b = append(b, []byte(p))
		}
		s := sha512.Sum512(frame(label, b...))
		return hex.EncodeToString(s[:])
	}
	for _, b := range h.Hello {
		got := evidence.HelloBinding(statement.Digest(b.Job), statement.Digest(b.Session))
		if hex.EncodeToString(got[:]) != b.ReportData || sum("cordon/report-data/hello/v1", b.Job, b.Session) != b.ReportData {
			t.Error("binding of a hello")
		}
	}
	for _, b := range h.Quote {
		var readies []statement.Digest
		for _, r := range b.Readies {
			readies = append([]statement.Digest{statement.Digest(r)}, readies...) // in another order: it must not matter
		}
		got := evidence.QuoteBinding(statement.Digest(b.Job), statement.Digest(b.Session), statement.Digest(b.Plan), readies)
		want := sum("cordon/report-data/quote/v1", append([]string{b.Job, b.Session, b.Plan}, sorted(b.Readies)...)...)
		if hex.EncodeToString(got[:]) != b.ReportData || want != b.ReportData {
			t.Error("binding of a quote")
		}
	}
}
