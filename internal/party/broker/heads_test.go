package broker

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/evidence"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// whole runs a job to its end and returns the owner's acknowledgement.
func (w *world) whole() *statement.Verified[statement.Ack] {
	w.t.Helper()
	e := w.enclave(w.newJob(nil))
	r := e.close(e.run(), nil)
	if r == nil || r.Ack == nil {
		w.t.Fatalf("not closed: %s", e.why(r))
	}
	return must(statement.Verify[statement.Ack](r.Ack, w.self()))
}

// carry makes the requester's letters to the owner carry an acknowledgement; nil: none.
func (w *world) carry(e *statement.Envelope) {
	w.acks = map[statement.Fingerprint]*statement.Envelope{w.self(): e}
}

func (w *world) ledgerFile() string { return filepath.Join(w.home.Ledger(), "ledger.ndjson") }

// restart begins again with a ledger of these bytes.
func (w *world) restart(src []byte) {
	w.t.Helper()
	if err := w.ledger.Close(); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.ledgerFile(), src, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.openLedger()
	w.openBroker()
}

// forgetHeads does to the owner's home what a restore of all of it does.
func (w *world) forgetHeads() {
	w.t.Helper()
	if err := os.RemoveAll(w.home.Heads()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantHelloRefused(code string) {
	w.t.Helper()
	j := w.newJob(nil)
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), code, 0)
}

// TestAckNamesItsEntry: the head is the entry that closed the exposure, whatever was written since.
func TestAckNamesItsEntry(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	x := e.run()
	first := e.close(x, nil)
	head := must(statement.Verify[statement.Ack](first.Ack, w.self())).Body().Head
	if last := w.ledger.Entries(); head != w.ledger.Head() || last[len(last)-1].Kind != ledger.KindClose {
		t.Fatalf("head %d, ledger at %d", head.Seq, w.ledger.Head().Seq)
	}
	w.whole()
	if again := e.close(x, nil); again.Ack == nil || again.Ack.Digest() != first.Ack.Digest() {
		t.Fatalf("another acknowledgement of the same receipt: %s", e.why(again))
	}
}

// TestRestoredLedger: once one requester has shown that the ledger is an old copy, nobody gets a key, whatever it shows, until the
// newer ledger is back.
func TestRestoredLedger(t *testing.T) {
	for name, noisy := range map[string]bool{"lattice": false, "noise": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			if noisy {
				w = noisyWorld(t, plenty)
			}
			old := must(os.ReadFile(w.ledgerFile()))
			ack := w.whole()
			newest := must(os.ReadFile(w.ledgerFile()))
			w.restart(old)
			w.forgetHeads()
			w.openBroker()
			if w.broker.Behind() {
				t.Fatal("nobody can have told it")
			}
			w.carry(ack.Envelope())
			j := w.newJob(nil)
			w.news(j)
			w.refusedWith(j, w.enclave(j), nil, CodeBehind, 0)
			w.carry(nil) // another requester, that knows nothing
			w.wantHelloRefused(CodeBehind)
			w.openBroker() // a restart does not help
			w.wantHelloRefused(CodeBehind)
			if n := len(w.spent()); n != 0 {
				t.Fatalf("%d charges", n)
			}
			w.restart(newest)
			w.whole()
			w.carry(ack.Envelope())
			w.whole()
		})
	}
}

// news hands the broker a job as the exchange does before there is an enclave.
func (w *world) news(j *job) {
	w.t.Helper()
	if err := w.broker.Handle(context.Background(), wire.Item{Seq: 1, Job: j.digest, Kind: wire.KindJob}); err != nil {
		w.t.Fatal(err)
	}
}

// TestLedgerPutBack: the rest of the home knows better than a ledger that was put back alone.
func TestLedgerPutBack(t *testing.T) {
	w := newWorld(t, nil)
	old := must(os.ReadFile(w.ledgerFile()))
	w.whole()
	newest := must(os.ReadFile(w.ledgerFile()))
	w.restart(old)
	w.wantHelloRefused(CodeBehind)
	w.restart(newest)
	w.whole()
}

// TestCarriedAcks: which acknowledgements a job may come with. One thing wrong per case.
func TestCarriedAcks(t *testing.T) {
	cases := []struct {
		name string
		ack  func(w *world, good statement.Ack) *statement.Envelope
		code string // empty: answered
	}{
		{name: "none", ack: func(*world, statement.Ack) *statement.Envelope { return nil }},
		{name: "newest", ack: func(w *world, a statement.Ack) *statement.Envelope { return w.signed(a, 0) }},
		{name: "entries since", ack: func(w *world, a statement.Ack) *statement.Envelope { w.whole(); return w.signed(a, 0) }},
		{name: "entry that is not there", ack: func(w *world, a statement.Ack) *statement.Envelope {
			a.Head.Seq = w.ledger.Head().Seq + 100
			return w.signed(a, 0)
		}, code: CodeBehind},
		{name: "entry with another digest", ack: func(w *world, a statement.Ack) *statement.Envelope {
			a.Head.Digest = statement.Sum([]byte("another line"))
			return w.signed(a, 0)
		}, code: CodeBehind},
		{name: "entry of another number", ack: func(w *world, a statement.Ack) *statement.Envelope { a.Head.Seq--; return w.signed(a, 0) }, code: CodeBehind},
		{name: "forged", ack: func(w *world, a statement.Ack) *statement.Envelope { a.Head.Seq += 100; return w.signed(a, 1) }, code: CodeMessage},
		{name: "signed by another owner", ack: func(w *world, a statement.Ack) *statement.Envelope { return w.signed(a, 1) }, code: CodeMessage},
		{name: "of another owner", ack: func(w *world, a statement.Ack) *statement.Envelope {
			a.Owner = w.owners[1].fp()
			return w.signed(a, 1)
		}, code: CodeMessage},
		{name: "another statement", ack: func(w *world, _ statement.Ack) *statement.Envelope { return w.grant }, code: CodeMessage},
		{name: "without a signature that holds", ack: func(w *world, a statement.Ack) *statement.Envelope {
			e := w.signed(a, 0)
			e.Signatures[0].Sig[0] ^= 1
			return e
		}, code: CodeMessage},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.carry(c.ack(w, *w.whole().Body()))
			if c.code == "" {
				w.whole()
				return
			}
			w.wantHelloRefused(c.code)
			w.carry(nil)
			if c.code == CodeBehind {
				w.wantHelloRefused(CodeBehind)
				return
			}
			w.whole() // what anybody could have made up is held against nobody else
		})
	}
}

func (w *world) signed(a statement.Ack, owner int) *statement.Envelope {
	return must(statement.Sign(a, w.owners[owner].ring.Signer()))
}

// TestForkedLedger: a ledger that went on from an old copy is further than what it lacks, and remembers that over a restart.
func TestForkedLedger(t *testing.T) {
	w := newWorld(t, nil)
	old := must(os.ReadFile(w.ledgerFile()))
	ack := w.whole()
	newest := must(os.ReadFile(w.ledgerFile()))
	w.restart(old)
	w.forgetHeads()
	w.openBroker()
	for w.ledger.Head().Seq <= ack.Body().Head.Seq {
		w.whole() // for somebody who holds no head
	}
	fork := w.broker.Heads.Newest(w.self())
	w.carry(ack.Envelope())
	w.wantHelloRefused(CodeBehind)
	w.carry(nil)
	w.openBroker()
	w.wantHelloRefused(CodeBehind)
	w.restart(newest) // which lacks what the fork signed for
	if w.wantHelloRefused(CodeBehind); w.ledger.Holds(fork.Body().Head) {
		t.Fatal("the fork is the same ledger")
	}
}

// TestBehindMeanwhile: another job shows that the ledger is an old copy while this one compiles, or its keys are unwrapped.
func TestBehindMeanwhile(t *testing.T) {
	t.Run("before the charge", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		h := e.hello(nil)
		w.broker.Compile = func(r policy.Request) (*policy.Plan, error) {
			w.broker.behind.Store(true)
			return policy.Compile(r)
		}
		w.refusedWith(j, e, e.quote(e.readies(h.Ready, nil), nil), CodeBehind, 0)
		if w.count(ledger.KindCharge, j.digest) != 0 {
			t.Fatal("charged")
		}
	})
	t.Run("before the release", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		h := e.hello(nil)
		w.broker.Store = must(dataset.Open(w.home, w.self(), losing{w.owners[0].ring, func() { w.broker.behind.Store(true) }}))
		w.refusedWith(j, e, e.quote(e.readies(h.Ready, nil), nil), CodeBehind, 0)
	})
	t.Run("keys that were released before", func(t *testing.T) {
		w := newWorld(t, nil)
		j := w.newJob(nil)
		e := w.enclave(j)
		x := e.run()
		w.broker.behind.Store(true)
		w.refusedWith(j, e, e.send(wire.KindQuote, message.QuoteContext(j.digest, w.self()), x.quote), CodeBehind, 1)
		if r := e.close(x, nil); r == nil || r.Ack == nil {
			t.Fatalf("what was released can't be closed: %s", e.why(r))
		}
	})
}

// TestBehindAndAsking: an old ledger keeps nobody from asking others.
func TestBehindAndAsking(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	e := w.enclave(j)
	o := w.broker.Options
	o.Signer, o.Box = w.asker.Signer(), w.asker.Box()
	b := must(New(o))
	b.behind.Store(true)
	self := w.asker.Fingerprint()
	sealed := must(message.SealTo(o.Box.Public(), message.HelloContext(j.digest, self), message.Hello{
		Job: j.digest, Session: e.session, Evidence: e.evidence(evidence.HelloBinding(j.digest, e.session.Digest())),
	}))
	if err := b.Handle(t.Context(), wire.Item{Seq: 1, Job: j.digest, Attempt: 1, Kind: wire.KindHello, Body: sealed}); err != nil || len(w.ex.Answers) != 1 {
		t.Fatalf("%d answers, %v", len(w.ex.Answers), err)
	}
	var r message.Reply
	if err := message.OpenWith(e.box, message.ReplyContext(j.digest, self), w.ex.Answers[0].Body, &r); err != nil || r.Body == nil {
		t.Fatalf("no body: %v", err)
	}
}

// TestHeadsThatCantBeWritten: the ack leaves, and what is missing is refused, without the memory of them.
func TestHeadsThatCantBeWritten(t *testing.T) {
	w := newWorld(t, nil)
	if err := os.WriteFile(w.home.Heads(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ack := *w.whole().Body()
	ack.Head.Seq += 100
	w.carry(w.signed(ack, 0))
	w.wantHelloRefused(CodeBehind)
	w.carry(nil)
	w.wantHelloRefused(CodeBehind)
}

// TestClosedInOrder: the time of a close is read where its place in the ledger is given, so that of two acknowledgements the later
// head has no earlier time, and nobody takes them for a restored ledger.
func TestClosedInOrder(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	x := e.run()
	appended := make(chan error, 1)
	w.broker.Now = func() time.Time {
		go func() {
			_, err := w.ledger.Append(context.Background(), ledger.Entry{Kind: ledger.KindRefusal, Stage: "job", Code: "meanwhile"}, nil)
			appended <- err
		}()
		time.Sleep(50 * time.Millisecond)
		return w.now
	}
	r := e.close(x, nil)
	if r == nil || r.Ack == nil {
		t.Fatalf("not closed: %s", e.why(r))
	}
	if err := <-appended; err != nil {
		t.Fatal(err)
	}
	head := must(statement.Verify[statement.Ack](r.Ack, w.self())).Body().Head
	if last := w.ledger.Entries(); head.Seq != int64(len(last))-1 || last[head.Seq].Code != "meanwhile" {
		t.Fatal("another entry came between the time and the entry that states it")
	}
}
