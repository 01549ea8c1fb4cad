package orders

import (
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/internal/stripe"
	"github.com/cordon-exchange/cordon/internal/teststripe"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// TestSettledBeforeTheStart: a settlement that this party posted, and did not come to believe before its agent was killed, is believed by
// the next one, whether the card's page shows a payment or a person settled by hand.
func TestSettledBeforeTheStart(t *testing.T) {
	card := teststripe.Start(t)
	b := newBooks(t)
	dir := must(home.Create(t.TempDir() + "/home"))
	now := time.UnixMilli(1 << 40)
	order := b.stripeOrder(now)
	must(b.PostStatement(t.Context(), must(statement.Sign(statement.Settlement{
		Settler: b.seller.Fingerprint(), Order: order.Digest(), Amount: 7, Provider: statement.ProviderStripe, Reference: "bank", SettledMS: now.UnixMilli(),
	}, b.seller.Signer()))))

	k := b.again()
	k.Now = func() time.Time { return now }
	k.Catalog.Now = k.Now
	k.Home, k.Card = dir, must(stripe.New(stripe.Options{Key: "sk_test_1", Currency: "eur", Unit: 100, Return: "https://x.example", Scope: string(b.seller.Fingerprint()), URL: card.URL}))
	k.Desk = &approval.Desk{
		Exchange: b, Catalog: k.Catalog, Ledger: b.ledger, Signer: b.seller.Signer(), Home: dir, Now: k.Now,
		Store: must(dataset.Open(dir, b.seller.Fingerprint(), b.seller)),
	}
	if err := k.unsettled(t.Context(), order.Digest(), order, nil); err != nil {
		t.Fatal(err)
	}
	b.ledger.View(func(a *ledger.Accounts) {
		// Its data is nowhere here: what was believed is paid back.
		if p, _ := a.Purchase(order.Digest()); p.Settler != b.seller.Fingerprint() || p.Amount != 7 || !p.Ended {
			t.Errorf("got %+v", p)
		}
	})
	if card.Sessions() != 0 {
		t.Error("who has paid is asked to pay")
	}
}

// stripeOrder is an order of 7 credits to be paid to the seller's own account, for a contract over its data.
func (b *books) stripeOrder(now time.Time) *statement.Verified[statement.Order] {
	b.t.Helper()
	offer, buyer := statement.Sum([]byte("offer")), b.buyer.Fingerprint()
	c := must(statement.Sign(statement.Contract{
		Nonce: make([]byte, statement.NonceSize), Requester: buyer, Recipients: []statement.Fingerprint{buyer}, Purpose: "research",
		Tables: []statement.Table{{Name: "seller.strikes", Members: []statement.Member{{Owner: b.seller.Fingerprint(), Offer: offer}}}},
		Builds: []statement.Digest{statement.Sum([]byte("build"))}, Operators: []statement.Fingerprint{buyer}, Evidence: []string{"simulated"},
		Perimeters: []string{"process"}, PlanEncoding: policy.Encoding, FromMS: 1, UntilMS: now.Add(time.Hour).UnixMilli(), CreatedMS: 1,
	}, b.buyer.Signer()))
	o := must(statement.Sign(statement.Order{
		Nonce: make([]byte, statement.NonceSize), Buyer: buyer, Contract: c.Digest(), Owner: b.seller.Fingerprint(), Offers: []statement.Digest{offer},
		Most: 7, Provider: statement.ProviderStripe, CreatedMS: 1, ExpiresMS: now.Add(time.Hour).UnixMilli(),
	}, b.buyer.Signer()))
	must(b.PostStatement(b.t.Context(), c))
	must(b.PostStatement(b.t.Context(), o))
	return must(statement.VerifyAuthor[statement.Order](o))
}
