// Command mutants removes one security check at a time from the source and runs
// the test that must then fail. A mutant that survives is a check nobody tests.
//
// Sees in clear: source code. Never sees: keys, values.
// Trusts: the go command.
// If it fails: a check may be untested. If it is wrong: the same.
// Spec: docs/threat-model.md, section "Mutants".
package main
