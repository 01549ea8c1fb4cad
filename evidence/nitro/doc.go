// Package nitro verifies attestation documents of AWS Nitro enclaves.
//
// Sees in clear: documents, which are public. Never sees: keys, rows.
// Trusts: the root and the clock its caller gives. Not the root that a document brings.
// If it fails: a document is refused. If it is wrong: a program outside of Nitro, or another one, is taken for an enclave.
// Spec: docs/spec/evidence-kinds.md, section 3.
package nitro
