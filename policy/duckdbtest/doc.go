// Package duckdbtest holds the tests of package policy that need the real engine, so that policy itself is tested without cgo.
package duckdbtest
