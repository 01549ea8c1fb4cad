package orders

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/cordon-exchange/cordon/internal/exchange/client"
	"github.com/cordon-exchange/cordon/internal/exchange/wire"
	"github.com/cordon-exchange/cordon/internal/party/approval"
	"github.com/cordon-exchange/cordon/internal/party/dataset"
	"github.com/cordon-exchange/cordon/internal/party/home"
	"github.com/cordon-exchange/cordon/internal/party/ledger"
	"github.com/cordon-exchange/cordon/policy"
	"github.com/cordon-exchange/cordon/statement"
)

// refusing is an exchange that takes no closing, and counts what it is asked.
type refusing struct {
	*books
	code    string
	posts   int
	lists   int
	settled [][]statement.Digest // orders that one question was about
}

func (x *refusing) PostStatement(ctx context.Context, e *statement.Envelope) (statement.Digest, error) {
	if _, err := statement.DecodeUnverified[statement.Closing](e.Payload); err == nil && x.code != "" {
		x.posts++
		return "", &client.Error{Status: http.StatusConflict, Code: x.code, Message: "no"}
	}
	return x.books.PostStatement(ctx, e)
}

func (x *refusing) AllStatements(ctx context.Context, q client.Query) ([]wire.StatementItem, error) {
	x.lists++
	if q.Kind == client.Settlements {
		x.settled = append(x.settled, q.About)
	}
	return x.books.AllStatements(ctx, q)
}

// TestRefusedClosing: an order whose closing is refused is tried less and less often, and again at once when the ledger says something new;
// one that the exchange ended is left.
func TestRefusedClosing(t *testing.T) {
	x := &refusing{books: newBooks(t), code: wire.CodeOutOfOrder}
	now := time.UnixMilli(1 << 40)
	k := x.again()
	k.Exchange, k.Now = x, func() time.Time { return now }
	hour := func() int {
		before := x.posts
		for end := now.Add(time.Hour); now.Before(end); now = now.Add(often) {
			_ = k.Post(t.Context())
		}
		return x.posts - before
	}
	if n := hour(); n < 60 || n > 75 { // each minute in the end
		t.Errorf("%d tries in the first hour", n)
	}
	if n := hour(); n < 55 || n > 61 {
		t.Errorf("%d tries in the second", n)
	}
	before := x.posts
	x.append(ledger.Entry{Kind: ledger.KindRefund, Order: x.order.Digest(), Charged: 1, Reason: "late"})
	if err := k.Post(t.Context()); err == nil || x.posts != before+1 {
		t.Errorf("%d tries when there is something new: %v", x.posts-before, err)
	}
	x.code = ""
	now = now.Add(2 * rarely)
	if err := k.Post(t.Context()); err != nil || len(k.held) != 0 {
		t.Errorf("taken, and still held: %v", err)
	}
	y := &refusing{books: newBooks(t), code: wire.CodeOrderEnded}
	k = y.again()
	k.Exchange = y
	for range 5 {
		if err := k.Post(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if y.posts != 1 {
		t.Errorf("%d closings of an order that has ended", y.posts)
	}
}

// TestOrdersThatNobodyFills end at the first look, and no order is asked about alone.
func TestOrdersThatNobodyFills(t *testing.T) {
	x := &refusing{books: newBooks(t)}
	now := time.UnixMilli(1 << 40)
	k := x.again()
	dir := must(home.Create(t.TempDir() + "/home"))
	k.Exchange, k.Now, k.Home = x, func() time.Time { return now }, dir
	k.Catalog.Now = k.Now
	k.Desk = &approval.Desk{
		Exchange: x, Catalog: k.Catalog, Ledger: x.ledger, Signer: x.seller.Signer(), Home: dir, Now: k.Now,
		Store: must(dataset.Open(dir, x.seller.Fingerprint(), x.seller)),
	}
	buyer, offer := x.buyer.Fingerprint(), statement.Sum([]byte("an offer that is not sold here"))
	c := must(statement.Sign(statement.Contract{
		Nonce: make([]byte, statement.NonceSize), Requester: buyer, Recipients: []statement.Fingerprint{buyer}, Purpose: "research",
		Tables: []statement.Table{{Name: "seller.strikes", Members: []statement.Member{{Owner: x.seller.Fingerprint(), Offer: offer}}}},
		Builds: []statement.Digest{statement.Sum([]byte("build"))}, Operators: []statement.Fingerprint{buyer}, Evidence: []string{"simulated"},
		Perimeters: []string{"process"}, PlanEncoding: policy.Encoding, FromMS: 1, UntilMS: now.Add(time.Hour).UnixMilli(), CreatedMS: 1,
	}, x.buyer.Signer()))
	must(x.PostStatement(t.Context(), c))
	const many = 70
	want := map[statement.Digest]string{}
	for n := range many {
		o := statement.Order{
			Nonce: fmt.Appendf(nil, "%032d", n), Buyer: buyer, Contract: c.Digest(), Owner: x.seller.Fingerprint(), Offers: []statement.Digest{offer},
			Most: 7, Provider: []string{statement.ProviderCredits, "elsewhere"}[n%2], CreatedMS: 1, ExpiresMS: now.Add(time.Hour).UnixMilli(),
		}
		e := must(statement.Sign(o, x.buyer.Signer()))
		must(x.PostStatement(t.Context(), e))
		want[e.Digest()] = []string{"not granted: offer-unknown", "its provider is not known"}[n%2]
	}
	if err := k.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(x.settled) != (many+wire.MaxAbout-1)/wire.MaxAbout || x.lists > 10 {
		t.Errorf("%d questions about settlements, %d in all", len(x.settled), x.lists)
	}
	for _, p := range k.purchases() {
		if w, ok := want[p.Order]; ok && (!p.Ended || p.Reason != w) {
			t.Errorf("ended %v: %q, want %q", p.Ended, p.Reason, w)
		}
		delete(want, p.Order)
	}
	if len(want) != 0 {
		t.Errorf("%d orders go on", len(want))
	}
	lists := x.lists
	for range 3 {
		if err := k.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.open) != 0 || x.lists > lists+6 {
		t.Errorf("%d open, %d questions more", len(k.open), x.lists-lists)
	}
}
