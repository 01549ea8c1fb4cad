package exchange_test

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/statement"
	"github.com/cordon-exchange/cordon/translog"
)

// logKey is what a party pins.
func (p *party) logKey() *translog.Key {
	p.e.Helper()
	text, err := p.LogKey(p.e.Context())
	p.e.ok(err)
	k, err := translog.ParseKey(text)
	p.e.ok(err)
	return k
}

// proven waits until what is logged about a digest is proven, and checks it.
func (p *party) proven(d statement.Digest) []translog.Entry {
	p.e.Helper()
	got, err := p.LogProofs(p.e.Context(), d, 0, 10*time.Second)
	p.e.ok(err)
	cp, err := p.logKey().Open(got.Checkpoint.Note)
	p.e.ok(err)
	if len(got.Entries) == 0 || got.Waiting != 0 {
		p.e.Fatalf("not proven in time: %+v", got)
	}
	for i := range got.Entries {
		e := &got.Entries[i]
		if e.Digest != d {
			p.e.Fatal("another digest")
		}
		p.e.ok(e.Verify(cp.Checkpoint))
	}
	return got.Entries
}

// TestLog: whatever is accepted is proven to those whom it concerns, and to nobody else.
func TestLog(t *testing.T) {
	w := newWorld(t)
	job := w.submit()
	c := w.claim()
	receipt := []byte("no envelope")
	w.ok(w.host.Finish(w.Context(), job, wire.Finish{Lease: c.Lease, State: wire.StateDone, Artifacts: []wire.NewArtifact{{Name: wire.ArtifactReceipt, Body: receipt}}}))
	kinds := map[statement.Digest]string{w.a.in: translog.KindStatement, w.pool: translog.KindStatement, w.contract: translog.KindStatement, job: translog.KindJob, statement.Sum(receipt): translog.KindReceipt}
	for d, kind := range kinds {
		for _, p := range []*party{w.a, w.b, w.asker} {
			if list := p.proven(d); list[0].Kind != kind {
				t.Errorf("%s is logged as %s, not as %s", d.Short(), list[0].Kind, kind)
			}
		}
		_, err := w.other.LogProofs(w.Context(), d, 0, 0)
		public := d == w.a.in || d == w.pool
		if public != (err == nil) || !public && !client.HasCode(err, wire.CodeNotFound) {
			t.Errorf("%s, a %s: somebody who is not concerned gets %v", d.Short(), kind, err)
		}
	}
	if _, err := w.a.LogProofs(w.Context(), statement.Sum([]byte("nothing")), 0, 0); !client.HasCode(err, wire.CodeNotFound) {
		t.Errorf("proofs of nothing: %v", err)
	}
}
