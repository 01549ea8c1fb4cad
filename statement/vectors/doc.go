// Package vectors holds test vectors for everything that Cordon hashes, signs,
// seals or sends: what must be accepted, with its digest, and what must be
// refused, with the reason. Other implementations can import it or read its JSON files.
//
// All private keys in it are TEST KEYS, derived from public seeds: never use them.
//
// Sees in clear: test data. Never sees: anything real.
// Trusts: nobody. `go test ./statement/vectors -update` writes what is deterministic anew; review the diff.
// If it fails: a test fails. If it is wrong: two implementations could understand one statement differently.
// Spec: docs/spec/statement.md, section 8.
package vectors
