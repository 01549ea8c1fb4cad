// Package lockdown is what the enclave process does to itself at start: it checks the perimeter from within, and
// installs its system call filter.
//
// Sees in clear: nothing; it runs before the first key arrives. Never sees: keys, values, results, SQL.
// Trusts: the kernel. Not the host's word for what is around the enclave: it looks for itself.
// If it fails: the enclave exits before it asks for anything. If it is wrong: a flaw in the engine could reach the
// network, the disk or another process, and a receipt would name a filter that was not in force.
// Spec: docs/spec/perimeter-process.md, sections 5 and 6.
//
// Use, in this order, first thing in main: Prepare, then make net.Conns from ChannelFD and BulkFD (it takes calls that the
// filter refuses later), then Seccomp. DuckDB may be opened before or after.
package lockdown
