// Package releasing measures how many releases of keys one broker makes on one processor, and how long one takes.
//
// Sees in clear: keys and statements of parties that it makes itself, of data that nobody has.
// Trusts: nothing: every release that it counts is opened, and verified under the key of the party that signed it.
// If it fails: no figure. If it is wrong: somebody relies on a broker that is slower than told.
// Spec: docs/benchmarks.md.
package releasing
