// Package tabular reads an owner's own table from CSV, Parquet or Arrow, some rows at a time, as columns, and any value
// as exact text: the same text for the same value from every format.
//
// Sees in clear: the owner's values, on the owner's premises. Never sees: keys, anything of another party.
// Trusts: nobody: the file may be cut short, malformed or huge.
// If it fails: an error with line and column, never with the value. If it is wrong: other values are published than the owner has.
// Spec: docs/cli.md, section "dataset publish".
package tabular
