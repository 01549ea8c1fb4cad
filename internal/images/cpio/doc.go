// Package cpio writes and reads the archive that a Linux kernel unpacks as its first root folder (initramfs): the "newc"
// format, in the one form in which the same files give the same bytes.
//
// Sees in clear: programs and kernel modules, which are public. Never sees: keys, rows.
// Trusts: its caller for what is in the files.
// If it fails: no image is built. If it is wrong: an image has files that its measurement was not checked for.
// Spec: docs/spec/images.md, section 1.
package cpio
