// Package logtree keeps the tree of the transparency log in a folder, with Tessera.
//
// Sees in clear: leaves, which are commitments, and the log's signing key. Never sees: salts, or what is committed to.
// Trusts: the caller's order of leaves. The folder can be lost: the tree is built again from the same leaves.
// If it fails: the log does not go on; what is accepted waits in the store. If it is wrong: witnesses refuse to cosign.
// Spec: docs/spec/log.md, section 3.
package logtree
