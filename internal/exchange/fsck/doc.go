// Package fsck looks whether what an exchange keeps fits together: every signature, every list that was taken from a
// statement, everything that one thing says of another.
//
// Sees in clear: what package exchange sees. Never sees: keys, values, results, SQL.
// Trusts: nobody; it checks again what the exchange checked when it came.
// If it fails: it says that it did not come to its end. If it is wrong: a damaged store is served, or a good one is not.
// Spec: docs/operating.md.
package fsck
