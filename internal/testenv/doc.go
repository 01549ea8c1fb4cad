// Package testenv is the whole exchange in one process, for tests: a real exchange on loopback with a store and a lake in a
// temporary folder, real agents, real hosts, and the enclave's own code behind a perimeter that is none, named
// "in-process-test" in every policy, contract and receipt. Evidence is simulated.
//
// Sees in clear: everything, since all parties live in one process. Never sees: data of anyone; tests make all of it.
// Trusts: nothing. Used by tests only, which TestNobodyElseImportsIt checks.
// If it fails: a test fails. If it is wrong: a test proves less than it says.
// Spec: none of its own; docs/spec/README.md lists what it puts together.
package testenv
