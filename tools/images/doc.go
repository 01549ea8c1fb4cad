// Command images builds what an enclave is started from on hardware: for SEV-SNP, TDX, Nitro and SGX. It needs no root and
// installs nothing. What it builds was never run on hardware.
//
// Sees in clear: programs, which are public. Never sees: keys, rows.
// Trusts: pinned packages of Debian, its user for the enclave program.
// If it fails: no image. If it is wrong: see package internal/images.
// Spec: docs/hardware.md.
package main
