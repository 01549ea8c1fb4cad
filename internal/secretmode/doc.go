// Package secretmode runs what handles keys so that Go erases what it left behind: registers and stack when it returns, memory of
// the heap when the garbage collector finds that nobody holds it. It is package runtime/secret where the program is built with
// GOEXPERIMENT=runtimesecret, as cordon-enclave is, and a plain call elsewhere.
//
// Not covered: memory that was taken outside of Do, or by goroutines that it starts, or by C: DuckDB's memory, and the kernel's. Heap
// memory is erased by the next collection, not at once.
//
// Sees in clear: nothing; what it runs does. Never sees: keys by itself.
// Trusts: the Go runtime.
// If it fails: it does not. If it is wrong: copies of keys stay in the process's memory until it ends.
// Spec: docs/spec/perimeter-process.md, section 8.
package secretmode
