// Package sgx reads what the signer of an SGX enclave stated: SIGSTRUCT, with the enclave's measurement, its signer, product
// and version. The measurement is not computed anew; what it covers is the word of the signer, and of the tool that made it.
//
// Sees in clear: a signed structure, which is public. Never sees: keys, rows.
// Trusts: nothing; the signature shows who states it, and its caller decides whether that is somebody.
// If it fails: no values. If it is wrong: owners pin a measurement that no enclave has, and refuse every one.
// Spec: docs/spec/images.md, section 5.
package sgx
