// Package rowgroup encodes columns of values as row groups of Parquet, and puts row groups together to files.
//
// It is here, and not a library's writer, because publishing spends its time in it: it takes whole columns of plain Go values,
// looks at each once for its least and greatest, and chooses encodings that are small and quick to read, zstd on top where it
// takes enough off.
//
// Sees in clear: the owner's values, on the owner's premises, in memory. Never sees: keys, anything of another party.
// Trusts: its caller for values that fit their column's type. It checks none.
// If it fails: an error, no file. If it is wrong: a file that readers refuse, or read as other values than the owner's.
// Spec: docs/cli.md, section "dataset publish"; the encodings are those of Apache parquet-format.
package rowgroup
