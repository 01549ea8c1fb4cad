// Package measure computes, from the files that an operator would start an enclave from, what a relying party must then see in
// the enclave's evidence, and the build that policies and contracts list for it. No hardware is needed.
//
// Sees in clear: programs and images, which are public. Never sees: keys, rows.
// Trusts: its caller for the files, and for how they are started.
// If it fails: no build. If it is wrong: owners list a build that no enclave has, and refuse every one.
// Spec: docs/spec/images.md, section 6.
package measure
