// Package fault is the one shape of errors that reach a person: what failed,
// what to do next, and the exit code of the stage.
//
// Sees in clear: error texts. Never sees: keys, values.
// Trusts: its callers to keep data out of texts.
// If it fails: a message lacks its hint. If it is wrong: a script reads the wrong exit code.
// Spec: docs/cli.md, section "Exit codes".
package fault
