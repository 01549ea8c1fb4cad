package orders

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/stripe"
	"github.com/cordon-exchange/cordon/internal/teststripe"
	"github.com/cordon-exchange/cordon/statement"
)

// TestOwnAccount: an order has one page, whatever is lost; what was paid and not charged goes back once, and a page that nobody paid
// can't be paid after the end.
func TestOwnAccount(t *testing.T) {
	card := teststripe.Start(t)
	b := newBooks(t)
	b.keeper.Card = must(stripe.New(stripe.Options{Key: "sk_test_1", Currency: "eur", Unit: 100, Return: "https://x.example", Scope: string(b.seller.Fingerprint()), URL: card.URL}))
	b.keeper.Home = must(home.Create(t.TempDir() + "/home"))
	ctx, order := t.Context(), b.order.Digest()
	card.Fail(true, true) // the page is made, and the answer gets lost
	if err := b.keeper.byCard(ctx, order, b.order.Body()); !errors.Is(err, stripe.ErrAway) {
		t.Fatalf("got %v", err)
	}
	card.Fail(false, false)
	for range 3 {
		if err := b.keeper.byCard(ctx, order, b.order.Body()); err != nil {
			t.Fatal(err)
		}
	}
	list := must(b.AllStatements(ctx, client.Query{Kind: client.Invoices}))
	if card.Sessions() != 1 || len(list) != 1 {
		t.Fatalf("%d pages, %d invoices", card.Sessions(), len(list))
	}
	v := must(statement.Verify[statement.Invoice](&list[0].Envelope, b.seller.Fingerprint())).Body()
	if v.Order != order || v.URL != "https://checkout.example/cs_test_1" || v.Amount != 2000 || v.Currency != "eur" {
		t.Fatalf("got %+v", v)
	}
	// It ends with 10 of 20 charged.
	card.Pay("cs_test_1")
	card.Fail(true, true) // paid back, and the answer gets lost
	if err := b.keeper.Post(ctx); err == nil {
		t.Fatal("closed without an answer")
	}
	card.Fail(false, false)
	for range 2 {
		if err := b.keeper.Post(ctx); err != nil {
			t.Fatal(err)
		}
		k := b.again()
		k.Card, k.Home = b.keeper.Card, b.keeper.Home
		b.keeper = k
	}
	if got := card.PaidBack("cs_test_1"); got != 1200 { // and a refund of 2
		t.Fatalf("%d went back, want 1200", got)
	}
	// One that nobody paid.
	other := *b.order.Body()
	other.Most = 7
	unpaid := statement.Sum([]byte("unpaid"))
	if err := b.keeper.byCard(ctx, unpaid, &other); err != nil {
		t.Fatal(err)
	}
	p := ledger.Purchase{Order: unpaid, Ended: true}
	for range 2 {
		if err := b.keeper.payBack(ctx, &p); err != nil {
			t.Fatal(err)
		}
	}
	x := must(b.keeper.Card.Payment(ctx, "cs_test_2"))
	if !x.Over || card.PaidBack("cs_test_2") != 0 {
		t.Fatalf("got %+v", x)
	}
}

// paidByCard is a world whose order was paid by card, and in which 10 of 20 credits were charged and 2 of those given back; a keeper has
// the key or not.
type paidByCard struct {
	*books
	card *teststripe.Server
	log  bytes.Buffer
}

func newPaidByCard(t *testing.T) *paidByCard {
	w := &paidByCard{card: teststripe.Start(t), books: newBooks(t)}
	w.keeper.Home = must(home.Create(t.TempDir() + "/home"))
	w.start(true)
	if err := w.keeper.byCard(t.Context(), w.order.Digest(), w.order.Body()); err != nil {
		t.Fatal(err)
	}
	w.card.Pay("cs_test_1")
	return w
}

func (w *paidByCard) start(key bool) {
	k := w.again()
	k.Home, k.Log = w.keeper.Home, slog.New(slog.NewTextHandler(&w.log, nil))
	if key {
		k.Card = must(stripe.New(stripe.Options{Key: "sk_test_1", Currency: "eur", Unit: 100, Return: "https://x.example", Scope: string(w.seller.Fingerprint()), URL: w.card.URL}))
	}
	w.keeper = k
}

// post posts, and expects what stands in the exchange's books and went back to the card then.
func (w *paidByCard) post(kinds string, back int64) {
	w.t.Helper()
	for range 2 {
		if err := w.keeper.Post(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	var have []string
	for _, p := range w.postings {
		have = append(have, p.Kind)
	}
	if got := strings.Join(have, " "); got != kinds || w.card.PaidBack("cs_test_1") != back {
		w.t.Fatalf("%s, and %d went back; want %s and %d", got, w.card.PaidBack("cs_test_1"), kinds, back)
	}
}

// TestNoKey: an agent without the provider's key neither refunds nor closes what was paid by card, and says so once; one that has it does,
// the refund and the rest once each, however often it starts anew and whatever Stripe forgets.
func TestNoKey(t *testing.T) {
	w := newPaidByCard(t)
	w.start(false)
	w.post("hold charge charge", 0)
	if got := strings.Count(w.log.String(), "--stripe-key-file"); got != 1 {
		t.Fatalf("said %d times:\n%s", got, w.log.String())
	}
	for range 2 {
		w.start(true)
		w.post("hold charge charge refund return", 1200)
		w.card.Forget()
	}
	// The page was forgotten after it was paid back, by a crash before it was kept: it is not paid back again.
	if err := os.Remove(w.keeper.pageFile(w.order.Digest())); err != nil {
		t.Fatal(err)
	}
	settled := w.settleOwn("stripe cs_test_1")
	p := ledger.Purchase{Order: w.order.Digest(), Settler: w.seller.Fingerprint(), Settlement: settled, Ended: true, Billed: []ledger.Billed{{Amount: 10}}}
	if err := w.keeper.payBack(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	w.post("hold charge charge refund return", 1200)
}

// settleOwn is this owner's own word, under a reference.
func (w *paidByCard) settleOwn(reference string) statement.Digest {
	e := must(statement.Sign(statement.Settlement{
		Settler: w.seller.Fingerprint(), Order: w.order.Digest(), Amount: 20, Provider: statement.ProviderStripe, Reference: reference, SettledMS: 1,
	}, w.seller.Signer()))
	return must(w.Exchange.PostStatement(w.t.Context(), e))
}

// TestPageLost: without the file of the page, what the owner signed when it settled the order says where money goes back to; where that
// can't be seen, nothing is closed.
func TestPageLost(t *testing.T) {
	w := newPaidByCard(t)
	if err := os.Remove(w.keeper.pageFile(w.order.Digest())); err != nil {
		t.Fatal(err)
	}
	p := ledger.Purchase{Order: w.order.Digest(), Settler: w.seller.Fingerprint(), Settlement: statement.Sum([]byte("not shown")), Ended: true, Billed: []ledger.Billed{{Amount: 10}}}
	w.settleOwn("by hand") // another than the ledger's
	if err := w.keeper.payBack(t.Context(), &p); err == nil {
		t.Fatal("paid back without a word about how it was paid")
	}
	p.Settlement = w.settleOwn("stripe cs_test_1")
	k := w.keeper
	w.start(false)
	if err := w.keeper.payBack(t.Context(), &p); !errors.Is(err, errNoCard) {
		t.Fatalf("without a key: %v", err)
	}
	if err := k.payBack(t.Context(), &p); err != nil || w.card.PaidBack("cs_test_1") != 1000 {
		t.Fatalf("%v, %d went back", err, w.card.PaidBack("cs_test_1"))
	}
	p.Settlement = w.settleOwn("bank 7")
	p.Order = w.order.Digest()
	if err := os.Remove(k.pageFile(p.Order)); err != nil {
		t.Fatal(err)
	}
	if err := k.payBack(t.Context(), &p); err != nil {
		t.Fatalf("settled by hand: %v", err)
	}
}

// TestCardRefused: nothing is told that did not happen, and Stripe is not asked all the time; a page of another order is none of this one.
func TestCardRefused(t *testing.T) {
	w := newPaidByCard(t)
	w.card.Refuse(true)
	w.post("hold charge charge", 0)
	if w.keeper.later[w.order.Digest()].IsZero() || strings.Count(w.log.String(), "refused") != 1 {
		t.Fatalf("log:\n%s", w.log.String())
	}
	w.card.Refuse(false)
	w.post("hold charge charge", 0) // not asked yet
	w.card.Forget()
	w.keeper.Now = func() time.Time { return time.Now().Add(2 * refusedTime) }
	w.post("hold charge charge refund return", 1200)

	w = newPaidByCard(t)
	w.card.Set("cs_test_1", map[string]any{"metadata": map[string]any{
		"cordon_scope": string(w.seller.Fingerprint()), "cordon_for": string(statement.Sum(nil)), "cordon_credits": "20", "cordon_unit": "100",
	}})
	w.post("hold charge charge", 0)
}
