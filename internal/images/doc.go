// Package images builds what an operator starts an enclave from on hardware: for SEV-SNP a kernel, a first root folder and a
// command line, for TDX a unified kernel image, for Nitro an enclave image, for SGX what Gramine is given. What it builds was
// never run on hardware, and says so.
//
// Sees in clear: programs, which are public. Never sees: keys, rows.
// Trusts: the pinned packages of Debian, its caller for the enclave program.
// If it fails: no image. If it is wrong: a machine starts something beside the enclave; its measurement shows it.
// Spec: docs/spec/images.md, section 7.
package images
