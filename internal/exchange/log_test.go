package exchange_test

import (
	"slices"
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

// TestCosignedTellsWhatIsAsked: cosignatures of others than those asked for are not told: readers take so many only, and when a party looks is
// its own matter.
func TestCosignedTellsWhatIsAsked(t *testing.T) {
	w := newWorld(t)
	at, err := w.a.LogRound(w.Context(), -1, 20*time.Second)
	w.ok(err)
	cp, err := w.a.logKey().Open(at.Note)
	w.ok(err)
	for _, p := range []*party{w.a, w.b, w.other} {
		c, err := translog.Cosign(cp, p.keys, time.Now().Unix())
		w.ok(err)
		w.ok(p.LogCosign(w.Context(), &wire.LogCosign{Size: at.Size, Cosignature: *c}))
	}
	a, b, asker := statement.PartyOf(w.a.keys), statement.PartyOf(w.b.keys), statement.PartyOf(w.asker.keys)
	got, err := w.asker.LogCosigned(w.Context(), &wire.LogWanted{By: []statement.Fingerprint{a}, Also: []statement.Fingerprint{b, asker}})
	w.ok(err)
	var by []statement.Fingerprint
	for _, c := range got.Cosignatures {
		x, err := c.Verify(cp)
		w.ok(err)
		by = append(by, x.Party)
	}
	slices.Sort(by)
	want := []statement.Fingerprint{a, b}
	slices.Sort(want)
	if !slices.Equal(by, want) {
		t.Errorf("%v, not %v", by, want)
	}
}
