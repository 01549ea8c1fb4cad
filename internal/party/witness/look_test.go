package witness_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/logtree"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/witness"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// fake is an exchange with a log of which every answer can be made wrong.
type fake struct {
	*testing.T
	signer note.Signer
	key    string
	leaves []translog.Leaf
	before func(call string) error // each call
	round  func(have int64) *wire.LogCheckpoint
	proofs func(*wire.LogAsk) *wire.LogProofs
	signed []int64 // sizes that were cosigned
}

func newFake(t *testing.T) *fake {
	f := &fake{T: t, before: func(string) error { return nil }}
	f.signer, f.key = f.newKey()
	f.round = func(have int64) *wire.LogCheckpoint {
		if have == int64(len(f.leaves)) || len(f.leaves) == 0 {
			return &wire.LogCheckpoint{}
		}
		return f.checkpoint(len(f.leaves), f.signer)
	}
	f.proofs = func(*wire.LogAsk) *wire.LogProofs { return &wire.LogProofs{} }
	return f
}

func (f *fake) newKey() (note.Signer, string) {
	f.Helper()
	secret, _, err := note.GenerateKey(rand.Reader, "cordon.log/exchange")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		f.Fatal(err)
	}
	public, err := logtree.VerifierKey(secret)
	if err != nil {
		f.Fatal(err)
	}
	return signer, public
}

func (f *fake) grow(n int) {
	for range n {
		f.leaves = append(f.leaves, translog.Leaf{TimeMS: time.Now().UnixMilli(), Commitment: translog.Commitment{byte(len(f.leaves)), 1}})
	}
}

func (f *fake) checkpoint(size int, k note.Signer) *wire.LogCheckpoint {
	f.Helper()
	r := translog.NewRange()
	for _, l := range f.leaves[:size] {
		if err := r.Append(l); err != nil {
			f.Fatal(err)
		}
	}
	root, err := r.Root()
	if err != nil {
		f.Fatal(err)
	}
	b, err := note.Sign(&note.Note{Text: fmt.Sprintf("cordon.log/exchange\n%d\n%s\n", size, base64.StdEncoding.EncodeToString(root[:]))}, k)
	if err != nil {
		f.Fatal(err)
	}
	return &wire.LogCheckpoint{Size: int64(size), Note: b}
}

func (f *fake) LogKey(context.Context) (string, error) { return f.key, f.before("key") }

func (f *fake) LogRound(_ context.Context, have int64, _ time.Duration) (*wire.LogCheckpoint, error) {
	if err := f.before("round"); err != nil {
		return nil, err
	}
	return f.round(have), nil
}

func (f *fake) LogLeaves(_ context.Context, from, limit int64) (*wire.LogLeaves, error) {
	if err := f.before("leaves"); err != nil {
		return nil, err
	}
	out := &wire.LogLeaves{From: from}
	for _, l := range f.leaves[from:min(from+limit, int64(len(f.leaves)))] {
		out.Leaves = append(out.Leaves, l.Bytes()...)
	}
	return out, nil
}

func (f *fake) LogProofsOf(_ context.Context, in *wire.LogAsk) (*wire.LogProofs, error) {
	if err := f.before("proofs"); err != nil {
		return nil, err
	}
	return f.proofs(in), nil
}

func (f *fake) LogCosign(_ context.Context, in *wire.LogCosign) error {
	if err := f.before("cosign"); err != nil {
		return err
	}
	f.signed = append(f.signed, in.Size)
	return nil
}

// watcher is a witness of the fake, with a clock that is moved by hand.
type watcher struct {
	*witness.Witness
	f      *fake
	dir    string
	signer statement.Signer
	ahead  time.Duration
}

func (f *fake) watcher() *watcher {
	w := &watcher{f: f, dir: filepath.Join(f.TempDir(), "log"), signer: receipttest.NewParty(f, "alpha").Key}
	w.open()
	return w
}

func (w *watcher) open() {
	w.f.Helper()
	var err error
	w.Witness, err = witness.Open(witness.Options{Exchange: w.f, Dir: w.dir, Signer: w.signer, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().Add(w.ahead) }})
	if err != nil {
		w.f.Fatal(err)
	}
	open := w.Witness
	w.f.Cleanup(func() { _ = open.Close() })
}

func (w *watcher) look() error { return w.Look(w.f.Context(), 0) }

func (w *watcher) ok() {
	w.f.Helper()
	if err := w.look(); err != nil {
		w.f.Fatal(err)
	}
}

// alarm is the kind of the alarm; "" for none.
func (w *watcher) alarm() string {
	if a := w.Status().Alarm; a != nil {
		return a.Kind
	}
	return ""
}

func (w *watcher) wants(kind string) {
	w.f.Helper()
	if got := w.alarm(); got != kind {
		w.f.Fatalf("alarm %q, not %q", got, kind)
	}
}

func refusal(status int, code string) error { return &client.Error{Status: status, Code: code} }

// TestKeyChanges: an exchange that goes on under another key is noticed by the agent itself; nobody has to ask.
func TestKeyChanges(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	f.signer, f.key = f.newKey()
	f.grow(1)
	if err := w.look(); !errors.Is(err, witness.ErrAlarm) {
		t.Error(err)
	}
	w.wants(witness.AlarmKey)
}

// TestNothingSigned: an exchange that names the key, and shows only what it did not sign, has lost the log in a minute, and not before.
func TestNothingSigned(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	good := f.signer
	f.signer, _ = f.newKey()
	f.grow(1)
	if err := w.look(); !errors.Is(err, translog.ErrSignature) {
		t.Fatal(err)
	}
	f.signer = good
	w.ok() // it was spoiled on the way
	f.signer, _ = f.newKey()
	f.grow(1)
	w.ahead += time.Hour
	for range 2 {
		if err := w.look(); !errors.Is(err, translog.ErrSignature) {
			t.Fatal(err)
		}
		w.wants("")
		w.ahead += witness.DefaultDelay / 2
	}
	w.ahead += time.Second
	_ = w.look()
	w.wants(witness.AlarmGone)
}

// TestGoneForAMoment: a process without a log that answers in between is no alarm; one that stays is.
func TestGoneForAMoment(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	none := func(call string) error {
		if call == "round" {
			return refusal(http.StatusNotFound, wire.CodeNotFound)
		}
		return nil
	}
	f.before = none
	if err := w.look(); !client.HasCode(err, wire.CodeNotFound) {
		t.Fatal(err)
	}
	f.before = func(string) error { return nil }
	w.ok()
	f.before = none
	_ = w.look()
	w.wants("")
	w.ahead += witness.DefaultDelay + time.Second
	_ = w.look()
	w.wants(witness.AlarmGone)
}

// TestProofsRefused: an exchange that accepted something and refuses to prove it has left it out. One that is away, or is busy, gets no
// cosignature meanwhile.
func TestProofsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		alarm string
	}{
		"refused":   {refusal(http.StatusForbidden, wire.CodeForbidden), witness.AlarmDropped},
		"not there": {refusal(http.StatusNotFound, wire.CodeNotFound), witness.AlarmDropped},
		"busy":      {refusal(http.StatusTooManyRequests, wire.CodeTooMany), ""},
		"a fault":   {refusal(http.StatusInternalServerError, "internal"), ""},
		"away":      {client.ErrUnavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.grow(3)
			w := f.watcher()
			w.ok()
			w.Expect(statement.Sum([]byte("accepted")))
			f.before = func(call string) error {
				if call == "proofs" {
					return c.err
				}
				return nil
			}
			f.grow(1)
			if err := w.look(); !errors.Is(err, c.err) {
				t.Fatal(err)
			}
			w.wants("")
			w.ahead += witness.DefaultDelay + time.Second
			f.grow(1)
			_ = w.look()
			w.wants(c.alarm)
			if w.Status().Size != 5 || len(f.signed) != 1 {
				t.Errorf("%d entries were seen, and cosigned %v", w.Status().Size, f.signed)
			}
		})
	}
}

// TestUnprovenIsNotCosigned: while something is overdue, and the exchange was away, so that it is no alarm yet, nothing is cosigned; as
// soon as it is proven, the same checkpoint is.
func TestUnprovenIsNotCosigned(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	d := statement.Sum([]byte("accepted"))
	w.Expect(d)
	w.ahead += time.Hour
	f.before = func(string) error { return client.ErrUnavailable }
	_ = w.look()
	f.before = func(string) error { return nil }
	entry := translog.Entry{Kind: translog.KindStatement, Digest: d, Salt: make([]byte, translog.SaltSize), Index: 3, TimeMS: time.Now().Add(w.ahead).UnixMilli()}
	f.leaves = append(f.leaves, entry.Leaf())
	if err := w.look(); err == nil || w.Status().Cosigned || len(f.signed) != 1 {
		t.Fatalf("%v, cosigned %v", err, f.signed)
	}
	w.wants("")
	f.proofs = func(*wire.LogAsk) *wire.LogProofs {
		return &wire.LogProofs{Entries: []translog.Entry{f.proven(entry)}}
	}
	w.ok()
	if !w.Status().Cosigned || len(f.signed) != 2 {
		t.Errorf("cosigned %v", f.signed)
	}
}

// proven adds the proof of a last leaf in a tree of four.
func (f *fake) proven(e translog.Entry) translog.Entry {
	f.Helper()
	r := translog.NewRange()
	for _, l := range f.leaves[:2] {
		if err := r.Append(l); err != nil {
			f.Fatal(err)
		}
	}
	left, err := r.Root()
	if err != nil {
		f.Fatal(err)
	}
	e.Proof = [][]byte{f.leaves[2].Hash(), left[:]}
	return e
}

// TestLoggedAsAnother: what was accepted is not in the log because somebody's own commitment to it is.
func TestLoggedAsAnother(t *testing.T) {
	for _, kind := range []string{translog.KindStatement, translog.KindJob, translog.KindReceipt, translog.KindAnchor} {
		f := newFake(t)
		f.grow(3)
		w := f.watcher()
		d := statement.Sum([]byte("accepted"))
		w.Expect(d)
		entry := translog.Entry{Kind: kind, Digest: d, Salt: make([]byte, translog.SaltSize), Index: 3, TimeMS: time.Now().UnixMilli()}
		f.leaves = append(f.leaves, entry.Leaf())
		f.proofs = func(*wire.LogAsk) *wire.LogProofs {
			return &wire.LogProofs{Entries: []translog.Entry{f.proven(entry)}}
		}
		w.ok()
		want := 1
		if kind == translog.KindStatement || kind == translog.KindJob {
			want = 0
		}
		if got := w.Status().Waiting; got != want {
			t.Errorf("logged as %s: %d are waited for", kind, got)
		}
	}
}

// TestLookOvertaken: an answer that another look has overtaken is no rollback.
func TestLookOvertaken(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	f.grow(1)
	held, inner := f.round, false
	f.round = func(have int64) *wire.LogCheckpoint {
		late := held(have)
		if !inner { // while this answer is on its way, more is logged, and another look finds it
			inner = true
			f.grow(1)
			w.ok()
		}
		return late
	}
	w.ok()
	w.wants("")
	if w.Status().Size != 5 {
		t.Errorf("%d entries", w.Status().Size)
	}
}

// TestCosignedAgain: a cosignature that got lost is handed in with the next look, and by the next process; one that is there is not.
func TestCosignedAgain(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	f.before = func(call string) error {
		if call == "cosign" {
			return client.ErrUnavailable
		}
		return nil
	}
	if err := w.look(); !errors.Is(err, client.ErrUnavailable) || w.Status().Cosigned {
		t.Fatal(err)
	}
	f.before = func(string) error { return nil }
	for range 3 {
		w.ok()
	}
	if !w.Status().Cosigned || len(f.signed) != 1 {
		t.Errorf("cosigned %v", f.signed)
	}
	w.open()
	w.ok()
	w.ok()
	if len(f.signed) != 2 {
		t.Errorf("cosigned %v", f.signed)
	}
}

// TestSeenIsRemembered: how long the newest checkpoint was the newest survives the process: nothing is dated into a night in which there
// was nothing.
func TestSeenIsRemembered(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	w.ahead = time.Hour
	w.ok()
	w.open()
	f.grow(1) // an hour ago
	_ = w.look()
	w.wants(witness.AlarmTime)
}

// TestStatusWaitsForNobody: an exchange that holds back an answer does not hold back the agent's own.
func TestStatusWaitsForNobody(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	done := make(chan struct{})
	f.before = func(call string) error {
		if call == "leaves" {
			answered := make(chan witness.Status)
			go func() { answered <- w.Status() }()
			select {
			case s := <-answered:
				if s.Key != f.key {
					t.Error("no key")
				}
			case <-time.After(5 * time.Second):
				t.Error("no status while leaves are read")
				<-done
			}
		}
		return nil
	}
	_ = w.look()
	close(done)
}

// TestNotesDoNotGrow: what is found in the log leaves the file, also where something is always waited for.
func TestNotesDoNotGrow(t *testing.T) {
	f := newFake(t)
	f.grow(3)
	w := f.watcher()
	w.ok()
	for batch := range 60 {
		var entries []translog.Entry
		for n := range 200 {
			d := statement.Sum(fmt.Appendf(nil, "%d/%d", batch, n))
			w.Expect(d)
			entries = append(entries, translog.Entry{Kind: translog.KindJob, Digest: d})
		}
		w.Expect(statement.Sum(fmt.Appendf(nil, "last %d", batch)))
		w.Found(entries)
	}
	src, err := os.ReadFile(filepath.Join(w.dir, "expected.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(src, []byte("\n")); n > 6000 {
		t.Errorf("%d lines", n)
	}
	w.open()
	if got := w.Status().Waiting; got < 60 {
		t.Errorf("%d are waited for", got)
	}
}
