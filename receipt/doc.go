// Package receipt holds the account of one job together and checks it offline:
// what was in clear, how long, behind which perimeter, on whose authority, and
// who answers for which layer.
//
// Sees in clear: statements, policies in offers, and evidence. Never sees: keys, values, SQL.
// Trusts: the fingerprints that its caller pinned, and the acknowledgements of pinned owners for time. Not the enclave's or the exchange's clock.
// If it fails: a receipt does not verify, and no result opens. If it is wrong: an account that nobody gave could pass for one.
// Spec: docs/spec/receipt.md.
package receipt
