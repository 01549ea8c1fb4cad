// Package evidencetest replays recorded evidence in tests of verifiers.
//
// Sees in clear: evidence of testdata. Never sees: keys, rows.
// Trusts: the collection in evidence/testdata. If it fails: a test fails. If it is wrong: a test passes that should not.
// Spec: docs/spec/evidence-kinds.md, section 1.
package evidencetest
