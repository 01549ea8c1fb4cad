// Package canon is the SQL that plans are run as: a small tree, its one text, and the reading of what the engine says it
// understood of that text.
//
// Every name in the text is quoted and qualified, every function named in system.main, every constant text with a cast,
// every expression in parentheses. Two checks run in the enclave before any row is read, and fail closed: the engine's own
// parse of the text (json_serialize_sql) must read back as the same tree, and the engine's bound plan
// (json_serialize_plan) must read exactly the expected files and columns through listed operators and functions.
//
// Sees in clear: the constants of one plan. Never sees: rows, cells, keys.
// Trusts: nothing that the engine says beyond its form; unknown fields are refused.
// If it fails: the job ends before a row is read. If it is wrong: the engine might run something else than the plan.
// Spec: docs/spec/policy.md, section 8.
package canon
