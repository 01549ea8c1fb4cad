// Package publishing measures what sealing costs when a table is published: the path that 'cordon dataset publish' takes, the
// same without sealing, the same without a policy's checks, and pyarrow's writer of encrypted Parquet, by turns.
//
// Sees in clear: rows that the bench made itself, and keys that it makes for them.
// Trusts: nothing: sides that wrote another number of rows are an error.
// If it fails: no figures. If it is wrong: somebody decides on a wrong figure.
// Spec: docs/benchmarks.md.
package publishing
