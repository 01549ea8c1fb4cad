// Package sqlstore is what the stores in SQL have in common: rules that must not differ between them, written once.
//
// Sees in clear: what package store sees. Never sees: keys, values, results, SQL of jobs.
// Trusts: the transaction that it is given.
// If it fails: the transaction fails, and nothing of it is written. If it is wrong: as package store says.
// Spec: docs/spec/exchange-api.md, sections 6 and 7.
package sqlstore
