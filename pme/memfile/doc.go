// Package memfile holds one plain Parquet file in memory under a path that DuckDB can read.
//
// Sees in clear: the columns opened into it, from Finish until Close. Never sees: keys.
// Trusts: the kernel to keep a memory file off the disk, which holds only without swap (the enclave checks that at start).
// If it fails: no path, and the memory is released. If it is wrong: clear columns outlive their job, or something
// other than the opened bytes is read.
// Spec: docs/spec/sealed-parquet.md, section "The memory file".
package memfile
