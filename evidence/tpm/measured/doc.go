// Package measured is what an enclave that is a machine of its own and those who expect it agree on: which register of the TPM holds the
// program, and what a program makes of it.
//
// Sees in clear: digests. Never sees: keys, rows.
// Trusts: nobody. It computes; packages hosted and tpm verify.
// If it fails: there is no evidence. If it is wrong: evidence of the agreed program is refused, or names another program.
// Spec: docs/spec/perimeter-vm.md, section 5.
package measured
