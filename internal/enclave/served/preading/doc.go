// Package preading reads files as DuckDB does, for tests of package served.
//
// Sees in clear: what a test serves. Never sees: anything of a job.
// Trusts: the linker, which puts package served in the way of pread.
// If it fails: a test fails. If it is wrong: a test tests something else.
package preading
