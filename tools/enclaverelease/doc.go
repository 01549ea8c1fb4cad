// Command enclaverelease builds the enclave once more, compares it with the program that is there, and writes beside it what it was
// made of: cordon-enclave.manifest.json and cordon-enclave.cdx.json.
//
// Sees in clear: source, programs and archives, which are public. Never sees: keys, rows.
// Trusts: the machine that builds.
// If it fails: no release. If it is wrong: see package internal/enclavebuild.
// Spec: docs/spec/enclave-manifest.md.
package main
