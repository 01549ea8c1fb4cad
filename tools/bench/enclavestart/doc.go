// Command enclavestart measures how long an enclave takes from its start in a perimeter of processes to its first request.
//
// Sees in clear: nothing; the enclaves get no job. Trusts: nothing.
// If it fails: no figure. If it is wrong: somebody decides on a wrong figure.
// Spec: docs/benchmarks.md.
package main
