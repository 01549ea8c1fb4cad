// Package logged checks an account together with its proof that a witnessed log has it: one file, without any connection.
//
// Sees in clear: receipts, evidence and all statements of one job, salts of their commitments. Never sees: keys, rows, queries.
// Trusts: the fingerprints that the caller pins. The log and its quorum are those that the contract names. Not the exchange.
// If it fails: nothing counts as logged. If it is wrong: an exchange can show an account that its witnesses never saw.
// Spec: docs/spec/log.md, section 5.
package logged
