// Package publish turns an owner's table into a sealed version and its signed offer.
//
// Sees in clear: the owner's rows, in memory only, and the fresh keys of one version. Never sees: anything of another party.
// Trusts: the owner's policy for what values may be. Not the file.
// If it fails: nothing was offered. If it is wrong: a value goes to the lake in clear, or is not the owner's.
// Spec: docs/cli.md, section "dataset publish"; docs/spec/sealed-parquet.md.
package publish
