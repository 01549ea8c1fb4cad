// Package storetest is the conformance suite of the store seam: every
// implementation runs it.
//
// Sees in clear: made-up names and bytes. Never sees: anything real.
// Trusts: nobody.
// If it fails: an implementation is wrong. If it is wrong: an implementation's mistake goes unnoticed.
// Spec: docs/spec/exchange-api.md, sections 6 and 7.
package storetest
