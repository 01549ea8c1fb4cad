// Package child starts processes that end with the host, however it ends.
//
// Sees in clear: nothing. Never sees: keys, values, results, SQL.
// Trusts: the kernel's parent-death signal.
// If it fails: no enclave starts. If it is wrong: an enclave, or what stands around it, outlives its job.
package child
