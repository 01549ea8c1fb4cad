// Package tpm speaks to the TPM of the machine that the enclave is: it extends a register, makes an attestation key and has a quote
// signed by it.
//
// Sees in clear: digests and public keys. Never sees: keys, values, results, SQL.
// Trusts: nobody. What a TPM answers is bounded and read strictly; whether a quote is worth anything, its verifier says.
// If it fails: there is no evidence, so no key arrives. If it is wrong: evidence does not verify.
// Spec: docs/spec/perimeter-vm.md, section 5.
//
// It writes its four commands itself: a library that knows all of them would be the larger part of what the enclave imports.
package tpm
