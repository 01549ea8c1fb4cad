// Package stage names the checks that evidence goes through, so that a refusal tells which one it failed.
//
// Sees in clear: evidence, which is public. Never sees: keys, rows.
// Trusts: nothing. If it fails: a refusal has no name. If it is wrong: a refusal has another's.
// Spec: docs/spec/evidence.md.
package stage
