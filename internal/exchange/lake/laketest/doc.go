// Package laketest is the conformance suite of the lake seam: every
// implementation runs it.
//
// Sees in clear: made-up bytes. Never sees: anything real.
// Trusts: nobody.
// If it fails: an implementation is wrong. If it is wrong: an implementation's mistake goes unnoticed.
// Spec: docs/spec/exchange-api.md, section 5.
package laketest
