// Package remembered keeps what was verified of exact bytes, so that the same bytes need not be verified again while it holds.
//
// Sees in clear: what vendors publish of machines. Never sees: keys, rows.
// Trusts: SHA-256, and its callers to give it all that a verdict depends on. Not the clock that was: each use has a time of its own.
// If it fails: everything is verified each time. If it is wrong: something counts as signed that is not, or for longer than it holds.
// Spec: docs/decisions/052-fast-releases.md.
package remembered
