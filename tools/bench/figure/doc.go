// Package figure holds what a measurement found, judges it against its goal, and writes it: as one line, as JSON, as a page
// with tables, and as plots.
//
// Sees in clear: times, sizes, counts, and answers for as long as two of them are compared. Never sees: keys.
// Trusts: the measurements. Not that both sides of a ratio did the same work: a Pair exists only after their answers agreed.
// If it fails: no figure. If it is wrong: somebody decides on a wrong figure.
// Spec: docs/benchmarks.md.
package figure
