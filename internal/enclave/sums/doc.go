// Package sums adds up measures, looks at their bounds and counts units in one pass, inside DuckDB: a sum and a check each by itself cost
// several times what reading the column does.
//
// Sees in clear: the measures and units of one job. Never sees: keys, ciphertext, SQL.
// Trusts: DuckDB to hand it what it declares (the C API of the version that is linked).
// If it fails: the aggregate can't be registered, and no plan that needs it runs. If it is wrong: a sum is wrong, a value out of bounds
// passes, which may carry every guard, or a cell passes with too few units.
// Spec: docs/spec/release-rules.md, section 2.
package sums
