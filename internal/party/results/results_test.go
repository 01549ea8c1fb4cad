package results

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/result"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func sample() *result.Table {
	return &result.Table{
		Columns: []result.Column{{Name: "size", Type: "varchar"}, {Name: "strikes", Type: "int64"}},
		Rows:    [][]result.Value{{result.Of("Large"), result.Of("125")}, {result.Of("Small"), result.Suppressed()}},
	}
}

// world is an exchange that holds a finished job and its artifacts.
type world struct {
	t      *testing.T
	ex     *partytest.Exchange
	a      *receipttest.Account
	job    statement.Digest
	key    *seal.DataKey
	sealed []byte
	opener *Opener
	ledger *ledger.Ledger
}

func newWorld(t *testing.T, e receipttest.Edit, failed string) *world {
	t.Helper()
	w := &world{t: t, ex: partytest.New(), key: must(seal.NewDataKey())}
	plain := must(result.Pad(must(sample().Encode())))
	change := e.Receipt
	e.Receipt = func(r *statement.Receipt) {
		w.sealed = must(w.key.Encrypt(seal.ResultAAD(r.Job), plain))
		if r.Result != nil {
			r.Result = &statement.ResultRef{Digest: statement.Sum(w.sealed), Bytes: int64(len(w.sealed))}
		}
		if change != nil {
			change(r)
		}
	}
	if failed == "" {
		w.a = receipttest.New(t, e)
	} else {
		w.a = receipttest.NewFailed(t, e, failed)
	}
	w.job = w.a.Bundle.Job.Digest()
	w.ex.Jobs[w.job] = &w.a.Bundle.Job
	must(w.ex.PostStatement(t.Context(), &w.a.Bundle.Contract))
	w.put(wire.ArtifactResult, w.sealed)
	w.give(w.a.Requester, w.key.BytesUnsafe(), w.a.Bytes)
	w.opener = w.open(w.a.Requester)
	return w
}

func (w *world) put(name string, b []byte) { w.ex.Artifacts[string(w.job)+" "+name] = b }

// give seals a result key and an account to a party.
func (w *world) give(p *receipttest.Party, key, bundle []byte) {
	w.t.Helper()
	plain := must(statement.Marshal(message.ResultKey{Key: key, Bundle: bundle}))
	w.put(wire.ArtifactKey+string(p.Fingerprint()), must(seal.To(p.Box.Public(), message.ResultContext(w.job, p.Fingerprint()), plain)))
}

func (w *world) open(p *receipttest.Party) *Opener {
	w.t.Helper()
	w.ledger = must(ledger.Open(filepath.Join(w.t.TempDir(), "ledger"), p.Fingerprint(), time.Now))
	w.t.Cleanup(func() { w.ledger.Close() })
	return &Opener{
		Exchange: w.ex, Catalog: catalog.New(w.ex), Ledger: w.ledger, Heads: heads.Open(filepath.Join(w.t.TempDir(), "heads")), Box: p.Box, Self: p.Fingerprint(),
		Verifiers: evidence.Verifiers{simulated.Kind: simulated.Verify}, Log: slog.New(slog.DiscardHandler),
	}
}

func TestOpen(t *testing.T) {
	w := newWorld(t, receipttest.Edit{}, "")
	o, err := w.opener.Open(t.Context(), w.job, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(must(o.Table.Encode()), must(sample().Encode())) || !bytes.Equal(o.Account.Bundle, w.a.Bytes) || !o.Account.Report.Simulated() {
		t.Fatal("another table or account")
	}
}

// TestRefused: one thing wrong per case; no table comes out.
func TestRefused(t *testing.T) {
	cases := []struct {
		name   string
		edit   receipttest.Edit
		failed string
		change func(*world)
		exit   fault.Code
		want   string
	}{
		{name: "no receipt", change: func(w *world) { clear(w.ex.Artifacts) }, exit: fault.Refused, want: "no receipt"},
		{name: "account without the ack of an owner", edit: receipttest.Edit{}, change: func(w *world) {
			b := *w.a.Bundle
			b.Acks = b.Acks[1:]
			w.give(w.a.Requester, w.key.BytesUnsafe(), must(b.Encode()))
		}, exit: fault.Untrusted, want: "does not verify"},
		{name: "bytes that are no account", change: func(w *world) { w.give(w.a.Requester, w.key.BytesUnsafe(), []byte("{}")) }, exit: fault.Untrusted, want: "does not verify"},
		{name: "key sealed to someone else", change: func(w *world) {
			w.put(wire.ArtifactKey+string(w.a.Requester.Fingerprint()), must(seal.To(w.a.Owners[0].Box.Public(), message.ResultContext(w.job, w.a.Requester.Fingerprint()), nil)))
		}, exit: fault.Untrusted, want: "does not open"},
		{name: "key that is malformed", change: func(w *world) { w.give(w.a.Requester, []byte("short"), w.a.Bytes) }, exit: fault.Untrusted, want: "malformed"},
		{name: "another key", change: func(w *world) { w.give(w.a.Requester, must(seal.NewDataKey()).BytesUnsafe(), w.a.Bytes) }, exit: fault.Untrusted, want: "does not open"},
		{name: "one bit of the result", change: func(w *world) {
			b := bytes.Clone(w.sealed)
			b[len(b)/2] ^= 1
			w.put(wire.ArtifactResult, b)
		}, exit: fault.Untrusted, want: "not the one that the receipt names"},
		{name: "result cut short", change: func(w *world) { w.put(wire.ArtifactResult, w.sealed[:100]) }, exit: fault.Untrusted, want: "not the one that the receipt names"},
		{name: "receipt names another length", edit: receipttest.Edit{Receipt: func(r *statement.Receipt) { r.Result.Bytes++ }}, change: func(*world) {}, exit: fault.Untrusted, want: "not the one that the receipt names"},
		{name: "job that failed", failed: "bad-data", change: func(*world) {}, exit: fault.Refused, want: "without a result"},
		{name: "job signed by someone else", change: func(w *world) {
			j := *must(statement.DecodeUnverified[statement.Job](w.a.Bundle.Job.Payload))
			w.ex.Jobs[w.job] = must(statement.Sign(j, w.a.Owners[0].Key))
		}, exit: fault.Untrusted, want: "not signed by its requester"},
		{name: "contract of another requester", change: func(w *world) {
			j := *must(statement.DecodeUnverified[statement.Job](w.a.Bundle.Job.Payload))
			j.Requester = w.a.Owners[0].Fingerprint()
			j.Bodies = j.Bodies[:len(j.Bodies)-1]
			e := must(statement.Sign(j, w.a.Owners[0].Key))
			w.ex.Jobs[w.job] = e
			w.job = e.Digest()
			w.ex.Jobs[w.job] = e
			w.give(w.a.Requester, w.key.BytesUnsafe(), w.a.Bytes)
		}, exit: fault.Untrusted, want: "not signed by the requester of its contract"},
		{name: "another job of the requester", change: func(w *world) {
			j := *must(statement.DecodeUnverified[statement.Job](w.a.Bundle.Job.Payload))
			j.Class = "large"
			w.ex.Jobs[w.job] = must(statement.Sign(j, w.a.Requester.Key))
		}, exit: fault.Untrusted, want: "not signed by its requester"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.edit, c.failed)
			c.change(w)
			o, err := w.opener.Open(t.Context(), w.job, nil)
			if err == nil || o != nil {
				t.Fatal("opened")
			}
			if fault.ExitCode(err) != int(c.exit) || !strings.Contains(err.Error(), c.want) || fault.Hint(err) == "" {
				t.Fatalf("exit %d: %v", fault.ExitCode(err), err)
			}
		})
	}
	t.Run("not a digest", func(t *testing.T) {
		w := newWorld(t, receipttest.Edit{}, "")
		if _, err := w.opener.Open(t.Context(), "JOB", nil); fault.ExitCode(err) != int(fault.Usage) {
			t.Fatal(err)
		}
	})
}

// TestLedgerWentBack: two accounts that verify, and that one ledger of each owner can't both have closed. The result opens all the
// same, and whoever reads it is told.
func TestLedgerWentBack(t *testing.T) {
	first, second := newWorld(t, receipttest.Edit{}, ""), newWorld(t, receipttest.Edit{Ack: func(a *statement.Ack) {
		a.Head.Seq--
		a.ClosedMS++
	}}, "")
	for _, order := range [][]*world{{first, second}, {second, first}} {
		known := heads.Open(filepath.Join(t.TempDir(), "heads"))
		for i, w := range order {
			w.opener.Heads = known
			o, err := w.opener.Open(t.Context(), w.job, nil)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(o.Account.Back, "\n")
			if i == 0 && text != "" {
				t.Fatalf("told of the first account: %s", text)
			}
			notes := strings.Join(o.Account.Report.Notes, "\n")
			for _, owner := range w.a.Owners {
				if i == 1 && (!strings.Contains(text, "ledger of "+owner.Name+" went back") || !strings.Contains(notes, "ledger of "+owner.Name)) {
					t.Errorf("nothing of %s in %q", owner.Name, text)
				}
			}
		}
		for _, owner := range first.a.Owners {
			if known.Newest(owner.Fingerprint()).Body().Head.Seq != 7 {
				t.Error("not the furthest head is remembered")
			}
		}
	}
}

// TestHeadsOfWhatDoesNotVerify: nothing is learned from an account that does not verify, and a result opens if nothing can be learned.
func TestHeadsOfWhatDoesNotVerify(t *testing.T) {
	w := newWorld(t, receipttest.Edit{}, "")
	b := *w.a.Bundle
	b.Acks = b.Acks[1:]
	w.give(w.a.Requester, w.key.BytesUnsafe(), must(b.Encode()))
	if _, err := w.opener.Open(t.Context(), w.job, nil); err == nil {
		t.Fatal("opened")
	}
	for _, owner := range w.a.Owners {
		if w.opener.Heads.Newest(owner.Fingerprint()) != nil {
			t.Errorf("learned of %s", owner.Name)
		}
	}
	w.give(w.a.Requester, w.key.BytesUnsafe(), w.a.Bytes)
	file := filepath.Join(t.TempDir(), "heads")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.opener.Heads = heads.Open(file)
	if _, err := w.opener.Open(t.Context(), w.job, nil); err != nil {
		t.Fatal(err)
	}
}

// TestOtherJobsAccount: a genuine account of one job vouches for no other.
func TestOtherJobsAccount(t *testing.T) {
	w := newWorld(t, receipttest.Edit{}, "")
	other := receipttest.New(t, receipttest.Edit{Job: func(j *statement.Job) { j.Class = "large" }})
	w.give(w.a.Requester, w.key.BytesUnsafe(), other.Bytes)
	if _, err := w.opener.Open(t.Context(), w.job, nil); fault.ExitCode(err) != int(fault.Untrusted) || !strings.Contains(err.Error(), "another job") {
		t.Fatalf("got %v", err)
	}
}

// TestKeyWithoutBeingARecipient: who was given the key by whatever means is not shown the result.
func TestKeyWithoutBeingARecipient(t *testing.T) {
	w := newWorld(t, receipttest.Edit{}, "")
	alpha := w.a.Owners[0]
	w.give(alpha, w.key.BytesUnsafe(), w.a.Bytes)
	if o, err := w.open(alpha).Open(t.Context(), w.job, w.a.Pins()); o != nil || fault.ExitCode(err) != int(fault.Refused) || !strings.Contains(err.Error(), "not a recipient") {
		t.Fatalf("got %v", err)
	}
}

// TestOwnerReadsReceipt: an owner that granted sees the account, and no result.
func TestOwnerReadsReceipt(t *testing.T) {
	w := newWorld(t, receipttest.Edit{}, "")
	alpha := w.a.Owners[0]
	w.put(wire.ArtifactBundle+string(alpha.Fingerprint()), must(seal.To(alpha.Box.Public(), message.ReceiptContext(w.job, alpha.Fingerprint()), w.a.Bytes)))
	o := w.open(alpha)
	if _, err := o.Account(t.Context(), w.job, nil); fault.ExitCode(err) != int(fault.Usage) {
		t.Fatalf("nobody was pinned, and it verified: %v", err)
	}
	if _, err := o.Account(t.Context(), w.job, w.a.Pins()[1:]); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Fatalf("one pin is missing, and it verified: %v", err)
	}
	if a, err := o.Account(t.Context(), w.job, w.a.Pins()); err != nil || a.Report.Receipt.Job != w.job {
		t.Fatal(err)
	}
	grant := statement.Sum([]byte("grant"))
	if _, err := w.ledger.Append(t.Context(), ledger.Entry{Kind: ledger.KindGrant, Contract: w.a.Bundle.Contract.Digest(), Grant: grant, Authority: statement.ByHand}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Account(t.Context(), w.job, nil); err != nil {
		t.Fatalf("it granted the contract, and so chose its parties: %v", err)
	}
	if _, err := o.Open(t.Context(), w.job, nil); fault.ExitCode(err) != int(fault.Refused) {
		t.Fatalf("an owner opened a result that it is no recipient of: %v", err)
	}
}

func TestBeside(t *testing.T) {
	text := func(t *testing.T, tab *result.Table) string {
		t.Helper()
		var b bytes.Buffer
		if err := tab.WriteCSV(&b); err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(b.String(), "\r\n", "\n")
	}
	own := &result.Table{
		Columns: []result.Column{{Name: "size", Type: "varchar"}, {Name: "strikes", Type: "int64"}},
		Rows:    [][]result.Value{{result.Of("Medium"), result.Of("3")}, {result.Of("Large"), result.Of("7")}},
		Notes:   []string{"n"},
	}
	got, err := Beside(sample(), own, "own_")
	if err != nil {
		t.Fatal(err)
	}
	want := "\"size\",\"strikes\",\"own_strikes\"\n\"Large\",125,7\n\"Small\",suppressed,\n\"Medium\",,3\n"
	if s := text(t, got); s != want {
		t.Fatalf("got\n%s", s)
	}
	twice := &result.Table{Columns: own.Columns, Rows: [][]result.Value{own.Rows[0], own.Rows[0]}}
	if _, err := Beside(sample(), twice, "x_"); err == nil {
		t.Error("a key twice")
	}
	numbers := &result.Table{Columns: []result.Column{{Name: "strikes", Type: "int64"}}, Rows: [][]result.Value{{result.Of("1")}}}
	if _, err := Beside(sample(), numbers, "x_"); fault.ExitCode(err) != int(fault.Input) {
		t.Errorf("nothing in common: %v", err)
	}
}
