// Package machine starts an enclave as the only process of a virtual machine of its own, under QEMU, with a software TPM beside it and one
// duplex channel.
//
// Sees in clear: nothing. The channel's bytes pass through the caller, sealed. Never sees: keys, values, results, SQL.
// Trusts: QEMU, swtpm and the kernel it runs on. Both programs belong to the host, so what the TPM says is the host's word: evidence is
// of kind tpm-software, which is software-rooted, and root on this machine can read the enclave's memory.
// If it fails: no enclave starts. If it is wrong: a flaw in the enclave's code could reach the network, the disk or another process, and a
// receipt would name a protection that was not in force.
// Spec: docs/spec/perimeter-vm.md, section 6.
package machine
