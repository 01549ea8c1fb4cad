// Package seal holds the key types and the few operations that Cordon does with
// them: signing, sealing to a party or an enclave (HPKE), wrapping, committing.
//
// Sees in clear: private keys and data keys, for as long as its caller holds them. Never sees: rows, results it did not seal.
// Trusts: crypto/rand, crypto/hpke, crypto/ed25519 and crypto/aes of the standard library.
// If it fails: nothing is signed, sealed or opened. If it is wrong: keys or results are readable by others.
// Spec: docs/spec/sealing.md.
package seal
