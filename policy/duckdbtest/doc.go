// Package duckdbtest holds the tests of package policy that need the real engine, so that policy itself is tested without cgo.
//
// Sees in clear: made-up rows. Never sees: keys, rows of anyone.
// Trusts: nothing. If it fails: a test fails. If it is wrong: a text reads more, or other, than its plan says.
package duckdbtest
