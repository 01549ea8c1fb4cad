package vectors_test

import (
	"strings"
	"testing"

	"github.com/cordon-exchange/cordon/receipt/receipttest"
	"github.com/cordon-exchange/cordon/statement"
)

// addPurchase adds the statements of one purchase, in the order of their life.
func addPurchase(b *book, a *receipttest.Account) {
	x, alpha, exchange := a.Bundle, a.Owners[0], receipttest.NewParty(b.t, "exchange")
	at := receipttest.Start.UnixMilli()
	order := receipttest.Sign(b.t, statement.Order{
		Nonce: []byte(strings.Repeat("n", statement.NonceSize)), Buyer: a.Requester.Fingerprint(), Contract: x.Contract.Digest(), Owner: alpha.Fingerprint(),
		Offers: []statement.Digest{x.Offers[0].Digest()}, Most: 500, Provider: statement.ProviderCredits, CreatedMS: at, ExpiresMS: at + 3_600_000,
	}, a.Requester)
	settlement := receipttest.Sign(b.t, statement.Settlement{
		Settler: exchange.Fingerprint(), Order: order.Digest(), Amount: 500, Provider: statement.ProviderCredits, Reference: "hold " + string(order.Digest()), SettledMS: at,
	}, exchange)
	b.add("order", order)
	b.add("invoice", receipttest.Sign(b.t, statement.Invoice{
		Owner: alpha.Fingerprint(), Order: order.Digest(), URL: "https://checkout.example/cs_1", Amount: 50000, Currency: "eur", CreatedMS: at,
	}, alpha))
	b.add("settlement", settlement)
	b.add("grant of a purchase", boughtGrant(b.t, x.Grants[0], alpha, settlement.Digest()))
	b.add("charge", receipttest.Sign(b.t, statement.Charge{
		Owner: alpha.Fingerprint(), Order: order.Digest(), Job: x.Job.Digest(), Release: x.Releases[0].Digest(), Amount: 2, Total: 7, ChargedMS: at,
	}, alpha))
	b.add("refund", receipttest.Sign(b.t, statement.Refund{
		Owner: alpha.Fingerprint(), Order: order.Digest(), Amount: 2, Total: 2, Reason: "the job failed", AtMS: at,
	}, alpha))
	b.add("closing", receipttest.Sign(b.t, statement.Closing{
		Owner: alpha.Fingerprint(), Order: order.Digest(), Total: 7, Reason: "cancelled by its buyer", AtMS: at,
	}, alpha))
}

func boughtGrant(t *testing.T, e statement.Envelope, by *receipttest.Party, settlement statement.Digest) statement.Envelope {
	g := body[statement.Grant](t, e)
	g.Authority, g.Settlement = statement.ByPurchase, settlement
	return receipttest.Sign(t, g, by)
}

func refusePurchase(b *book) {
	refuseOrder(b)
	refuseSettlement(b)
	refuseFields[statement.Grant](b, "grant of a purchase", []bad[statement.Grant]{
		{"without its settlement", "settlement", func(s *statement.Grant) { s.Settlement = "" }},
		{"settlement malformed", "settlement", func(s *statement.Grant) { s.Settlement = badDigest }},
		{"by a rule, with a settlement", "settlement", func(s *statement.Grant) { s.Authority = statement.ByRule }},
	})
	type I = statement.Invoice
	refuseFields[I](b, "invoice", []bad[I]{
		{"owner", "owner", func(s *I) { s.Owner = badFingerprint }},
		{"order", "order", func(s *I) { s.Order = badDigest }},
		{"in clear", "url", func(s *I) { s.URL = "http://checkout.example/" }},
		{"with a space", "url", func(s *I) { s.URL = "https://checkout.example/ x" }},
		{"of a script", "url", func(s *I) { s.URL = "javascript:alert(1)" }},
		{"too long", "url", func(s *I) { s.URL = "https://" + strings.Repeat("x", 2000) }},
		{"of nothing", "amount", func(s *I) { s.Amount = 0 }},
		{"without a currency", "currency", func(s *I) { s.Currency = "" }},
		{"of a long currency", "currency", func(s *I) { s.Currency = "euro" }},
		{"time zero", "created_ms", func(s *I) { s.CreatedMS = 0 }},
	})
	type C = statement.Charge
	refuseFields[C](b, "charge", []bad[C]{
		{"owner", "owner", func(s *C) { s.Owner = badFingerprint }},
		{"order", "order", func(s *C) { s.Order = badDigest }},
		{"job", "job", func(s *C) { s.Job = badDigest }},
		{"release", "release", func(s *C) { s.Release = badDigest }},
		{"of nothing", "amount", func(s *C) { s.Amount = 0 }},
		{"negative", "amount", func(s *C) { s.Amount = -1 }},
		{"too much", "amount", func(s *C) { s.Amount = statement.MaxAmount + 1 }},
		{"more than the total", "total", func(s *C) { s.Total = s.Amount - 1 }},
		{"total too large", "total", func(s *C) { s.Total = statement.MaxAmount + 1 }},
		{"time zero", "charged_ms", func(s *C) { s.ChargedMS = 0 }},
	})
	type R = statement.Refund
	refuseFields[R](b, "refund", []bad[R]{
		{"owner", "owner", func(s *R) { s.Owner = badFingerprint }},
		{"order", "order", func(s *R) { s.Order = badDigest }},
		{"of nothing", "amount", func(s *R) { s.Amount = 0 }},
		{"too much", "amount", func(s *R) { s.Amount = statement.MaxAmount + 1 }},
		{"more than the total", "total", func(s *R) { s.Total = s.Amount - 1 }},
		{"no reason", "reason", func(s *R) { s.Reason = "" }},
		{"time zero", "at_ms", func(s *R) { s.AtMS = 0 }},
	})
	type E = statement.Closing
	refuseFields[E](b, "closing", []bad[E]{
		{"owner", "owner", func(s *E) { s.Owner = badFingerprint }},
		{"order", "order", func(s *E) { s.Order = badDigest }},
		{"total negative", "total", func(s *E) { s.Total = -1 }},
		{"total too large", "total", func(s *E) { s.Total = statement.MaxAmount + 1 }},
		{"no reason", "reason", func(s *E) { s.Reason = "" }},
		{"reason of two lines", "reason", func(s *E) { s.Reason = "a\nb" }},
		{"time zero", "at_ms", func(s *E) { s.AtMS = 0 }},
	})
}

func refuseOrder(b *book) {
	type T = statement.Order
	refuseFields[T](b, "order", []bad[T]{
		{"nonce too short", "nonce", func(s *T) { s.Nonce = s.Nonce[1:] }},
		{"buyer", "buyer", func(s *T) { s.Buyer = badFingerprint }},
		{"contract", "contract", func(s *T) { s.Contract = badDigest }},
		{"owner", "owner", func(s *T) { s.Owner = badFingerprint }},
		{"from oneself", "owner", func(s *T) { s.Owner = s.Buyer }},
		{"no offers", "offers", func(s *T) { s.Offers = []statement.Digest{} }},
		{"offer malformed", "offers", func(s *T) { s.Offers[0] = badDigest }},
		{"offer twice", "offers", func(s *T) { s.Offers = append(s.Offers, s.Offers[0]) }},
		{"of nothing", "most", func(s *T) { s.Most = 0 }},
		{"of a debt", "most", func(s *T) { s.Most = -1 }},
		{"of too much", "most", func(s *T) { s.Most = statement.MaxAmount + 1 }},
		{"provider empty", "provider", func(s *T) { s.Provider = "" }},
		{"provider of two words", "provider", func(s *T) { s.Provider = "my bank" }},
		{"time zero", "created_ms", func(s *T) { s.CreatedMS = 0 }},
		{"end at its begin", "expires_ms", func(s *T) { s.ExpiresMS = s.CreatedMS }},
		{"end too large", "expires_ms", func(s *T) { s.ExpiresMS = tooLate }},
	})
}

func refuseSettlement(b *book) {
	type T = statement.Settlement
	refuseFields[T](b, "settlement", []bad[T]{
		{"settler", "settler", func(s *T) { s.Settler = badFingerprint }},
		{"order", "order", func(s *T) { s.Order = badDigest }},
		{"of nothing", "amount", func(s *T) { s.Amount = 0 }},
		{"negative", "amount", func(s *T) { s.Amount = -500 }},
		{"of too much", "amount", func(s *T) { s.Amount = statement.MaxAmount + 1 }},
		{"provider empty", "provider", func(s *T) { s.Provider = "" }},
		{"no reference", "reference", func(s *T) { s.Reference = "" }},
		{"reference that turns the writing", "reference", func(s *T) { s.Reference = "\u202e" }},
		{"time zero", "settled_ms", func(s *T) { s.SettledMS = 0 }},
	})
}
