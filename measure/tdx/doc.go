// Package tdx computes, without hardware, two registers of a TDX guest that QEMU boots directly: RTMR 1, the kernel, and RTMR 2,
// its options and first root folder. MRTD and RTMR 0, which are the firmware's and the machine's, it does not compute.
//
// Sees in clear: images, which are public. Never sees: keys, rows.
// Trusts: its caller for the files, and for which firmware starts them.
// If it fails: no values. If it is wrong: owners compare with registers that no guest has, and refuse every one.
// Spec: docs/spec/images.md, section 2.2.
package tdx
