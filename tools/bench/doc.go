// Command bench measures what confidentiality costs, part by part: plain DuckDB over plain Parquet beside ours over sealed
// files, by turns in one run with the same settings, and whole jobs with real processes on one machine.
//
// Sees in clear: rows that it or a generator made, and the keys of the parties that it plays.
// Trusts: nothing: a ratio exists only where both sides gave the same answer (package figure).
// If it fails: no figures, no process and no file is left. If it is wrong: somebody decides on a wrong figure.
// Spec: docs/benchmarks.md.
package main
