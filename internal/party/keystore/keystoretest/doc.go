// Package keystoretest is the conformance suite of key stores.
//
// Sees in clear: keys made for the test. Never sees: keys of anyone.
// Trusts: nothing. If it fails: an implementation is not fit. If it is wrong: an unfit one passes.
// Spec: docs/spec/keyring.md, section 4.
package keystoretest
