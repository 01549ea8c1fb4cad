// Package postgres is the store of several exchange processes: one PostgreSQL
// database, and what the processes must tell each other.
//
// Sees in clear: what package store sees, and the database's password. Never sees: keys, values, results, SQL.
// Trusts: the database to keep what it committed, and whoever may log in to it.
// If it fails: the call fails and has written nothing, or the connection broke at its commit; each call can be made again.
// If it is wrong: as package store says.
// Spec: docs/decisions/070-postgresql-store.md.
package postgres
