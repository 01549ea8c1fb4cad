package orders

import (
	"errors"
	"testing"

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
	if got := card.PaidBack("cs_test_1"); got != 1000 {
		t.Fatalf("%d went back, want 1000", got)
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
