// Package eif writes and reads the file that a Nitro enclave is started from: a kernel, its command line and its first root
// folder, and computes the registers that the enclave's evidence will show.
//
// Sees in clear: programs, which are public. Never sees: keys, rows.
// Trusts: its caller for what the parts are.
// If it fails: no image, no registers. If it is wrong: owners pin registers that no enclave has, and refuse every one.
// Spec: docs/spec/images.md, section 3.
package eif
