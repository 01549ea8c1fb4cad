// Command bench measures what confidentiality costs: the same aggregate by plain
// DuckDB over plain Parquet and by the whole exchange over the sealed file, by
// turns in one run, with real processes on one machine.
//
// Sees in clear: rows that it made itself, and the keys of the party that it plays.
// Trusts: nothing: a ratio is printed only if both sides gave the same answer.
// If it fails: no figures, no process and no file is left. If it is wrong: somebody decides on a wrong figure.
// Spec: docs/benchmarks.md.
package main
