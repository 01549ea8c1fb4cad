// Package parquetfile writes a result table as a plain Parquet file, for the requester's own tools.
//
// Sees in clear: released cells at the requester. Never sees: rows, keys, anything inside the enclave, which does not import it.
// Trusts: package result for what a valid table is.
// If it fails: no file. If it is wrong: a requester's tool misreads its own result.
// Spec: docs/spec/result.md, section 7.
package parquetfile
