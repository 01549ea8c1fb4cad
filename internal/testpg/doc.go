// Package testpg starts a real PostgreSQL server for tests, on a socket in a folder of its own.
//
// Sees in clear: what tests write. Never sees: anything real.
// Trusts: nobody. If it is wrong: a store passes that would lose what it confirmed.
package testpg
