// Package translog checks what a transparency log of statements says: leaves, proofs, checkpoints, and what witnesses signed about them.
//
// Sees in clear: salts and digests of statements that its caller shows it. Never sees: keys, rows, queries.
// Trusts: the log's key and the witnesses' fingerprints that the caller pins. Not the exchange that keeps the log.
// If it fails: nothing counts as logged. If it is wrong: an exchange can leave out, exchange or back-date what it accepted, unnoticed.
// Spec: docs/spec/log.md.
package translog
