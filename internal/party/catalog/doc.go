// Package catalog is a party's view of what others signed: it fetches statements
// from the exchange and hands out only verified ones.
//
// Sees in clear: statements. Never sees: keys, values, SQL.
// Trusts: fingerprints that a caller or a contract pins. Not the exchange: it can withhold a statement, not make one.
// If it fails: what was asked for is not used. If it is wrong: a party relies on words that nobody signed.
// Spec: docs/spec/statement.md.
package catalog
