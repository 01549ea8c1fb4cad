// Package owner helps who writes a policy: presets to begin with, a schema for editors, and what a policy says in plain words.
//
// Sees in clear: policies. Never sees: rows, keys, queries, results.
// Trusts: package policy, which decides what a file means; what is said here follows from the parsed policy alone.
// If it fails: an owner writes its policy without help. If it is wrong: an owner permits what it did not mean to.
// Spec: docs/spec/policy.md and docs/policy.md.
package owner
