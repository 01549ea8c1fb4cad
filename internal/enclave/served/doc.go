// Package served answers what DuckDB reads of a file: the file has a name and a size, and no contents. Sealed columns are decrypted
// when DuckDB reads them. Large pages are decrypted straight into its own buffers. Small ones are decrypted many at once, and lie in
// clear here as well until DuckDB has read them: 32 MiB at most, erased when the file is closed. Headers are answered without Go.
//
// DuckDB reads through one function of the C library, pread. The linker puts served.c in its place, for every program that this
// package is part of; descriptors that are not of a served file go on to the kernel as before.
//
// Sees in clear: what is read, on its way into DuckDB's memory. Never sees: keys, ciphertext, SQL.
// Trusts: the linker (-Wl,--wrap=pread), and DuckDB to read files with pread. A file that is read in another way is zero bytes.
// If it fails: a read fails, and with it the query. If it is wrong: DuckDB computes on other bytes than the owner's.
package served
