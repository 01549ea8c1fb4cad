// Package enclavebuild knows how cordon-enclave is built, and states of a build what it was made of: a manifest, and a bill of
// materials that names every archive that the linker read.
//
// Sees in clear: source, programs and archives, which are public. Never sees: keys, rows.
// Trusts: the machine that builds: its Go, its C compiler, its package database.
// If it fails: no manifest. If it is wrong: a release is said to be made of what it is not. The program's digest, which owners pin,
// does not depend on it: whoever builds anew from the same source compares that.
// Spec: docs/spec/enclave-manifest.md.
package enclavebuild
