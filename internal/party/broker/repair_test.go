package broker

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/statement"
)

// TestRepairedAndRolledBack: a repair accounts for acknowledgements that were signed before it, and for none after it: a ledger that
// is rolled back once more is noticed.
func TestRepairedAndRolledBack(t *testing.T) {
	w := newWorld(t, nil)
	j := w.newJob(nil)
	must(w.ledger.Append(t.Context(), ledger.Entry{Kind: ledger.KindRepair, AtMS: w.now.UnixMilli(), About: statement.Sum(nil)}, nil))
	w.grantIt(w.contract.Body().UntilMS)
	// A job from before it: what it was answered is not known.
	e := w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeReplayed, 0)
	w.now = w.now.Add(time.Minute)
	lost := statement.Ack{
		Owner: w.self(), Job: statement.Sum(nil), Receipt: statement.Sum(nil), Release: statement.Sum(nil), ReleasedMS: 1,
		ClosedMS: start.UnixMilli(), Head: statement.LedgerHead{Seq: 900, Digest: statement.Sum([]byte("lost"))},
	}
	w.carry(w.signed(lost, 0))
	w.openBroker()
	j = w.newJob(nil)
	e = w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeOverQuota, 0) // and not behind
	if w.broker.Behind() {
		t.Fatal("behind what the repair accounts for")
	}
	lost.ClosedMS = w.now.UnixMilli()
	w.carry(w.signed(lost, 0))
	j = w.newJob(nil)
	e = w.enclave(j)
	w.refusedWith(j, e, e.hello(nil), CodeBehind, 0)
}
