// Package units counts distinct units up to a cap, inside DuckDB: thresholds ask whether there are k of them, and to count a
// million exactly costs ten times as much as the query itself.
//
// Sees in clear: unit identifiers of one job. Never sees: keys, ciphertext, SQL.
// Trusts: DuckDB to hand it what it declares (the C API of the version that is linked).
// If it fails: the aggregate can't be registered, and no plan that needs it runs. If it is wrong: a cell leaves that has fewer units
// than its owner's policy asks for. Equal hashes make the count smaller, never larger.
// Spec: docs/spec/release-rules.md, section 2.
package units
