package orders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/catalog"
	"github.com/cordon-exchange/cordon/internal/party/keyring"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/party/partytest"
	"github.com/cordon-exchange/cordon/statement"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// books is an exchange whose postings a test can change, with one order of 20 credits that was charged twice for 5, of which 2 were
// given back, and closed.
type books struct {
	*partytest.Exchange
	t             *testing.T
	seller, buyer *keyring.Keyring
	ledger        *ledger.Ledger
	bought        *ledger.Ledger // the buyer's own, which says nothing of it
	order         *statement.Verified[statement.Order]
	releases      map[statement.Digest]*statement.Verified[statement.Release] // by job
	postings      []wire.Posting
	keeper        *Keeper
	lose          int // of the next statements
}

func (b *books) Statements(ctx context.Context, q client.Query) (*wire.StatementList, error) {
	list, err := b.AllStatements(ctx, q)
	return &wire.StatementList{Items: list, End: true}, err
}

func (b *books) AllPostings(context.Context, statement.Digest) ([]wire.Posting, error) {
	return b.postings, nil
}

// PostStatement keeps books as the exchange does.
func (b *books) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	if b.lose > 0 {
		b.lose--
		return "", client.ErrUnavailable
	}
	if _, err := b.Statement(ctx, e.Digest()); err == nil {
		return e.Digest(), nil
	}
	if c, err := statement.DecodeUnverified[statement.Charge](e.Payload); err == nil {
		b.postings = append(b.postings, wire.Posting{Kind: "charge", Amount: c.Amount, Statement: e.Digest()})
	}
	if c, err := statement.DecodeUnverified[statement.Refund](e.Payload); err == nil {
		b.postings = append(b.postings, wire.Posting{Kind: "refund", Amount: c.Amount, Statement: e.Digest()})
	}
	if c, err := statement.DecodeUnverified[statement.Closing](e.Payload); err == nil {
		b.postings = append(b.postings, wire.Posting{Kind: "return", Amount: 20 - c.Total, Statement: e.Digest()})
	}
	return b.Exchange.PostStatement(ctx, e)
}

func newBooks(t *testing.T) *books {
	t.Helper()
	b := &books{Exchange: partytest.New(), t: t, seller: must(keyring.New("seller")), buyer: must(keyring.New("buyer")), releases: map[statement.Digest]*statement.Verified[statement.Release]{}}
	b.ledger = must(ledger.Open(t.TempDir(), b.seller.Fingerprint(), time.Now))
	b.bought = must(ledger.Open(t.TempDir(), b.buyer.Fingerprint(), time.Now))
	t.Cleanup(func() { _, _ = b.ledger.Close(), b.bought.Close() })
	e := must(statement.Sign(statement.Order{
		Nonce: make([]byte, statement.NonceSize), Buyer: b.buyer.Fingerprint(), Contract: statement.Sum([]byte("contract")), Owner: b.seller.Fingerprint(),
		Offers: []statement.Digest{statement.Sum([]byte("offer"))}, Most: 20, Provider: statement.ProviderCredits, CreatedMS: 1, ExpiresMS: 1 << 50,
	}, b.buyer.Signer()))
	must(b.PostStatement(t.Context(), e))
	b.order = must(statement.VerifyAuthor[statement.Order](e))
	b.postings = []wire.Posting{{Kind: "hold", Amount: 20, Statement: e.Digest()}}
	b.keeper = b.again()
	b.append(ledger.Entry{Kind: ledger.KindSettle, Order: b.order.Digest(), About: statement.Sum([]byte("settlement")), Contract: b.order.Body().Contract,
		Settler: b.buyer.Fingerprint(), Authority: statement.ByRule, Charged: 20, UntilMS: 1 << 50, Requester: b.buyer.Fingerprint()})
	b.charged("job 1", 5)
	b.charged("job 2", 5)
	b.append(ledger.Entry{Kind: ledger.KindRefund, Order: b.order.Digest(), Charged: 2, Reason: "late"})
	b.append(ledger.Entry{Kind: ledger.KindOrderEnd, Order: b.order.Digest(), Reason: "over"})
	return b
}

// again is the keeper of an agent that was started anew.
func (b *books) again() *Keeper {
	k := &Keeper{Exchange: b, Catalog: catalog.New(b), Ledger: b.ledger, Signer: b.seller.Signer(), Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	k.Start()
	return k
}

func (b *books) append(e ledger.Entry) { must(b.ledger.Append(b.t.Context(), e, nil)) }

// charged is a job that was charged to the order and released.
func (b *books) charged(name string, amount int64) {
	d := func(what string) statement.Digest { return statement.Sum([]byte(name + what)) }
	job := b.job(name, nil)
	rel := statement.Release{
		Owner: b.seller.Fingerprint(), Job: job, Session: d("s"), Plan: d("p"), Evidence: d("e"), Ready: d("r"), Grant: d("g"), Sealed: d("k"),
		Appraisal: statement.Appraisal{Kind: "simulated", Simulated: true, Policies: []statement.Digest{d("o")}},
		Columns:   []statement.Opening{{Offer: d("o"), Columns: []string{}}}, Number: 1, Charged: amount, ReleasedMS: 5,
	}
	b.releases[job] = must(statement.VerifyAuthor[statement.Release](must(statement.Sign(rel, b.seller.Signer()))))
	b.append(ledger.Entry{Kind: ledger.KindCharge, Job: job, Contract: b.order.Body().Contract, Requester: b.buyer.Fingerprint(), Charged: amount, Order: b.order.Digest()})
	b.append(ledger.Entry{
		Kind: ledger.KindRelease, Job: job, Session: rel.Session, Plan: rel.Plan, Evidence: rel.Evidence, Ready: rel.Ready, Grant: rel.Grant,
		Release: b.releases[job].Digest(), Columns: rel.Columns, Number: 1, Charged: amount, AtMS: 5,
	})
}

// job is one that the buyer signed under the contract, unless change makes another of it. A name has one digest.
func (b *books) job(name string, change func(*statement.Job)) statement.Digest {
	nonce := statement.Sum([]byte(name))
	j := statement.Job{
		Nonce: []byte(nonce[len(nonce)-statement.NonceSize:]), Contract: b.order.Body().Contract, Requester: b.buyer.Fingerprint(), Owners: []statement.Fingerprint{b.seller.Fingerprint()},
		Class: "small", Commitment: statement.Sum([]byte("body")), CreatedMS: 1, ExpiresMS: 2,
	}
	by := b.buyer
	if change != nil {
		change(&j)
		if j.Requester == b.seller.Fingerprint() {
			by = b.seller
		}
	}
	for _, to := range j.Brokers() {
		j.Bodies = append(j.Bodies, statement.SealedBody{To: to, Sealed: []byte("sealed")})
	}
	e := must(statement.Sign(j, by.Signer()))
	b.Jobs[e.Digest()] = e
	return e.Digest()
}

func (b *books) jobOf(ctx context.Context, job statement.Digest) (*statement.Verified[statement.Job], error) {
	e, err := b.JobEnvelope(ctx, job)
	if err != nil {
		return nil, ErrNoJob
	}
	return statement.VerifyAuthor[statement.Job](e)
}

// charge has the seller charge 5 credits for a job, behind its ledger's back, and the exchange take it.
func (b *books) charge(order *statement.Verified[statement.Order], job statement.Digest, total int64) {
	must(b.PostStatement(b.t.Context(), must(statement.Sign(statement.Charge{
		Owner: b.seller.Fingerprint(), Order: order.Digest(), Job: job, Release: statement.Sum(fmt.Append(nil, "release", total)), Amount: 5, Total: total, ChargedMS: 1,
	}, b.seller.Signer()))))
}

func (b *books) receipts(_ context.Context, job statement.Digest) ([]*statement.Verified[statement.Release], error) {
	if r := b.releases[job]; r != nil {
		return []*statement.Verified[statement.Release]{r}, nil
	}
	return nil, ErrNoReceipt
}

// reconcile gives what seller and buyer find.
func (b *books) reconcile() (seller, buyer *Report) {
	b.t.Helper()
	s := Books{Exchange: b, Ledger: b.ledger, Self: b.seller.Fingerprint(), Receipts: b.receipts, Jobs: b.jobOf}
	y := Books{Exchange: b, Ledger: b.bought, Self: b.buyer.Fingerprint(), Receipts: b.receipts, Jobs: b.jobOf, Placed: []*statement.Verified[statement.Order]{b.order}}
	return must(s.Reconcile(b.t.Context())), must(y.Reconcile(b.t.Context()))
}

// TestPostedOnce: whatever is lost on the way, and however often the agent starts anew, the exchange has each charge once, in order.
func TestPostedOnce(t *testing.T) {
	for lost := range 6 {
		b := newBooks(t)
		for range 6 {
			b.lose = lost
			if err := b.keeper.Post(t.Context()); err != nil && !errors.Is(err, client.ErrUnavailable) {
				t.Fatal(err)
			}
			b.lose = 0
			if err := b.again().Post(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var kinds []string
		for _, p := range b.postings {
			kinds = append(kinds, p.Kind)
		}
		if got := strings.Join(kinds, " "); got != "hold charge charge refund return" {
			t.Fatalf("%d lost each time: %s", lost, got)
		}
	}
}

// TestReconcile: equal books are equal to both sides, with the same sums; one leg after the other is broken, and named.
func TestReconcile(t *testing.T) {
	for name, x := range map[string]struct {
		damage        func(*books)
		seller, buyer string // the legs that each side names; "" for none
	}{
		"equal": {func(*books) {}, "", ""},
		"a posting of nothing": {func(b *books) {
			b.postings = append(b.postings, wire.Posting{Kind: "charge", Amount: 3, Statement: statement.Sum([]byte("made up"))})
		}, LegPostings, LegPostings},
		"a charge that is not posted":   {func(b *books) { b.postings = append(b.postings[:1:1], b.postings[2:]...) }, LegPostings, LegPostings},
		"a charge that is posted twice": {func(b *books) { b.postings = append(b.postings, b.postings[1]) }, LegPostings, LegPostings},
		"more set aside than ordered":   {func(b *books) { b.postings[0].Amount = 21 }, LegPostings, LegPostings},
		"too little came back":          {func(b *books) { b.postings[4].Amount = 9 }, LegPostings, LegPostings},
		"a charge past the ledger": {func(b *books) {
			b.extra(statement.Charge{Owner: b.seller.Fingerprint(), Order: b.order.Digest(), Job: b.job("job 3", nil), Release: statement.Sum([]byte("r")), Amount: 1, Total: 11, ChargedMS: 1})
		}, LegCharges + " " + LegLedger + " " + LegPostings, LegCharges + " " + LegPostings},
		"a release in the ledger alone": {func(b *books) { b.charged("job 3", 5) }, LegCharges, ""},
		"a receipt that says less": {func(b *books) {
			job := b.job("job 1", nil)
			rel := *b.releases[job].Body()
			rel.Charged = 4
			b.releases[job] = must(statement.VerifyAuthor[statement.Release](must(statement.Sign(rel, b.seller.Signer()))))
		}, LegReceipts, LegReceipts},
		"a receipt of another release": {func(b *books) {
			rel := *b.releases[b.job("job 1", nil)].Body()
			rel.ReleasedMS++
			b.releases[rel.Job] = must(statement.VerifyAuthor[statement.Release](must(statement.Sign(rel, b.seller.Signer()))))
		}, LegReceipts, LegReceipts},
		"a refund in the ledger alone": {func(b *books) {
			b.append(ledger.Entry{Kind: ledger.KindRefund, Order: b.order.Digest(), Charged: 1, Reason: "x"})
		}, LegLedger, ""},
		"an order that the buyer did not place": {func(b *books) {
			o := *b.order.Body()
			o.Nonce = []byte(strings.Repeat("x", statement.NonceSize))
			must(b.PostStatement(b.t.Context(), must(statement.Sign(o, b.buyer.Signer()))))
		}, LegPostings, LegOrder + " " + LegPostings},
		"no order any more": {func(b *books) { b.Exchange = partytest.New() }, LegOrder, LegOrder},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(t)
			if err := b.keeper.Post(t.Context()); err != nil {
				t.Fatal(err)
			}
			x.damage(b)
			seller, buyer := b.reconcile()
			if got := legs(seller); got != x.seller || seller.Equal != (got == "") {
				t.Errorf("the seller names %q, want %q: %+v", got, x.seller, seller.Faults)
			}
			if got := legs(buyer); got != x.buyer || buyer.Equal != (got == "") {
				t.Errorf("the buyer names %q, want %q: %+v", got, x.buyer, buyer.Faults)
			}
			if x.seller == "" && (seller.Charged != 10 || seller.Refunded != 2 || seller.Returned != 10 || seller.Receipts != 2 || sums(buyer) != sums(seller)) {
				t.Errorf("seller %+v, buyer %+v", seller, buyer)
			}
		})
	}
}

// TestChargedJobs: what an owner charges beside what it released is named to its buyer, with the job; here the owner's own books are
// cooked too, and nothing else differs.
func TestChargedJobs(t *testing.T) {
	for name, x := range map[string]struct {
		job  func(*books) statement.Digest
		want string
	}{
		"a third job":          {func(b *books) statement.Digest { return b.job("job 3", nil) }, ""},
		"a job again":          {func(b *books) statement.Digest { return b.job("job 1", nil) }, "charged again"},
		"a job that never was": {func(*books) statement.Digest { return statement.Sum([]byte("job")) }, "did not sign"},
		"a job of another's": {func(b *books) statement.Digest {
			return b.job("x", func(j *statement.Job) { j.Requester = b.seller.Fingerprint() })
		}, "did not sign"},
		"under another contract": {func(b *books) statement.Digest {
			return b.job("x", func(j *statement.Job) { j.Contract = statement.Sum([]byte("another")) })
		}, "did not sign"},
		"of another owner": {func(b *books) statement.Digest {
			return b.job("x", func(j *statement.Job) { j.Owners = []statement.Fingerprint{b.buyer.Fingerprint()} })
		}, "did not sign"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBooks(t)
			b.releases = map[statement.Digest]*statement.Verified[statement.Release]{} // no receipt of any
			for _, d := range []string{"job 1", "job 2"} {
				b.charge(b.order, b.job(d, nil), int64(5*len(b.postings)))
			}
			job := x.job(b)
			b.charge(b.order, job, 15)
			_, buyer := b.reconcile()
			faults := buyer.Faults
			if x.want == "" {
				if len(faults) != 0 {
					t.Fatalf("got %+v", faults)
				}
				return
			}
			if len(faults) != 1 || faults[0].Leg != LegCharges || faults[0].Job != job || !strings.Contains(faults[0].Text, x.want) {
				t.Fatalf("got %+v, want %q", faults, x.want)
			}
		})
	}
	t.Run("a job again, to another order", func(t *testing.T) {
		b := newBooks(t)
		if err := b.keeper.Post(t.Context()); err != nil {
			t.Fatal(err)
		}
		o := *b.order.Body()
		o.Nonce, o.Provider = []byte(strings.Repeat("x", statement.NonceSize)), statement.ProviderStripe
		e := must(statement.Sign(o, b.buyer.Signer()))
		must(b.PostStatement(t.Context(), e))
		other := must(statement.VerifyAuthor[statement.Order](e))
		books := Books{Exchange: b, Ledger: b.bought, Self: b.buyer.Fingerprint(), Receipts: b.receipts, Jobs: b.jobOf, Placed: []*statement.Verified[statement.Order]{b.order, other}}
		if r := must(books.Reconcile(t.Context())); !r.Equal {
			t.Fatalf("before: %+v", r.Faults)
		}
		delete(b.releases, b.job("job 1", nil))
		b.charge(other, b.job("job 1", nil), 5)
		r := must(books.Reconcile(t.Context()))
		if r.Equal || !slices.ContainsFunc(r.Faults, func(f Fault) bool {
			return f.Leg == LegCharges && f.Job == b.job("job 1", nil) && strings.Contains(f.Text, "charged again")
		}) {
			t.Fatalf("after: %+v", r.Faults)
		}
	})
	t.Run("the exchange is away", func(t *testing.T) {
		b := newBooks(t)
		if err := b.keeper.Post(t.Context()); err != nil {
			t.Fatal(err)
		}
		away := errors.New("away")
		jobs := func(context.Context, statement.Digest) (*statement.Verified[statement.Job], error) { return nil, away }
		books := Books{Exchange: b, Ledger: b.bought, Self: b.buyer.Fingerprint(), Receipts: b.receipts, Jobs: jobs, Placed: []*statement.Verified[statement.Order]{b.order}}
		if _, err := books.Reconcile(t.Context()); !errors.Is(err, away) {
			t.Fatalf("got %v", err)
		}
	})
}

// sums of a report, to compare two.
func sums(r *Report) [7]int64 {
	return [7]int64{r.Orders, r.Amount, r.Charged, r.Refunded, r.Returned, r.Receipts, r.Open}
}

func (b *books) extra(c statement.Charge) {
	must(b.Exchange.PostStatement(b.t.Context(), must(statement.Sign(c, b.seller.Signer()))))
}

// legs that a report names, each once, in order.
func legs(r *Report) string {
	var out []string
	for _, leg := range []string{LegOrder, LegSettlement, LegCharges, LegLedger, LegPostings, LegReceipts} {
		for _, f := range r.Faults {
			if f.Leg == leg {
				out = append(out, leg)
				break
			}
		}
	}
	return strings.Join(out, " ")
}
