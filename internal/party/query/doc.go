// Package query asks: it explains a query before anything is spent, signs and
// seals it as a job, and waits for it.
//
// Sees in clear: the requester's own SQL. Never sees: keys of owners, values, results.
// Trusts: statements that it verified under the contract's fingerprints. Not the exchange.
// If it fails: no job is submitted, or one ends without a result. If it is wrong: SQL reaches someone whom it does not concern.
// Spec: docs/spec/statement.md (job), docs/spec/messages.md, section 2.
package query
