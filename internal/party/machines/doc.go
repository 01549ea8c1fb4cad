// Package machines keeps the evidence of the enclaves that this party's jobs ran in, and finds those jobs again when a vendor warns of
// a machine: by kind, build, perimeter, and by how current the machine was then, or is by what its vendor says now.
//
// Sees in clear: evidence and the party's own ledger. Never sees: keys, values.
// Trusts: the party's home and ledger. It judges evidence anew, and says of what it can't judge that it is not known.
// If it fails: a past job is not found. If it is wrong: an owner believes that its data was not on a machine that it was on.
// Spec: docs/spec/evidence.md, section 11.
package machines
