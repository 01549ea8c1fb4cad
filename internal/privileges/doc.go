// Package privileges gives up what a thread may do, for good: capabilities, user, limits, files. The first stage of a perimeter does so
// before it becomes the enclave, and an enclave that is a machine's first process before it executes itself.
//
// Sees in clear: nothing. Never sees: keys, values, results, SQL.
// Trusts: the kernel. An error means that the right may still be there: the caller ends.
// If it fails: no enclave starts. If it is wrong: a flaw in the engine could reach what a receipt says is out of reach.
// Spec: docs/spec/perimeter-process.md, section 4; docs/spec/perimeter-vm.md, section 3.
//
// Raw system calls throughout: the wrappers in package syscall would apply them to every thread, or restore what they found at start.
// Here exactly one thread must carry them through an execution.
package privileges
