// Package result is the table that leaves the enclave: its one encoding, its padding, and the forms people read.
//
// Sees in clear: released cells, in the enclave and then at the requester. Never sees: rows, keys, hidden values: a
// suppressed cell holds nothing.
// Trusts: the enclave that made the table. Decode trusts nobody.
// If it fails: no table. If it is wrong: a requester misreads a cell, or the length of a result says more than its bucket.
// Spec: docs/spec/result.md.
package result
