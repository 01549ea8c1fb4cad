// Package anchor reads trust anchors: certificates that sign themselves, pinned by who configures them.
//
// Sees in clear: certificates, which are public. Never sees: keys, rows.
// Trusts: whoever names the file. If it fails: evidence under that root is refused. If it is wrong: something else than one root is trusted.
// Spec: docs/spec/evidence-kinds.md.
package anchor
