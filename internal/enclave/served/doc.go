// Package served answers what DuckDB reads of a file: the file has a name and a size, and no contents. Sealed columns are decrypted
// when DuckDB reads them. Where this program and the processor have code for it, that is done without Go, straight into DuckDB's own
// buffers (decision 062). Elsewhere Go does it: small pages many at once, which lie in clear here as well until DuckDB has read them: 32
// MiB at most, erased when the file is closed. Headers are answered without Go.
//
// DuckDB reads through one function of the C library, pread. The linker puts served.c in its place, for every program that this
// package is part of; descriptors that are not of a served file go on to the kernel as before.
//
// Sees in clear: what is read, on its way into DuckDB's memory; column keys, which it expands. Never sees: SQL.
// Trusts: the linker (-Wl,--wrap=pread), and DuckDB to read files with pread. A file that is read in another way is zero bytes.
// If it fails: a read fails, and with it the query. If it is wrong: DuckDB computes on other bytes than the owner's.
package served
