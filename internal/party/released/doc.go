// Package released keeps what a broker released, and the evidence of whom it was released to: one line each, appended to one file, so
// that a release makes no folder and no file of its own.
//
// Sees in clear: evidence, which is public; releases; keys only as they are sealed to an enclave.
// Trusts: nothing in the files: a line that is torn or changed counts as lost. They are written before the ledger has the release, and
// not synced: a killed agent loses nothing, a machine that fails perhaps the last moments.
// If it fails: nothing is released. If it is wrong: an answer comes again to another enclave, which it is not sealed to.
// Spec: docs/spec/evidence.md, section 11.
package released
