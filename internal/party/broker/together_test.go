package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/message"
	"github.com/cordon-exchange/cordon/seal"
	"github.com/cordon-exchange/cordon/statement"
)

// watched is an exchange that looks, at the moment a reply is posted, whether what the reply hands out is on the disk.
type watched struct {
	*partytest.Exchange
	w     *world
	boxes map[statement.Digest]*seal.BoxKey

	mu       sync.Mutex
	released map[statement.Digest]bool
	refused  map[string]int
	wrong    []string
}

func (x *watched) Reply(ctx context.Context, job statement.Digest, a wire.Answer) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	var r message.Reply
	if err := message.OpenWith(x.boxes[job], message.ReplyContext(job, x.w.self()), a.Body, &r); err != nil {
		x.wrong = append(x.wrong, "a reply that does not open")
		return err
	}
	if r.Refusal != nil {
		v := must(statement.Verify[statement.Refusal](r.Refusal, x.w.self()))
		x.refused[v.Body().Code]++
		return nil
	}
	x.released[job] = true
	charged, opened := 0, 0
	entries, _, err := ledger.VerifyFile(x.w.home.Ledger(), x.w.self())
	for i, e := range entries {
		switch {
		case e.Job != job:
		case e.Kind == ledger.KindCharge:
			charged = i + 1
		case e.Kind == ledger.KindRelease && e.Release == r.Release.Digest():
			opened = i + 1
		}
	}
	if err != nil || charged == 0 || opened <= charged {
		x.wrong = append(x.wrong, fmt.Sprintf("a release is posted while the disk has its charge as entry %d and itself as %d: %v", charged, opened, err))
	}
	return nil
}

// quotesAtOnce has the broker handle the quotes of many enclaves at once; each got its ready before any of them.
func (w *world) quotesAtOnce(n int, meanwhile func(done int)) *watched {
	w.t.Helper()
	x := &watched{Exchange: w.ex, w: w, boxes: map[statement.Digest]*seal.BoxKey{}, released: map[statement.Digest]bool{}, refused: map[string]int{}}
	var items []wire.Item
	for range n {
		e := w.enclave(w.newJob(nil))
		h := e.hello(nil)
		if h == nil || h.Ready == nil {
			w.t.Fatalf("no ready: %s", e.why(h))
		}
		body := must(message.SealTo(w.owners[0].ring.Box().Public(), message.QuoteContext(e.j.digest, w.self()), e.newQuote(e.readies(h.Ready, nil))))
		w.nextSeq++
		items = append(items, wire.Item{Seq: w.nextSeq, Job: e.j.digest, Attempt: 1, Kind: wire.KindQuote, Body: body})
		x.boxes[e.j.digest] = e.box
	}
	w.broker.Exchange = x
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() {
			if err := w.broker.Handle(context.Background(), item); err != nil && !errors.Is(err, ledger.ErrLost) {
				w.t.Errorf("not decided: %v", err)
			}
			meanwhile(i)
		})
	}
	wg.Wait()
	w.broker.Exchange = w.ex
	for _, s := range x.wrong {
		w.t.Error(s)
	}
	return x
}

// TestReleasesAtOnce: releases that share syncs of the ledger leave only with their charge and themselves on the disk, and a quota that
// they all draw on is kept, those in flight counted.
func TestReleasesAtOnce(t *testing.T) {
	const quota, asked = 9, 24
	w := newWorldWith(t, nil, quota)
	x := w.quotesAtOnce(asked, func(int) {})
	if len(x.released) != quota || x.refused[CodeOverQuota] != asked-quota || len(x.refused) != 1 {
		t.Errorf("%d released of %d; refused: %v", len(x.released), quota, x.refused)
	}
	charges := 0
	for _, e := range w.ledger.Entries() {
		if e.Kind == ledger.KindCharge {
			charges++
		}
	}
	if charges != quota {
		t.Errorf("%d charges", charges)
	}
}

// TestLedgerLostMeanwhile: another agent takes the ledger over while releases share its syncs. What was posted is in the ledger that
// the other one has; nothing is posted afterwards.
func TestLedgerLostMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	var once sync.Once
	x := w.quotesAtOnce(24, func(int) {
		once.Do(func() {
			if _, err := ledger.Takeover(w.home.Ledger(), w.self(), func([]ledger.Entry, ledger.Head) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	})
	entries, _, err := ledger.VerifyFile(w.home.Ledger(), w.self())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Kind == ledger.KindRelease {
			delete(x.released, e.Job)
		}
	}
	if len(x.released) > 0 {
		t.Errorf("%d releases were posted that the ledger lacks", len(x.released))
	}
	if later := w.quotesAtOnce(3, func(int) {}); len(later.released) > 0 || later.refused[CodeLedger] != 3 {
		t.Errorf("afterwards %d were released; refused: %v", len(later.released), later.refused)
	}
}
