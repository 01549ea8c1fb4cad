package vectors_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/statement/vectors"
)

const plaintext = "what only its reader may see"

// sealingFile keeps the sealed texts of last time, and makes what is missing.
func sealingFile(t *testing.T) vectors.Sealing {
	t.Helper()
	var f vectors.Sealing
	src, err := os.ReadFile("sealing.json")
	if err != nil || json.Unmarshal(src, &f) != nil {
		t.Fatal("sealing.json can't be read")
	}
	if len(f.HPKE) > 0 && len(f.Lines) > 0 && len(f.Wrapped) > 0 && len(f.Results) > 0 {
		f.Comment = comment
		return f
	}
	if !*update {
		t.Fatal("sealing.json is empty; run with -update")
	}
	if len(f.HPKE) > 0 && len(f.Lines) == 0 { // older than lines
		f.Lines = lineCases(t)
		return f
	}
	return vectors.Sealing{Comment: comment, HPKE: hpkeCases(t), Lines: lineCases(t), Wrapped: wrappedCases(t), Results: resultCases(t)}
}

// lineCases are two texts of one line, and what must not open.
func lineCases(t *testing.T) []vectors.Sealed {
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	line, err := seal.NewLine(alpha.Box.Public())
	if err != nil {
		t.Fatal(err)
	}
	text := func(name, purpose, plain string) vectors.Sealed {
		s := vectors.Sealed{
			Name: name, Opens: true, Private: receipttest.Seed("box key", "alpha"), Public: alpha.Box.Public(),
			Purpose: purpose, Job: string(other), From: string(bravo.Fingerprint()), Plaintext: plain,
		}
		s.Info = hex.EncodeToString(frame(s.Purpose, []byte(s.Job), nil, []byte(s.From)))
		if s.Sealed, err = line.Seal(contextOf(s), []byte(plain)); err != nil {
			t.Fatal(err)
		}
		return s
	}
	keys, reply := text("keys", seal.PurposeKeys, "keys of a release"), text("reply by the same line", seal.PurposeReply, plaintext)
	out := []vectors.Sealed{keys, reply, text("another reply by the same line", seal.PurposeReply, "")}
	for _, c := range []struct {
		name string
		edit func(*vectors.Sealed)
	}{
		{"keys as a reply", func(s *vectors.Sealed) { s.Purpose = seal.PurposeReply }},
		{"another job", func(s *vectors.Sealed) { s.Job = string(statement.Sum([]byte("another"))) }},
		{"a reader named", func(s *vectors.Sealed) { s.To = string(alpha.Fingerprint()) }},
		{"another writer", func(s *vectors.Sealed) { s.From = string(alpha.Fingerprint()) }},
		{"another key", func(s *vectors.Sealed) {
			s.Private, s.Public = receipttest.Seed("box key", "bravo"), bravo.Box.Public()
		}},
		{"encapsulation changed", func(s *vectors.Sealed) { s.Sealed[0] ^= 1 }},
		{"nonce changed", func(s *vectors.Sealed) { s.Sealed[1120] ^= 1 }},
		{"ciphertext changed", func(s *vectors.Sealed) { s.Sealed[1132] ^= 1 }},
		{"tag changed", func(s *vectors.Sealed) { s.Sealed[len(s.Sealed)-1] ^= 0x80 }},
		{"cut short", func(s *vectors.Sealed) { s.Sealed = s.Sealed[:len(s.Sealed)-1] }},
		{"a byte more", func(s *vectors.Sealed) { s.Sealed = append(s.Sealed, 0) }},
		{"encapsulation alone", func(s *vectors.Sealed) { s.Sealed = s.Sealed[:1120] }},
		{"a text alone", func(s *vectors.Sealed) { s.Purpose = "cordon/seal/keys/v1" }},
		{"nothing", func(s *vectors.Sealed) { s.Sealed = []byte{} }},
	} {
		bad := keys
		bad.Name, bad.Opens, bad.Sealed = c.name, false, bytes.Clone(keys.Sealed)
		c.edit(&bad)
		bad.Info = hex.EncodeToString(frame(bad.Purpose, []byte(bad.Job), []byte(bad.To), []byte(bad.From)))
		out = append(out, bad)
	}
	return out
}

func contextOf(s vectors.Sealed) seal.Context {
	return seal.Context{Purpose: s.Purpose, Job: statement.Digest(s.Job), To: statement.Fingerprint(s.To), From: statement.Fingerprint(s.From)}
}

func hpkeCases(t *testing.T) []vectors.Sealed {
	alpha, bravo := receipttest.NewParty(t, "alpha"), receipttest.NewParty(t, "bravo")
	good := vectors.Sealed{
		Name: "opens", Opens: true, Private: receipttest.Seed("box key", "alpha"), Public: alpha.Box.Public(),
		Purpose: seal.PurposeNotice, Job: string(other), To: string(alpha.Fingerprint()), From: string(bravo.Fingerprint()), Plaintext: plaintext,
	}
	sealed, err := seal.To(good.Public, contextOf(good), []byte(good.Plaintext))
	if err != nil {
		t.Fatal(err)
	}
	good.Sealed, good.Info = sealed, hex.EncodeToString(frame(good.Purpose, []byte(good.Job), []byte(good.To), []byte(good.From)))
	empty := good
	empty.Name, empty.Purpose, empty.Job, empty.To, empty.From, empty.Plaintext = "opens, nothing but a purpose", seal.PurposeKeys, "", "", "", ""
	empty.Info = hex.EncodeToString(frame(empty.Purpose, nil, nil, nil))
	if empty.Sealed, err = seal.To(empty.Public, contextOf(empty), nil); err != nil {
		t.Fatal(err)
	}
	out := []vectors.Sealed{good, empty}
	for _, c := range []struct {
		name string
		edit func(*vectors.Sealed)
	}{
		{"another purpose", func(s *vectors.Sealed) { s.Purpose = seal.PurposeReply }},
		{"another job", func(s *vectors.Sealed) { s.Job = string(statement.Sum([]byte("another"))) }},
		{"no job", func(s *vectors.Sealed) { s.Job = "" }},
		{"another reader", func(s *vectors.Sealed) { s.To = s.From }},
		{"another writer", func(s *vectors.Sealed) { s.From = s.To }},
		{"another key", func(s *vectors.Sealed) {
			s.Private, s.Public = receipttest.Seed("box key", "bravo"), bravo.Box.Public()
		}},
		{"encapsulation changed", func(s *vectors.Sealed) { s.Sealed[0] ^= 1 }},
		{"ciphertext changed", func(s *vectors.Sealed) { s.Sealed[1120] ^= 1 }},
		{"tag changed", func(s *vectors.Sealed) { s.Sealed[len(s.Sealed)-1] ^= 0x80 }},
		{"cut short", func(s *vectors.Sealed) { s.Sealed = s.Sealed[:len(s.Sealed)-1] }},
		{"a byte more", func(s *vectors.Sealed) { s.Sealed = append(s.Sealed, 0) }},
		{"encapsulation alone", func(s *vectors.Sealed) { s.Sealed = s.Sealed[:1120] }},
		{"nothing", func(s *vectors.Sealed) { s.Sealed = []byte{} }},
	} {
		bad := good
		bad.Name, bad.Opens, bad.Sealed = c.name, false, bytes.Clone(good.Sealed)
		c.edit(&bad)
		bad.Info = hex.EncodeToString(frame(bad.Purpose, []byte(bad.Job), []byte(bad.To), []byte(bad.From)))
		out = append(out, bad)
	}
	return out
}

func name(n vectors.KeyName) seal.KeyName {
	return seal.KeyName{Owner: statement.Fingerprint(n.Owner), Dataset: n.Dataset, Version: n.Version, Key: n.Key}
}

func wrappedCases(t *testing.T) []vectors.Wrapped {
	n := seal.KeyName{Owner: receipttest.NewParty(t, "alpha").Fingerprint(), Dataset: "strikes", Version: "2026-01", Key: seal.VersionKey}
	wrapping := receipttest.DataKey(t, n)
	n.Key = "cost"
	key := receipttest.DataKey(t, n)
	wrapped, err := wrapping.Wrap(n, key)
	if err != nil {
		t.Fatal(err)
	}
	good := vectors.Wrapped{
		Name: "opens", Opens: true, Wrapping: hex.EncodeToString(wrapping.BytesUnsafe()), Context: keyName(n),
		Key: hex.EncodeToString(key.BytesUnsafe()), Wrapped: hex.EncodeToString(wrapped),
	}
	out := []vectors.Wrapped{good}
	for _, c := range []struct {
		name string
		edit func(*vectors.Wrapped)
	}{
		{"another owner", func(w *vectors.Wrapped) { w.Context.Owner = string(someone) }},
		{"another data set", func(w *vectors.Wrapped) { w.Context.Dataset = "flights" }},
		{"another version", func(w *vectors.Wrapped) { w.Context.Version = "2026-02" }},
		{"another column", func(w *vectors.Wrapped) { w.Context.Key = "size" }},
		{"names run together", func(w *vectors.Wrapped) { w.Context.Dataset, w.Context.Version = "strikes2026-01", "" }},
		{"another wrapping key", func(w *vectors.Wrapped) { w.Wrapping = w.Key }},
		{"nonce changed", func(w *vectors.Wrapped) { w.Wrapped = flipHex(t, w.Wrapped, 0) }},
		{"ciphertext changed", func(w *vectors.Wrapped) { w.Wrapped = flipHex(t, w.Wrapped, 20) }},
		{"tag changed", func(w *vectors.Wrapped) { w.Wrapped = flipHex(t, w.Wrapped, 59) }},
		{"cut short", func(w *vectors.Wrapped) { w.Wrapped = w.Wrapped[:118] }},
		{"nothing", func(w *vectors.Wrapped) { w.Wrapped = "" }},
	} {
		bad := good
		bad.Name, bad.Opens = c.name, false
		c.edit(&bad)
		out = append(out, bad)
	}
	return out
}

func flipHex(t *testing.T, s string, at int) string {
	b := unhex(t, s)
	b[at] ^= 1
	return hex.EncodeToString(b)
}

func resultCases(t *testing.T) []vectors.Result {
	k, err := seal.DataKeyFromBytes(receipttest.Seed("result key", "job"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.Encrypt(seal.ResultAAD(other), []byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	good := vectors.Result{Name: "opens", Opens: true, Key: hex.EncodeToString(k.BytesUnsafe()), Job: string(other), Plaintext: plaintext, Ciphertext: hex.EncodeToString(c)}
	job, tampered := good, good
	job.Name, job.Opens, job.Job = "another job", false, string(statement.Sum([]byte("another")))
	tampered.Name, tampered.Opens, tampered.Ciphertext = "ciphertext changed", false, flipHex(t, good.Ciphertext, 15)
	return []vectors.Result{good, job, tampered}
}

func TestSealing(t *testing.T) {
	f := vectors.AllSealing()
	if len(f.HPKE) < 10 || len(f.Lines) < 10 || len(f.Wrapped) < 10 || len(f.Results) < 3 {
		t.Fatal("vectors are missing")
	}
	for _, s := range slices.Concat(f.HPKE, f.Lines) {
		k, err := seal.BoxKeyFromBytes(s.Private)
		if err != nil || !bytes.Equal(k.Public(), s.Public) {
			t.Fatalf("%s: key: %v", s.Name, err)
		}
		if s.Info != hex.EncodeToString(frame(s.Purpose, []byte(s.Job), []byte(s.To), []byte(s.From))) {
			t.Errorf("%s: info", s.Name)
		}
		got, err := k.Open(contextOf(s), s.Sealed)
		opened(t, s.Name, s.Opens, got, s.Plaintext, err)
	}
	for _, w := range f.Wrapped {
		k, err := seal.DataKeyFromBytes(unhex(t, w.Wrapping))
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Unwrap(name(w.Context), unhex(t, w.Wrapped))
		if (got == nil) == (err == nil) {
			t.Fatalf("%s: a key and an error, or neither", w.Name)
		}
		var clear []byte
		if got != nil {
			clear = got.BytesUnsafe()
		}
		opened(t, w.Name, w.Opens, clear, string(unhex(t, w.Key)), err)
	}
	for _, r := range f.Results {
		k, err := seal.DataKeyFromBytes(unhex(t, r.Key))
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.Decrypt(seal.ResultAAD(statement.Digest(r.Job)), unhex(t, r.Ciphertext))
		opened(t, r.Name, r.Opens, got, r.Plaintext, err)
	}
}

func opened(t *testing.T, name string, want bool, got []byte, plain string, err error) {
	t.Helper()
	switch {
	case want && (err != nil || string(got) != plain):
		t.Errorf("%s: does not open: %v", name, err)
	case !want && (err == nil || got != nil):
		t.Errorf("%s: opens", name)
	case !want && err.Error() != seal.ErrOpen.Error():
		t.Errorf("%s: says why: %v", name, err)
	}
}

// TestSealedBodies opens the bodies of the job in the bundle: each for its reader, none for another.
func TestSealedBodies(t *testing.T) {
	a := receipttest.New(t, storedBodies(t))
	j := body[statement.Job](t, a.Bundle.Job)
	for _, b := range j.Bodies {
		for _, p := range a.Everyone() {
			var got message.Letter
			err := openLetter(p, a.Requester.Fingerprint(), b.Sealed, &got)
			if mine := p.Fingerprint() == b.To; mine != (err == nil) {
				t.Errorf("%s opens the body for %s: %v", p.Name, b.To.Short(), err)
			} else if c, err := got.Body.Commit(); mine && (err != nil || c != j.Commitment) {
				t.Errorf("%s: not the body that the job commits to", p.Name)
			}
		}
	}
}
