// Package tests3 starts a real S3 server, versitygw, for tests.
//
// Sees in clear: made-up bytes and credentials. Never sees: anything real.
// Trusts: the server to be what it says. If it is wrong: a test of the lake says more than is true.
package tests3
