// Package results opens what came back: a result only with a valid account of
// the job that made it.
//
// Sees in clear: results sealed to this party. Never sees: rows, keys of owners.
// Trusts: fingerprints of a contract that this party signed or granted, or that the reader pins. Not the exchange.
// If it fails: nothing is shown. If it is wrong: a result passes that nobody accounted for.
// Spec: docs/spec/receipt.md, docs/spec/result.md.
package results
