// Package measured is what an enclave that is a machine of its own and the verifier of its TPM's quotes agree on: which register holds
// the program, what a program makes of it, and how a quote is written down.
//
// Sees in clear: digests, quotes, public keys. Never sees: keys, rows.
// Trusts: nobody. It computes and encodes; package tpm verifies.
// If it fails: there is no evidence. If it is wrong: evidence of the agreed program is refused, or names another program.
// Spec: docs/spec/perimeter-vm.md, section 5.
package measured
