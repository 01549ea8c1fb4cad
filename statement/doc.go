// Package statement defines what parties tell each other: signed statements in
// one strict encoding, and nothing else.
//
// Sees in clear: names, digests, sizes, times, signatures. Never sees: keys that open anything, values, SQL.
// Trusts: nobody. A statement means something only once Verify has checked it against fingerprints its reader pinned.
// If it fails: the statement is refused as a whole. If it is wrong: a party could be made to rely on words nobody signed.
// Spec: docs/spec/statement.md.
package statement
