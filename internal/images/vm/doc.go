// Package vm makes the image of a virtual machine whose only process is the enclave: Debian's cloud kernel and an initramfs with one
// program. The same kernel package and the same enclave give the same bytes.
//
// Sees in clear: programs. Never sees: keys, rows.
// Trusts: the pinned digest of the kernel's package. Nothing that a package's scripts would do runs.
// If it fails: no image. If it is wrong: a machine starts something beside the enclave.
// Spec: docs/spec/perimeter-vm.md, section 2.
package vm
