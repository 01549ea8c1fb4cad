// Package folder is the embedded lake: a folder, through gocloud.dev/blob/fileblob.
//
// Sees in clear: what package lake sees. Never sees: keys, values.
// Trusts: the file system to keep what fsync returned for.
// If it fails: the call fails, and no part of a file is visible. If it is wrong: as package lake says.
// Spec: docs/spec/exchange-api.md, section 5.
package folder
