// Package sqlite is the embedded store: one SQLite file in write-ahead mode, one
// writer, and a lock that keeps a second exchange out.
//
// Sees in clear: what package store sees. Never sees: keys, values, results, SQL.
// Trusts: the file system to keep what fsync returned for.
// If it fails: the call fails and has written nothing. If it is wrong: as package store says.
// Spec: docs/decisions/021-sqlite-embedded-store.md.
package sqlite
