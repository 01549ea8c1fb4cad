// Package guest puts together what a machine of an enclave's own starts from: Debian's cloud kernel, the modules that the kind
// of machine needs, and the enclave as the first and only program. The same inputs give the same bytes.
//
// Sees in clear: programs, which are public. Never sees: keys, rows.
// Trusts: its caller for kernel, modules and program, which are pinned.
// If it fails: no image. If it is wrong: a machine starts something beside the enclave.
// Spec: docs/spec/images.md, sections 1 and 7.
package guest
