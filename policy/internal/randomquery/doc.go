// Package randomquery writes random queries of plan/2's grammar, some of them damaged, for tests of the compiler and of the
// engine that reads its texts.
//
// Sees in clear: nothing. Never sees: rows, policies.
// Trusts: nothing. If it is wrong: tests show less than they say.
// Spec: docs/spec/policy.md, section 5.1.
package randomquery
