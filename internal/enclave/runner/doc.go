// Package runner is the life of one job inside the enclave: it believes nobody, asks every broker, opens what they
// release, answers the plan, closes everything, and gives the result away only against everybody's acknowledgement.
//
// Sees in clear: the keys and columns that the owners released for one job, its SQL, its result. Never sees: keys or data of
// another job; anything that was not granted.
// Trusts: signatures of the parties that the contract pins, commitments in their offers, its own verification of evidence about
// itself. Not the host, the exchange, or either's clock.
// If it fails: no result, and a coarse code; after a release, a receipt that says so. If it is wrong: keys or values of one
// owner could end in a result, code or receipt that its policy does not allow.
// Spec: docs/spec/channel.md, section 4; docs/spec/messages.md; docs/spec/receipt.md.
//
// The stages, as receipts name them: start, wait, brief, hello, quote, open, run, seal.
package runner
