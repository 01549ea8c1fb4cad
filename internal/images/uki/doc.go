// Package uki writes and reads unified kernel images: kernel, first root folder and command line in one program that UEFI
// firmware starts, and computes what the firmware and the stub at its head extend a TPM's registers by.
//
// Sees in clear: programs, which are public. Never sees: keys, rows.
// Trusts: the stub, which is systemd's: it finds the parts and measures them. Its caller for what the parts are.
// If it fails: no image, no values. If it is wrong: owners pin values that no machine has, and refuse every one.
// Spec: docs/spec/images.md, section 4.
package uki
