package broker

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/freeze"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

func (w *world) setFreeze(reason string) {
	w.t.Helper()
	if _, err := freeze.Set(context.Background(), w.home, w.ledger, reason, w.now); err != nil {
		w.t.Fatal(err)
	}
}

// TestFrozen: nothing is promised, released or sent again while the mark stands; what is open can be closed; then all goes on.
func TestFrozen(t *testing.T) {
	w := newWorld(t, nil)
	open := w.enclave(w.newJob(nil))
	x := open.run()
	w.setFreeze("an advisory")
	w.wantHelloRefused(CodeFrozen)
	j := w.newJob(nil)
	w.news(j)
	w.refusedWith(j, w.enclave(j), nil, CodeFrozen, 0)
	again := open.send(wire.KindQuote, message.QuoteContext(open.j.digest, w.self()), x.quote)
	w.refusedWith(open.j, open, again, CodeFrozen, 1)
	for _, e := range w.ledger.Entries() {
		if e.Kind == ledger.KindRefusal && e.Reason != "this party has stopped its releases" {
			t.Errorf("others are told %q", e.Reason)
		}
	}
	if r := open.close(x, nil); r == nil || r.Ack == nil {
		t.Fatalf("an open exposure is not closed: %s", open.why(r))
	}
	w.restart(must(os.ReadFile(w.ledgerFile())))
	w.wantHelloRefused(CodeFrozen)
	w.setFreeze("")
	w.whole()
}

// TestFrozenByTheMark: the mark alone stops, where the entry could not be written.
func TestFrozenByTheMark(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.home.SetFreeze("an advisory", w.now); err != nil {
		t.Fatal(err)
	}
	w.wantHelloRefused(CodeFrozen)
	if err := w.home.SetFreeze("", w.now); err != nil {
		t.Fatal(err)
	}
	w.whole()
}

// TestFreezeWithoutAnEntry: where the ledger can't be written, the mark stops releases all the same.
func TestFreezeWithoutAnEntry(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := freeze.Set(context.Background(), w.home, w.ledger, "an advisory", w.now); err == nil {
		t.Fatal("a closed ledger took an entry")
	}
	if f, err := w.home.Freeze(); err != nil || !f.Frozen {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestFrozenByTheLedger: a home with the mark of before, as a backup has it, is frozen all the same.
func TestFrozenByTheLedger(t *testing.T) {
	w := newWorld(t, nil)
	w.setFreeze("an advisory")
	if err := w.home.SetFreeze("", w.now); err != nil {
		t.Fatal(err)
	}
	w.wantHelloRefused(CodeFrozen)
	w.restart(must(os.ReadFile(w.ledgerFile())))
	w.wantHelloRefused(CodeFrozen)
	w.setFreeze("")
	w.whole()
}

// TestFrozenBetweenReadyAndRelease: a party that was ready keeps its key.
func TestFrozenBetweenReadyAndRelease(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	h := e.hello(nil)
	if h == nil || h.Ready == nil {
		t.Fatal(e.why(h))
	}
	w.setFreeze("an advisory")
	r := e.quote(e.readies(h.Ready, nil), nil)
	w.refusedWith(e.j, e, r, CodeFrozen, 0)
	if w.count(ledger.KindCharge, e.j.digest) != 0 {
		t.Error("charged")
	}
}

// TestFrozenMeanwhile: a freeze while the query compiles, or while the keys are unwrapped, comes in time.
func TestFrozenMeanwhile(t *testing.T) {
	compiled := func(w *world, then func()) {
		w.broker.Compile = func(r policy.Request) (*policy.Plan, error) {
			then()
			return policy.Compile(r)
		}
	}
	t.Run("before the ready", func(t *testing.T) {
		w := newWorld(t, nil)
		compiled(w, func() { w.setFreeze("x") })
		w.wantHelloRefused(CodeFrozen)
	})
	t.Run("before the charge", func(t *testing.T) {
		w := newWorld(t, nil)
		e := w.enclave(w.newJob(nil))
		readies := e.readies(e.hello(nil).Ready, nil)
		compiled(w, func() { w.setFreeze("x") })
		w.refusedWith(e.j, e, e.quote(readies, nil), CodeFrozen, 0)
		if w.count(ledger.KindCharge, e.j.digest) != 0 {
			t.Error("charged")
		}
	})
	t.Run("before the release", func(t *testing.T) {
		w := newWorld(t, nil)
		e := w.enclave(w.newJob(nil))
		readies := e.readies(e.hello(nil).Ready, nil)
		w.broker.Store = must(dataset.Open(w.home, w.self(), losing{w.owners[0].ring, func() { w.setFreeze("x") }}))
		w.refusedWith(e.j, e, e.quote(readies, nil), CodeFrozen, 0)
	})
}

// TestFrozenUnreadable: without a mark that can be read nothing is released.
func TestFrozenUnreadable(t *testing.T) {
	mark := func(w *world) string { return filepath.Join(w.home.Path(), "freeze.json") }
	for name, damage := range map[string]func(*world) error{
		"missing":  func(w *world) error { return os.Remove(mark(w)) },
		"damaged":  func(w *world) error { return os.WriteFile(mark(w), []byte(`{"frozen":false}`), 0o600) },
		"a folder": func(w *world) error { return os.Rename(w.home.Jobs(), mark(w)+"x") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			if err := damage(w); err != nil {
				t.Fatal(err)
			}
			if name == "a folder" {
				if err := os.Remove(mark(w)); err != nil {
					t.Fatal(err)
				}
				if err := os.Mkdir(mark(w), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			w.wantHelloRefused(CodeFrozen)
		})
	}
}

// TestFreezeRace: jobs race with a freeze. Whatever is released is in the ledger before the freeze.
func TestFreezeRace(t *testing.T) {
	w := newWorld(t, nil)
	var all []*enclave
	var quotes []wire.Item
	for range 8 {
		e := w.enclave(w.newJob(nil))
		q := e.newQuote(e.readies(e.hello(nil).Ready, nil))
		sealed := must(seal.To(w.owners[0].ring.Box().Public(), message.QuoteContext(e.j.digest, w.self()), must(statement.Marshal(q))))
		w.nextSeq++
		all, quotes = append(all, e), append(quotes, wire.Item{Seq: w.nextSeq, Job: e.j.digest, Attempt: 1, Kind: wire.KindQuote, Body: sealed})
	}
	var g sync.WaitGroup
	for _, item := range quotes {
		g.Go(func() { _ = w.broker.Handle(context.Background(), item) })
	}
	g.Go(func() {
		time.Sleep(2 * time.Millisecond)
		_, _ = freeze.Set(context.Background(), w.home, w.ledger, "x", w.now)
	})
	g.Wait()
	frozen := false
	releases := 0
	for _, e := range w.ledger.Entries() {
		frozen = frozen || e.Kind == ledger.KindFreeze
		if e.Kind == ledger.KindRelease {
			if releases++; frozen {
				t.Error("a release behind the freeze")
			}
		}
	}
	if !frozen {
		t.Error("not frozen")
	}
	t.Logf("%d of %d released before the freeze", releases, len(all))
}
