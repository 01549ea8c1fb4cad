package broker

import (
	"testing"

	"github.com/cordon-exchange/cordon/evidence/simulated"
	"github.com/cordon-exchange/cordon/internal/party/collateral"
	"github.com/cordon-exchange/cordon/internal/party/machines"
	"github.com/cordon-exchange/cordon/statement"
)

// find looks through this party's past.
func (w *world) find(q machines.Query) []*machines.Ran {
	w.t.Helper()
	return must(machines.Find(machines.Past{
		Home: w.home, Entries: w.ledger.Entries(), Cache: must(collateral.Open(w.home, collateral.Anchors{})), Now: w.now,
	}, q))
}

// TestEvidenceIsKept: who was released to is found again, before any receipt and after it; evidence that was lost comes back with the
// receipt; what was refused leaves nothing.
func TestEvidenceIsKept(t *testing.T) {
	w := newWorld(t, nil)
	e := w.enclave(w.newJob(nil))
	x := e.run()
	build := machines.Query{Kinds: []string{simulated.Kind}, Builds: []string{string(w.build)}}
	list := w.find(build)
	if len(list) != 1 || list[0].Job != e.j.digest || !list[0].Open || list[0].Match != machines.Yes || list[0].Release != x.release.Digest() {
		t.Fatalf("%d found", len(list))
	}
	if list := w.find(machines.Query{Builds: []string{string(statement.Sum(nil))}}); len(list) != 0 {
		t.Error("found by another build")
	}
	w.forgetReleased()
	if list := w.find(build); len(list) != 1 || list[0].Match != machines.Unknown {
		t.Error("lost evidence is not told as unknown")
	}
	if r := e.close(x, nil); r == nil || r.Ack == nil {
		t.Fatal(e.why(r))
	}
	if list := w.find(build); len(list) != 1 || list[0].Open || list[0].Match != machines.Yes {
		t.Error("not found after its receipt")
	}
	w.setFreeze("x")
	w.wantHelloRefused(CodeFrozen)
	if list := w.find(machines.Query{}); len(list) != 1 {
		t.Errorf("%d found after a refusal", len(list))
	}
}
