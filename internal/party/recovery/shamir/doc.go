// Package shamir splits a secret into shares, of which a threshold gives it back and fewer say nothing about it (Shamir 1979), byte
// by byte over GF(2^8) with the polynomial of AES.
//
// Sees in clear: the secret. Never sees: anything else.
// Trusts: crypto/rand. It does not know whether shares belong together: its caller does.
// If it fails: no share, or no secret. If it is wrong: fewer shares than the threshold say something, or all of them nothing.
// Spec: docs/spec/recovery.md, section 4.
package shamir
