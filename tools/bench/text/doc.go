// Package text holds the texts of docs/benchmarks.md that people write; the bench puts its figures between them.
//
// Sees in clear: nothing. Trusts: nobody. If it is wrong: a page says what its figures do not.
// Spec: docs/benchmarks.md.
package text

import "embed"

// Files are the texts, in the order of their names.
//
//go:embed *.md
var Files embed.FS
