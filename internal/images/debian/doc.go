// Package debian gets files out of pinned packages of Debian: kernels, their modules, the stub of unified kernel images. Nothing
// is installed, and no script of a package runs.
//
// Sees in clear: packages, which are public. Never sees: keys, rows.
// Trusts: the pinned digest of a package. Not the archive, not apt's word.
// If it fails: no image. If it is wrong: an image has files that nobody named, and another measurement.
// Spec: docs/spec/images.md, section 7.
package debian
