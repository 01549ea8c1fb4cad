// Package field writes values found in evidence the way collections of recorded evidence do, so that what a verifier
// read can be compared with them and shown.
//
// Sees in clear: evidence, which is public. Never sees: keys, rows.
// Trusts: nothing. If it fails: a value is not shown. If it is wrong: a value is shown as another; no check reads these texts.
// Spec: docs/spec/evidence-kinds.md, section 1.
package field
