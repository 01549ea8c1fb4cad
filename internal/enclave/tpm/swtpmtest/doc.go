// Package swtpmtest starts software TPMs for tests.
//
// Sees in clear: what a test says. Never sees: keys of parties, rows.
// Trusts: nobody. For tests alone.
// If it fails: a test does. If it is wrong: a test tests nothing.
package swtpmtest
