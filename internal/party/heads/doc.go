// Package heads remembers, for each owner, the newest acknowledgement that was seen: it is signed, and names the owner's ledger head.
//
// Sees in clear: acknowledgements. Never sees: rows, queries, keys.
// Trusts: nobody: what it reads was signed by the owner that it is kept for. Who can write the home folder can make it forget.
// If it fails, or forgets: an owner with a restored ledger may not notice. If it is wrong: an owner is refused, or accused, for nothing.
// Spec: docs/spec/ledger.md, section 6.
package heads
