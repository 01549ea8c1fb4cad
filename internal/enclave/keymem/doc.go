// Package keymem is memory for the enclave's keys: pages that are never written to a disk, are in no core dump, and, where the
// kernel has secret memory files, that not even the kernel maps.
//
// Sees in clear: the keys of one job, as bytes. Never sees: what they are for.
// Trusts: the kernel.
// If it fails: no key. If it is wrong: keys stay in memory after they were given back, or a receipt names a protection that was not in
// force.
// Spec: docs/spec/perimeter-process.md, section 8.
//
// New must be called before the system call filter is installed: it makes calls that the filter refuses.
package keymem
