// Package stripe has one account of Stripe take payments: Checkout sessions, what became of them, refunds, and the signatures of webhooks.
//
// Sees in clear: the account's API key, amounts, the names that its caller gives payments. Never sees: cards, keys, values.
// Trusts: Stripe, over TLS, and nobody's webhook: a signed event only says which session to ask Stripe about.
// If it fails: nothing is paid or paid back, or it was and is found when asked again. If it is wrong: the account's owner loses money.
// Spec: docs/purchases.md, section 5.
package stripe
