// Package quiet keeps what a helper process sees out of core dumps, and what libraries print out of its replies.
//
// Sees in clear: nothing. Never sees: keys.
// Trusts: the system's limits. If it fails: the helper does not start. If it is wrong: a crash could leave a key on the disk.
// Spec: docs/spec/key-stores.md, section 4.
package quiet
