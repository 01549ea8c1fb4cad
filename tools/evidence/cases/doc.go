// Package cases reads collections of recorded evidence: what each file must be judged to be, and compares that with what a
// verifier found.
//
// Sees in clear: recorded evidence, which is public. Never sees: keys, rows.
// Trusts: the collection, whose words are the criterion.
// If it fails: nothing is compared. If it is wrong: a verifier that is wrong passes.
// Spec: docs/spec/evidence.md, section 7.6.
package cases
