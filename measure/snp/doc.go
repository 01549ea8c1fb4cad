// Package snp computes, without hardware, the launch digest that AMD SEV-SNP puts into its reports for a guest that QEMU
// boots directly: firmware, kernel, first root folder, command line and virtual processors.
//
// Sees in clear: firmware and images, which are public. Never sees: keys, rows.
// Trusts: its caller for the files and for how the guest is started. The digest says nothing about a guest started otherwise.
// If it fails: no digest. If it is wrong: owners pin a measurement that no enclave has, and refuse every one.
// Spec: docs/spec/images.md, section 2.1.
package snp
