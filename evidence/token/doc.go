// Package token verifies attestation tokens of Google Confidential Space.
//
// Sees in clear: tokens, which name the workload's image, arguments and environment. Never sees: keys, rows.
// Trusts: Google's attestation service, by the keys or the root its caller gives: the hardware itself is not seen here. Not the
// keys and roots that a token brings.
// If it fails: a token is refused. If it is wrong: a program outside of Confidential Space, or another one, is taken for an enclave.
// Spec: docs/spec/evidence-kinds.md, section 4.
package token
