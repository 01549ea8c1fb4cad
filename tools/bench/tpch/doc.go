// Package tpch holds the 22 queries of TPC-H, which columns each reads, and the specification's answers; it runs the
// generator of the tables.
//
// Sees in clear: generated rows, which are public. Never sees: keys.
// Trusts: the generator to make the tables that the specification describes; at scale factor 1 its answers are compared.
// If it fails: no tables. If it is wrong: a column too many is opened, or a query is easier than it should be.
// Spec: docs/benchmarks.md.
package tpch
