package logged_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/logged"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

const origin = "cordon.log/exchange"

// world is an account whose contract wants a log, and that log.
type world struct {
	*testing.T
	a       *receipttest.Account
	signer  note.Signer
	key     *translog.Key
	entries []translog.Entry // the log, in order
	auditor *receipttest.Party
	quorum  int64 // beyond the sides
}

// at is when all was logged.
var at = receipttest.Start.Add(time.Hour).UnixMilli()

func newWorld(t *testing.T, quorum int64) *world {
	w := &world{T: t, auditor: receipttest.NewParty(t, "auditor"), quorum: quorum}
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	w.ok(err)
	w.signer, err = note.NewSigner(secret)
	w.ok(err)
	w.key, err = translog.ParseKey(public)
	w.ok(err)
	w.a = receipttest.New(t, receipttest.Edit{Contract: func(c *statement.Contract) {
		sides := append(c.Owners(), c.Requester)
		c.Log = &statement.Log{Key: public, Witnesses: append(sides, w.auditor.Fingerprint()), Quorum: int64(len(sides)) + w.quorum}
	}})
	w.log(translog.KindReceipt, statement.Sum([]byte("of another job")), at-7*24*3600*1000)
	b := w.a.Bundle
	w.log(translog.KindStatement, b.Contract.Digest(), at)
	for i := range b.Grants {
		w.log(translog.KindStatement, b.Grants[i].Digest(), at)
	}
	w.log(translog.KindJob, b.Job.Digest(), at)
	w.log(translog.KindReceipt, b.Receipt.Digest(), at)
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) log(kind string, d statement.Digest, timeMS int64) {
	w.entries = append(w.entries, translog.Entry{Kind: kind, Digest: d, Salt: []byte(strings.Repeat("s", translog.SaltSize)), Index: int64(len(w.entries)), TimeMS: timeMS})
}

// hash of a range of the tree (RFC 9162, section 2.1.1).
func (w *world) hash(from, to int) []byte {
	if to-from == 1 {
		return w.entries[from].Leaf().Hash()
	}
	m := middle(to - from)
	return rfc6962.DefaultHasher.HashChildren(w.hash(from, from+m), w.hash(from+m, to))
}

func middle(n int) int {
	m := 1
	for 2*m < n {
		m *= 2
	}
	return m
}

// proof of an entry (section 2.1.3.1).
func (w *world) proof(at, from, to int) [][]byte {
	if to-from == 1 {
		return nil
	}
	if m := from + middle(to-from); at < m {
		return append(w.proof(at, from, m), w.hash(m, to))
	} else {
		return append(w.proof(at, m, to), w.hash(from, m))
	}
}

// file is an honest one: all but the other job's receipt, and the word of all sides.
func (w *world) file() *logged.File {
	w.Helper()
	n := len(w.entries)
	note, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", origin, n, base64.StdEncoding.EncodeToString(w.hash(0, n)))}, w.signer)
	w.ok(err)
	f := &logged.File{Bundle: w.a.Bytes, Checkpoint: note}
	for i := range w.entries {
		e := w.entries[i]
		e.Proof = w.proof(i, 0, n)
		f.Entries = append(f.Entries, e)
	}
	f.Entries = f.Entries[1:]
	for _, p := range append([]*receipttest.Party{w.a.Requester}, w.a.Owners...) {
		f.Cosignatures = append(f.Cosignatures, w.cosign(f, p.Key, at))
	}
	return f
}

func (w *world) cosign(f *logged.File, k statement.Signer, timeMS int64) translog.Cosignature {
	w.Helper()
	cp, err := w.key.Open(f.Checkpoint)
	w.ok(err)
	c, err := translog.Cosign(cp, k, timeMS/1000)
	w.ok(err)
	return *c
}

func (w *world) verify(f *logged.File) (*receipt.Report, error) {
	w.Helper()
	src, err := f.Encode()
	w.ok(err)
	return logged.Verify(context.Background(), src, w.a.Options())
}

// TestVerify: an honest file verifies, says since when the receipt is logged, and each change to it does not.
func TestVerify(t *testing.T) {
	w := newWorld(t, 0)
	r, err := w.verify(w.file())
	w.ok(err)
	text := fmt.Sprint(r.Checks, r.Notes)
	if !strings.Contains(text, "the receipt since "+time.UnixMilli(at).UTC().Format(time.RFC3339)) || strings.Contains(text, "NOT SHOWN TO BE LOGGED") {
		t.Error(text)
	}
	whole := func(f *logged.File) translog.Entry { // the entry of the other job's receipt, which is in the log
		e := w.entries[0]
		e.Proof = w.proof(0, 0, len(w.entries))
		return e
	}
	stranger := receipttest.NewParty(t, "stranger")
	for name, change := range map[string]func(*logged.File){
		"receipt of another job beside":  func(f *logged.File) { f.Entries = append(f.Entries, whole(f)) },
		"receipt of another job instead": func(f *logged.File) { f.Entries[len(f.Entries)-1] = whole(f) },
		"no entry":                       func(f *logged.File) { f.Entries = []translog.Entry{} },
		"grant left out":                 func(f *logged.File) { f.Entries = append(f.Entries[:1:1], f.Entries[2:]...) },
		"proof of another leaf":          func(f *logged.File) { f.Entries[0].Proof = f.Entries[1].Proof },
		"index of another leaf":          func(f *logged.File) { f.Entries[0].Index++ },
		"salt of nothing":                func(f *logged.File) { f.Entries[0].Salt = []byte(strings.Repeat("x", translog.SaltSize)) },
		"no salt":                        func(f *logged.File) { f.Entries[0].Salt = []byte{} },
		"dated another time":             func(f *logged.File) { f.Entries[0].TimeMS-- },
		"nobody cosigned":                func(f *logged.File) { f.Cosignatures = []translog.Cosignature{} },
		"a side did not":                 func(f *logged.File) { f.Cosignatures = f.Cosignatures[1:] },
		"another instead of a side":      func(f *logged.File) { f.Cosignatures[0] = w.cosign(f, stranger.Key, at) },
		"one twice":                      func(f *logged.File) { f.Cosignatures[0] = f.Cosignatures[1] },
		"over another checkpoint": func(f *logged.File) {
			longer := newWorld(t, 0)
			longer.signer, longer.key = w.signer, w.key
			f.Cosignatures = longer.file().Cosignatures
		},
		// Its certificate may have ended since.
		"cosigned before it was there": func(f *logged.File) { f.Cosignatures[0] = w.cosign(f, w.a.Requester.Key, at-3*60*1000) },
	} {
		t.Run(name, func(t *testing.T) {
			f := w.file()
			change(f)
			if r, err := w.verify(f); r != nil || !errors.Is(err, logged.ErrUnlogged) && !errors.Is(err, translog.ErrProof) {
				t.Fatalf("%v", err)
			}
		})
	}
	f := w.file()
	f.Cosignatures[0] = w.cosign(f, w.a.Requester.Key, at-60*1000) // its clock is a little behind
	_, err = w.verify(f)
	w.ok(err)
}

// TestQuorumBeyondTheSides: an auditor that the contract counts on counts once, whatever keys it uses.
func TestQuorumBeyondTheSides(t *testing.T) {
	w := newWorld(t, 1)
	f := w.file()
	for range 2 {
		f.Cosignatures = append(f.Cosignatures, w.cosign(f, w.a.Requester.Key, at))
	}
	if _, err := w.verify(f); !errors.Is(err, logged.ErrUnlogged) {
		t.Fatal(err)
	}
	f.Cosignatures = append(f.Cosignatures, w.cosign(f, w.auditor.Key, at))
	_, err := w.verify(f)
	w.ok(err)
}

// TestLoggedSeveralTimes: what was logged again counts since the first time.
func TestLoggedSeveralTimes(t *testing.T) {
	w := newWorld(t, 0)
	w.log(translog.KindReceipt, w.a.Bundle.Receipt.Digest(), at+60*1000)
	r, err := w.verify(w.file())
	w.ok(err)
	if text := fmt.Sprint(r.Checks); !strings.Contains(text, "the receipt since "+time.UnixMilli(at).UTC().Format(time.RFC3339)) {
		t.Error(text)
	}
}

// TestWithoutTheLog: who reads the account alone is told that the contract wants more.
func TestWithoutTheLog(t *testing.T) {
	w := newWorld(t, 0)
	r, err := receipt.Verify(context.Background(), w.a.Bytes, w.a.Options())
	w.ok(err)
	if !strings.Contains(fmt.Sprint(r.Notes), "NOT SHOWN TO BE LOGGED") {
		t.Error(r.Notes)
	}
}
