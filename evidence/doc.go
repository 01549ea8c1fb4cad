// Package evidence answers, for a relying party, two questions about an enclave
// that asks for keys: is its evidence genuine (a Verifier), and is it what we
// agreed to (Appraise)? Names follow RATS (RFC 9334).
//
// Sees in clear: evidence, measurements, public keys. Never sees: data keys, values.
// Trusts: the anchors its caller pinned. Not the clock, network or word of whoever presents the evidence.
// If it fails: no key is released. If it is wrong: a program nobody agreed to gets keys.
// Spec: docs/spec/evidence.md.
package evidence
