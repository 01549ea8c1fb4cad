package repair

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/fault"
	"github.com/cordon-exchange/cordon/internal/party/heads"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/receipt"
	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// world is alpha of a test's account, whose ledger has only what stood in it long before the account's job.
type world struct {
	Options
	account *receipttest.Account
	now     time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{account: receipttest.New(t, receipttest.Edit{}), now: receipttest.Start.Add(24 * time.Hour)}
	dir := must(home.Create(filepath.Join(t.TempDir(), "home")))
	clock := func() time.Time { return w.now }
	self := w.account.Owners[0].Fingerprint()
	l := must(ledger.Open(dir.Ledger(), self, clock))
	t.Cleanup(func() { l.Close() })
	w.Options = Options{Home: dir, Ledger: l, Heads: heads.Open(dir.Heads()), Self: self, Reason: "disk lost", Now: clock}
	contract := w.account.Bundle.Contract.Digest()
	must(l.Append(t.Context(), ledger.Entry{
		Kind: ledger.KindGrant, AtMS: 1, Contract: contract, Grant: w.account.Bundle.Grants[0].Digest(), Authority: statement.ByHand,
	}, nil))
	must(l.Append(t.Context(), ledger.Entry{Kind: ledger.KindPublish, AtMS: 1, About: statement.Sum(nil), Name: "older", Version: "1"}, nil))
	return w
}

func (w *world) view(f func(*ledger.Accounts)) { w.Ledger.View(f) }

// TestRepair: what the bundle proves is there again, and all else that may have been is taken as been.
func TestRepair(t *testing.T) {
	w := newWorld(t)
	w.Bundles = []*receipt.Bundle{w.account.Bundle}
	w.Datasets = []string{"forgotten"}
	if err := os.MkdirAll(filepath.Join(w.Home.Datasets(), "infolder", "1"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := must(New(w.Options))
	if n := len(w.Ledger.Entries()); n != 2 {
		t.Fatalf("a plan wrote %d entries", n)
	}
	if err := p.Apply(t.Context(), w.Options); err != nil {
		t.Fatal(err)
	}
	requester, contract := w.account.Requester.Fingerprint(), w.account.Bundle.Contract.Digest()
	w.view(func(a *ledger.Accounts) {
		for _, name := range []string{"strikes", "older", "forgotten", "infolder"} {
			if !a.Exhausted(name) {
				t.Errorf("the budget of %s is not given up", name)
			}
		}
		if a.Exhausted("new") {
			t.Error("the budget of a data set that nobody knew")
		}
		if g, revoked := a.Grant(contract); g != "" || !revoked {
			t.Error("a grant from before is in force: its revocation may be lost")
		}
		job := a.Job(w.account.Bundle.Job.Digest())
		if len(job.Exposures) != 1 || job.Exposures[0].Open() || job.Requester != requester || job.ChargedMS == 0 || !job.Closed {
			t.Errorf("job %+v", job)
		}
		// Whatever a quota is, and of whom.
		for _, f := range []statement.Fingerprint{requester, w.account.Operator.Fingerprint()} {
			if a.QueriesSince(f, w.now.Add(-time.Hour).UnixMilli()) < 1<<32 {
				t.Error("a quota is there again")
			}
		}
		if n := a.QueriesSince(requester, w.now.Add(time.Millisecond).UnixMilli()); n != 0 {
			t.Errorf("%d queries since the repair", n)
		}
		if a.GrantedByRule() < 1<<32 {
			t.Error("rules grant again")
		}
		if a.RepairedMS() != w.now.UnixMilli() {
			t.Error("the time of the repair")
		}
	})
	// It verifies from its file, and says the same.
	entries, _, err := ledger.VerifyFile(w.Home.Ledger(), w.Self)
	if err != nil || entries[len(entries)-1].Kind != ledger.KindRepair || entries[len(entries)-1].About != p.Digest() {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	if src := must(os.ReadFile(filepath.Join(w.Home.Path(), "repairs", string(p.Digest())[len("sha256:"):]+".json"))); statement.Sum(src) != p.Digest() {
		t.Error("another record than the one named")
	}
	// A grant after it counts.
	must(w.Ledger.Append(t.Context(), ledger.Entry{Kind: ledger.KindGrant, Contract: contract, Grant: statement.Sum([]byte("new")), Authority: statement.ByHand}, nil))
	w.view(func(a *ledger.Accounts) {
		if g, _ := a.Grant(contract); g != statement.Sum([]byte("new")) {
			t.Error("a grant from after the repair is not in force")
		}
	})
	// Once is enough: the same evidence shows nothing more.
	if _, err := New(w.Options); fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("repaired again: %v", err)
	}
}

// TestNothingIsMissing: a ledger that holds what was signed for is not touched, nor one of which nothing is known.
func TestNothingIsMissing(t *testing.T) {
	w := newWorld(t)
	if _, err := New(w.Options); fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("without evidence: %v", err)
	}
	b := *w.account.Bundle
	held := statement.Ack{
		Owner: w.Self, Job: statement.Sum(nil), Receipt: statement.Sum(nil), Release: statement.Sum(nil), ReleasedMS: 1, ClosedMS: 1, Head: w.Ledger.Head(),
	}
	b.Acks = []statement.Envelope{receipttest.Sign(t, held, w.account.Owners[0])}
	w.Bundles = []*receipt.Bundle{&b}
	if _, err := New(w.Options); fault.ExitCode(err) != int(fault.Usage) {
		t.Errorf("though it holds the head: %v", err)
	}
}

// TestOwnMemoryIsEvidence: no bundle is needed where the home still knows.
func TestOwnMemoryIsEvidence(t *testing.T) {
	w := newWorld(t)
	ack := must(heads.Verify(&w.account.Bundle.Acks[0], w.Self))
	if err := w.Heads.Miss(ack); err != nil {
		t.Fatal(err)
	}
	p := must(New(w.Options))
	if len(p.Record.Acks) != 1 || len(p.Imported) != 0 {
		t.Fatalf("%d acknowledgements, %d entries", len(p.Record.Acks), len(p.Imported))
	}
	if err := p.Apply(t.Context(), w.Options); err != nil {
		t.Fatal(err)
	}
	if w.Heads.Missing(w.Self) != nil {
		t.Error("the old head is remembered, and hides the next ones")
	}
}

// TestBundlesAreNotTrusted: only what this party signed is taken from them.
func TestBundlesAreNotTrusted(t *testing.T) {
	for name, c := range map[string]struct {
		edit     func(w *world, b *receipt.Bundle)
		code     fault.Code
		imported int
	}{
		"as it is":              {func(*world, *receipt.Bundle) {}, 0, 3},
		"acks of others alone":  {func(_ *world, b *receipt.Bundle) { b.Acks = b.Acks[1:] }, fault.Input, 0},
		"another job beside it": {func(_ *world, b *receipt.Bundle) { b.Job = b.Contract }, 0, 2},
		"release of another":    {func(_ *world, b *receipt.Bundle) { b.Releases = b.Releases[1:] }, 0, 0},
		"receipt of another":    {func(_ *world, b *receipt.Bundle) { b.Receipt = b.Job }, 0, 3},
		"ack in its name": {func(w *world, b *receipt.Bundle) {
			a := must(statement.DecodeUnverified[statement.Ack](b.Acks[0].Payload))
			b.Acks = []statement.Envelope{receipttest.Sign(t, *a, w.account.Owners[1])}
		}, fault.Input, 0},
		"release in its name": {func(w *world, b *receipt.Bundle) {
			r := must(statement.DecodeUnverified[statement.Release](b.Releases[0].Payload))
			b.Releases[0] = receipttest.Sign(t, *r, w.account.Owners[1])
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := *w.account.Bundle
			b.Acks, b.Releases = slices.Clone(b.Acks), slices.Clone(b.Releases)
			c.edit(w, &b)
			w.Bundles = []*receipt.Bundle{&b}
			p, err := New(w.Options)
			if fault.ExitCode(err) != int(c.code) {
				t.Fatal(err)
			}
			if err == nil && len(p.Imported) != c.imported {
				t.Fatalf("%d entries", len(p.Imported))
			}
			if err == nil {
				if err := p.Apply(t.Context(), w.Options); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestClockBehind: a repair dated before an acknowledgement would leave it unaccounted for, and one dated by a clock that is set forward
// is the owner's own loss.
func TestClockBehind(t *testing.T) {
	w := newWorld(t)
	w.now = receipttest.Start.Add(-time.Hour)
	w.Bundles = []*receipt.Bundle{w.account.Bundle}
	if _, err := New(w.Options); fault.ExitCode(err) != int(fault.Untrusted) {
		t.Errorf("by a clock that is behind: %v", err)
	}
}
