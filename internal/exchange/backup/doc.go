// Package backup copies an exchange's store while it is served, and brings a copy back.
//
// Sees in clear: what package store sees. Never sees: keys, values.
// Trusts: the file system to keep what fsync returned for. A backup proves nothing about who made it: what parties rely on is
// signed, and fsck looks at every signature.
// If it fails: nothing is there under the name of the backup or of the home. If it is wrong: a store that is older or less
// than its owner believes is served.
// Spec: docs/operating.md.
package backup
